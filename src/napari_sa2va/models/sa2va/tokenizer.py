"""The tokenizer of a checkpoint folder, whichever of its file formats is there.

Built on the `tokenizers` library directly: a checkpoint's own tokenizer code is never run, and
the chat format is applied by `prompt_format`, not by a template of the tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.core.grounding import SEG
from napari_sa2va.models.sa2va.checkpoint import read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer

# How Qwen2 cuts a text into words before its byte-level BPE (a published constant).
_QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


# The kinds of tokenizer files, each with all that it needs; the first that is there is read.
_FAST, _BYTE_LEVEL, _SENTENCEPIECE = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("tokenizer.model",),
)


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder has the files of any kind of tokenizer."""
    return any(_has(folder, kind) for kind in (_FAST, _BYTE_LEVEL, _SENTENCEPIECE))


def _has(folder: Path, kind: Sequence[str]) -> bool:
    return all((folder / name).is_file() for name in kind)


@dataclass(frozen=True)
class Tokenizer:
    """Text to token ids and back.

    Attributes
    ----------
    fast : tokenizers.Tokenizer
    eos_id : int | None
        The token that ends generation.
    bos_id : int | None
        The token put before a prompt, or None if the family has none.
    chat_template : str
        The Jinja template that lies in the folder; empty if there is none. It is never run.
    """

    fast: FastTokenizer
    eos_id: int | None = None
    bos_id: int | None = None
    chat_template: str = ""

    @classmethod
    def load(cls, folder: str | Path) -> Tokenizer:
        """Read tokenizer.json, or vocab.json + merges.txt, or tokenizer.model, in that order.

        Raises
        ------
        CheckpointError
            If none of them is there, one is damaged, or the added tokens contradict each other.
        """
        folder = Path(folder)
        settings = _optional_json(folder / "tokenizer_config.json")
        specials = _optional_json(folder / "special_tokens_map.json")
        try:
            added = _added_tokens(folder, settings)
            fast, first = _read_fast(folder, added)
            _complete(fast, added)
        except CheckpointError:
            raise
        # The library raises bare Exception on a damaged file, and lists may hold anything.
        except Exception as error:
            raise CheckpointError(
                f"The tokenizer of {folder} cannot be read: {type(error).__name__}: {error}.",
                "Copy the tokenizer files of the checkpoint again.",
            ) from error
        bos = None
        if settings.get("add_bos_token", first is not None):
            bos = _token(settings, specials, "bos_token") or first
        eos = _token(settings, specials, "eos_token")
        return cls(
            fast,
            eos_id=None if eos is None else fast.token_to_id(eos),
            bos_id=None if bos is None else fast.token_to_id(bos),
            chat_template=_chat_template(folder, settings),
        )

    def __len__(self) -> int:
        return self.fast.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str, *, start: bool = False) -> list[int]:
        """Token ids of a text; with `start`, preceded by the family's first token if it has one."""
        ids = self.fast.encode(text, add_special_tokens=False).ids
        return [self.bos_id, *ids] if start and self.bos_id is not None else ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens included."""
        return self.fast.decode([int(i) for i in ids], skip_special_tokens=False)

    def id_of(self, token: str) -> int:
        """The id of a special token, looked up by its text.

        Raises
        ------
        CheckpointError
            If the token is unknown, or its text is cut into several tokens.
        """
        known = self.fast.token_to_id(token)
        if known is None or self.encode(token) != [known]:
            hint = "Give the tokenizer files that belong to the weights."
            if token == SEG:
                hint = (
                    "This looks like a plain multimodal language model; give a Sa2VA or Sa2VA-i "
                    "checkpoint with its own tokenizer files."
                )
            raise CheckpointError(f"The tokenizer has no token {token}.", hint)
        return known


def _read_fast(folder: Path, added: dict[int, dict[str, Any]]) -> tuple[FastTokenizer, str | None]:
    """The tokenizer, and the token with which its kind starts a prompt unless told otherwise."""
    from tokenizers import Tokenizer as FastTokenizer

    if _has(folder, _FAST):
        fast = FastTokenizer.from_file(str(folder / "tokenizer.json"))
        fast.no_padding()
        fast.no_truncation()
        begun, plain = (fast.encode("a", add_special_tokens=way).tokens for way in (True, False))
        return fast, begun[0] if begun[:1] != plain[:1] else None
    if _has(folder, _BYTE_LEVEL):
        return _byte_level_bpe(folder), None
    if _has(folder, _SENTENCEPIECE):
        from napari_sa2va.models.sa2va.sentencepiece_bpe import fast_tokenizer

        renamed = {token_id: str(entry["content"]) for token_id, entry in added.items()}
        return fast_tokenizer(folder / "tokenizer.model", renamed), "<s>"
    raise CheckpointError(
        f"{folder} has no tokenizer: neither tokenizer.json, nor vocab.json with merges.txt, nor "
        "tokenizer.model.",
        "Copy the tokenizer files of the checkpoint into it.",
    )


def _byte_level_bpe(folder: Path) -> FastTokenizer:
    """Qwen2's tokenizer from its two text files."""
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers
    from tokenizers import Tokenizer as FastTokenizer

    model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    fast = FastTokenizer(model)
    fast.normalizer = normalizers.NFC()
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN2_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    fast.decoder = decoders.ByteLevel()
    return fast


