"""Tokenizers of all three file formats; ids are those of the original programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.golden_cases import FOLDER
from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.core.exchange import Exchange
from napari_sa2va.models.sa2va.prompt_format import TEMPLATES
from napari_sa2va.models.sa2va.tokenizer import Tokenizer, save

GOLDEN = FOLDER / "sa2va-qwen2-video"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
TEXTS = (
    "Please segment the bright cell.",
    "user\nthe person in the   red shirt, 2nd from left (100%)!\n",
    "  leading and trailing  ",
    "細胞が分裂する。 größer naïve Ωμέγα 🙂\t",
    "a\n\n\nb 12345.67",
    "ＣＥｖ……——",
)


def test_special_tokens_are_one_id_each_wherever_they_stand():
    tokenizer = Tokenizer.load(GOLDEN)
    seg = tokenizer.id_of("[SEG]")
    assert tokenizer.encode("is [SEG].")[-2] == seg
    assert tokenizer.encode("[SEG][SEG]") == [seg, seg]
    assert tokenizer.eos_id == tokenizer.id_of("<|im_end|>")
    assert len(tokenizer) == 267


def test_decoding_keeps_special_tokens():
    tokenizer = Tokenizer.load(GOLDEN)
    text = "Sure, it is [SEG].<|im_end|>"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_an_unknown_special_token_is_an_error():
    with pytest.raises(CheckpointError, match="no token <nothing>"):
        Tokenizer.load(GOLDEN).id_of("<nothing>")


def test_a_word_of_several_tokens_is_no_special_token():
    with pytest.raises(CheckpointError, match="no token cell"):
        Tokenizer.load(GOLDEN).id_of("cell")


def test_tokens_that_only_a_side_file_lists_are_added(tmp_path):
    shutil.copyfile(GOLDEN / "tokenizer.json", tmp_path / "tokenizer.json")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<more>": 267}))
    assert Tokenizer.load(tmp_path).encode("a<more>")[-1] == 267


def test_an_added_token_with_the_wrong_id_is_an_error(tmp_path):
    shutil.copyfile(GOLDEN / "tokenizer.json", tmp_path / "tokenizer.json")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[SEG]": 300}))
    with pytest.raises(CheckpointError, match=r"\[SEG\] should have id 300.* 262"):
        Tokenizer.load(tmp_path)


def test_a_folder_without_tokenizer_says_what_is_wanted(tmp_path):
    with pytest.raises(CheckpointError, match=r"neither tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_a_damaged_tokenizer_file_is_an_error_of_the_checkpoint(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model": 3}')
    with pytest.raises(CheckpointError, match="cannot be read"):
        Tokenizer.load(tmp_path)


def test_a_first_token_that_only_the_tokenizer_itself_adds_is_kept(tmp_path):
    written = json.loads((GOLDEN / "tokenizer.json").read_text())
    written["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[SEG]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"[SEG]": {"id": "[SEG]", "ids": [262], "tokens": ["[SEG]"]}},
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(written))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": None}))
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.encode("a", start=True) == [262, *tokenizer.encode("a")]


@pytest.mark.parametrize(
    "name", ["chat_template.jinja", "chat_template.json", "tokenizer_config.json"]
)
def test_the_chat_template_is_found_in_whichever_file_has_it(name, tmp_path):
    shutil.copyfile(GOLDEN / "tokenizer.json", tmp_path / "tokenizer.json")
    template = "{{ messages }}"
    (tmp_path / name).write_text(
        template if name.endswith("jinja") else json.dumps({"chat_template": template})
    )
    assert Tokenizer.load(tmp_path).chat_template == template
    assert Tokenizer.load(GOLDEN).chat_template == ""


def test_what_was_saved_loads_again(tmp_path):
    tokenizer = Tokenizer.load(GOLDEN)
    save(tokenizer, tmp_path)
    again = Tokenizer.load(tmp_path)
    assert (again.eos_id, again.bos_id) == (tokenizer.eos_id, None)
    assert again.encode("is [SEG].") == tokenizer.encode("is [SEG].")


# -- SentencePiece ------------------------------------------------------------------------------


def varint(value):
    head = bytearray()
    while value > 0x7F:
        head.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*head, value])


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field, value):
    return varint(field << 3) + varint(value)


def sentencepiece_model(pieces, *, bpe=True, dummy_prefix=False):
    """The bytes of a tokenizer.model with these (text, score, kind)."""
    data = b""
    for text, score, kind in pieces:
        score_field = varint(2 << 3 | 5) + struct.pack("<f", score)
        data += message(1, message(1, text.encode()) + score_field + number(3, kind))
    data += message(2, number(3, 2 if bpe else 1) + number(35, 1))
    return data + message(3, number(3, dummy_prefix) + number(4, 0))


PIECES = [
    ("<unk>", 0, UNKNOWN),
    ("<s>", 0, CONTROL),
    ("</s>", 0, CONTROL),
    *[(f"<0x{i:02X}>", 0, BYTE) for i in range(256)],
    *[(text, -rank, NORMAL) for rank, text in enumerate(["▁", "a", "b", "c", "bc", "ab", "▁a"])],
    ("[UNUSED_TOKEN_0]", 0, USER_DEFINED),
    ("……", 0, USER_DEFINED),
]
IDS = {text: i for i, (text, _, _) in enumerate(PIECES)}


def load_pieces(folder, settings=None, **kwargs):
    (folder / "tokenizer.model").write_bytes(sentencepiece_model(PIECES, **kwargs))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings or {}))
    return Tokenizer.load(folder)


def texts_of(tokenizer, text):
    return [tokenizer.fast.id_to_token(i) for i in tokenizer.encode(text)]


def test_pieces_merge_by_score_and_not_by_length_or_place(tmp_path):
    # "bc" has a better score than "ab": a|bc, and not ab|c.
    assert texts_of(load_pieces(tmp_path), "abc") == ["a", "bc"]


def test_spaces_are_kept_and_none_is_put_in_front(tmp_path):
    tokenizer = load_pieces(tmp_path)
    assert texts_of(tokenizer, "a  a") == ["a", "▁", "▁a"]
    assert tokenizer.decode(tokenizer.encode(" a  a ")) == " a  a "


def test_a_dummy_prefix_is_added_where_the_model_asks_for_it(tmp_path):
    tokenizer = load_pieces(tmp_path, dummy_prefix=True)
    assert texts_of(tokenizer, "a") == ["▁a"]
    assert tokenizer.decode(tokenizer.encode("a")) == "a"


def test_what_has_no_piece_falls_back_to_bytes(tmp_path):
    tokenizer = load_pieces(tmp_path)
    assert texts_of(tokenizer, "é") == ["<0xC3>", "<0xA9>"]
    assert tokenizer.decode(tokenizer.encode("aéa")) == "aéa"


def test_user_defined_pieces_are_matched_as_a_whole(tmp_path):
    assert texts_of(load_pieces(tmp_path), "a……b") == ["a", "……", "b"]


def test_an_added_token_takes_over_the_place_of_an_unused_piece(tmp_path):
    unused = IDS["[UNUSED_TOKEN_0]"]
    settings = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "added_tokens_decoder": {
            str(unused): {"content": "<|im_end|>", "special": True},
            str(len(PIECES)): {"content": "[SEG]", "special": True},
        },
    }
    tokenizer = load_pieces(tmp_path, settings)
    assert tokenizer.id_of("<|im_end|>") == unused
    assert tokenizer.id_of("[SEG]") == len(PIECES)
    assert len(tokenizer) == len(PIECES) + 1


@pytest.mark.parametrize(("wanted", "first"), [(True, [1]), (False, [])])
def test_a_prompt_begins_with_bos_once_if_the_family_has_it(tmp_path, wanted, first):
    tokenizer = load_pieces(tmp_path, {"bos_token": "<s>", "add_bos_token": wanted})
    assert tokenizer.encode("a", start=True) == [*first, IDS["a"]]
    assert tokenizer.encode("a") == [IDS["a"]]


def test_a_model_of_another_kind_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="not BPE"):
        load_pieces(tmp_path, bpe=False)


def test_a_model_that_was_cut_off_is_refused(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(sentencepiece_model(PIECES)[:-7])
    with pytest.raises(CheckpointError, match="not a SentencePiece model"):
        Tokenizer.load(tmp_path)


# -- real vocabularies --------------------------------------------------------------------------

# Pieces of many scripts, of spaces and of what looks like marks, to be put together at random.
SHREDS = [
    *"abcdefghij ABC 0123456789 .,;:!?'\"()[]{}<>|/\\\n\t  ",
    *"細胞が分裂する日本語中文한국어äöüßéñçøΩμλЖдשעברית🙂🔬👩‍🔬\u3000\u00a0\u200b\u0301…—–“”",
    *(" the ", " cell", "segment", "[SEG", "<|im", "ing ", "\r\n", "https://", "  \n\n"),
]
# Where InternLM2 checkpoints of the InternVL family have their added tokens.
INTERNLM2_ADDED = {
    92538: "<|plugin|>", 92539: "<|interpreter|>", 92540: "<|action_end|>",
    92541: "<|action_start|>", 92542: "<|im_end|>", 92543: "<|im_start|>", 92544: "<img>",
    92545: "</img>", 92546: "<IMG_CONTEXT>", 92547: "<quad>", 92548: "</quad>", 92549: "<ref>",
    92550: "</ref>", 92551: "<box>", 92552: "</box>", 92553: "[SEG]", 92554: "<p>", 92555: "</p>",
    92556: "<vp>", 92557: "</vp>",
}  # fmt: skip


def random_texts(number):
    generator = np.random.default_rng(0)
    for _ in range(number):
        chosen = generator.integers(0, len(SHREDS), generator.integers(1, 40))
        yield "".join(SHREDS[i] for i in chosen)


def internlm2_folder(source, folder):
    """The real model file with the added tokens of a Sa2VA checkpoint beside it."""
    shutil.copyfile(source / "internlm2" / "tokenizer.model", folder / "tokenizer.model")
    settings = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "add_bos_token": True,
        "added_tokens_decoder": {
            str(i): {"content": text, "special": True} for i, text in INTERNLM2_ADDED.items()
        },
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def shared():
    folder = os.environ.get("NAPARI_SA2VA_SHARED")
    if not folder:
        pytest.skip("NAPARI_SA2VA_SHARED does not name the folder with real tokenizers")
    return Path(folder) / "data" / "tokenizers"


def test_internlm2_is_cut_as_sentencepiece_cuts_it(shared, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    source = shared / "internlm2" / "tokenizer.model"
    original = sentencepiece.SentencePieceProcessor(model_file=str(source))
    shutil.copyfile(source, tmp_path / "tokenizer.model")
    tokenizer = Tokenizer.load(tmp_path)
    assert len(tokenizer) == 92544
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    for text in (*TEXTS, *random_texts(500)):
        assert tokenizer.encode(text) == original.encode(text), text


def test_internlm2_prompts_are_sentencepieces_between_the_added_tokens(shared, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = internlm2_folder(shared, tmp_path)
    original = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    tokenizer = Tokenizer.load(folder)
    assert len(tokenizer) == 92558
    ids = {text: number for number, text in INTERNLM2_ADDED.items()}
    history = [
        Exchange("<image>\n 細胞はどれですか？", "Sure, it is <p> 細胞 </p> [SEG].<|im_end|>")
    ]
    for text in (*TEXTS, *random_texts(50)):
        prompt = TEMPLATES["internlm2_chat"].conversation(text + " now", history, (3, 2))
        expected = [1]  # <s>, once
        for part in re.split("(" + "|".join(map(re.escape, ids)) + ")", prompt):
            expected += [ids[part]] if part in ids else original.encode(part)
        assert tokenizer.encode(prompt, start=True) == expected, text
        assert tokenizer.decode(tokenizer.encode(prompt)) == prompt


def test_internlm2_chat_tokens_have_their_published_ids(shared, tmp_path):
    tokenizer = Tokenizer.load(internlm2_folder(shared, tmp_path))
    for number, text in INTERNLM2_ADDED.items():
        assert tokenizer.id_of(text) == number
    assert (tokenizer.bos_id, tokenizer.eos_id) == (1, 2)
    ids = tokenizer.encode("<|im_start|>user\n<img></img>", start=True)
    # Of InternLM2's own vocabulary: "user" is 1008, a newline 364.
    assert ids == [1, 92543, 1008, 364, 92544, 92545]


def test_a_qwen2_export_without_tokenizer_json_reads_its_text_files(shared):
    from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

    folder = shared / "qwen2_sa2va"
    tokenizer, original = Tokenizer.load(folder), Qwen2Tokenizer.from_pretrained(folder)
    assert len(tokenizer) == 151679
    assert tokenizer.id_of("[SEG]") == 151674
    assert tokenizer.eos_id == 151645
    assert tokenizer.bos_id is None
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    for template in TEMPLATES.values():
        prompt = template.conversation("<image>\nWhere is the 2nd cell?", (), (3, 2))
        assert tokenizer.encode(prompt, start=True) == original.encode(prompt)
        assert tokenizer.decode(tokenizer.encode(prompt)) == prompt
    for text in (*TEXTS, *random_texts(300)):
        assert tokenizer.encode(text) == original.encode(text), text


def test_marks_of_phi3_are_words_to_a_qwen2_tokenizer(shared):
    """So that an answer of Sa2VA-4B ends in its text, and at no token."""
    tokenizer = Tokenizer.load(shared / "qwen2_sa2va")
    for mark in ("<|user|>", "<|end|>", "<|assistant|>"):
        assert len(tokenizer.encode(mark)) > 1
    answer = tokenizer.encode("Sure, it is [SEG].<|end|>")
    assert tokenizer.eos_id not in answer
    finished = [TEMPLATES["phi3_chat"].is_finished(tokenizer.decode(answer[: i + 1]))
                for i in range(len(answer))]  # fmt: skip
    assert finished == [False] * (len(answer) - 1) + [True]