def _chat_template(folder: Path, settings: dict[str, Any]) -> str:
    """The chat template from whichever file holds it, as libraries of several years wrote it."""
    written = folder / "chat_template.jinja"
    if written.is_file():
        return written.read_text(encoding="utf-8", errors="replace")
    for source in (_optional_json(folder / "chat_template.json"), settings):
        if isinstance(source.get("chat_template"), str):
            return str(source["chat_template"])
    return ""


def _optional_json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _added_tokens(folder: Path, settings: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Tokens added after the base vocabulary, by id, from whichever file lists them."""
    added: dict[int, dict[str, Any]] = {}
    for content, token_id in _optional_json(folder / "added_tokens.json").items():
        added[int(token_id)] = {"content": content, "special": True}
    for token_id, entry in settings.get("added_tokens_decoder", {}).items():
        added[int(token_id)] = dict(entry)
    return dict(sorted(added.items()))


def _complete(fast: FastTokenizer, added: dict[int, dict[str, Any]]) -> None:
    """Add the listed tokens, and check that each has the id it is listed with."""
    from tokenizers import AddedToken

    for token_id, entry in added.items():
        content = str(entry["content"])
        special = bool(entry.get("special", True))
        token = AddedToken(
            content,
            special=special,
            single_word=bool(entry.get("single_word", False)),
            lstrip=bool(entry.get("lstrip", False)),
            rstrip=bool(entry.get("rstrip", False)),
            normalized=bool(entry.get("normalized", not special)),
        )
        if special:
            fast.add_special_tokens([token])
        else:
            fast.add_tokens([token])
        if fast.token_to_id(content) != token_id:
            raise CheckpointError(
                f"The added token {content} should have id {token_id}, but the vocabulary gives "
                f"it {fast.token_to_id(content)}.",
                "Give the tokenizer files that belong to the weights.",
            )


def _token(settings: dict[str, Any], specials: dict[str, Any], name: str) -> str | None:
    """A named special token; either file may hold it as text or as an object."""
    for source in (settings, specials):
        value = source.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            return value
    return None


def save(tokenizer: Tokenizer, folder: str | Path) -> None:
    """Write tokenizer.json and tokenizer_config.json, as `Tokenizer.load` reads them."""
    folder = Path(folder)
    tokenizer.fast.save(str(folder / "tokenizer.json"))

    def text(token_id: int | None) -> str | None:
        return None if token_id is None else tokenizer.fast.id_to_token(token_id)

    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": text(tokenizer.eos_id),
        "bos_token": text(tokenizer.bos_id),
        "add_bos_token": tokenizer.bos_id is not None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
