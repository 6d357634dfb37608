"""Words: the tokenizer of the small model, its prompt, and how turns about a movie are packed.

All turns about one movie share its image tokens. Packed into one sequence with a block mask and
positions that start over after the images, each turn sees exactly what it would see alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_sa2va.models.sa2va.prompt_format import picture_blocks, template_named
from napari_sa2va.models.sa2va.tokenizer import Tokenizer
from napari_sa2va.models.sa2va.wording import video_question

IMAGE_TOKENS = ("<img>", "</img>", "<IMG_CONTEXT>")
SPECIAL_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", *IMAGE_TOKENS,
    "[SEG]", "<p>", "</p>", "<vp>", "</vp>",
)  # fmt: skip
IGNORE = -100
SHARED = -1


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE tokenizer; unknown words fall to pieces and bytes.

    Parameters
    ----------
    texts : iterable of str
        Sentences and answers of the generator.
    vocab_size : int
        Special tokens included.
    """
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import decoders, models, pre_tokenizers, trainers

    fast = FastTokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    fast.train_from_iterator(texts, trainer)
    return Tokenizer(fast, eos_id=fast.token_to_id("<|im_end|>"))


_MARK = "<image>"


def prompt_parts(text: str, num_frames: int, tokens_per_frame: int) -> tuple[str, str]:
    """The prompt of a sentence, cut behind the images.

    Returns
    -------
    shared : str
        The same for all sentences about the same frames; ends with a special token, so that
        cutting here does not change how the text falls into tokens.
    own : str
        The rest, up to the place where the answer begins.
    """
    prompt = template_named("qwen_chat").prompt(video_question(text))
    before, after = prompt.split(_MARK)
    return before + picture_blocks([tokens_per_frame] * num_frames), after


@dataclass
class Packed:
    """Turns about a batch of movies, padded to one length.

    Attributes
    ----------
    ids, positions, turns, labels : ndarray of int64, shape (B, L)
        Token ids; positions within the turn's own prompt; which turn a token belongs to (`SHARED`
        for the images, -2 for padding); what to predict *at* the token (`IGNORE` elsewhere).
    heard : ndarray of bool, shape (B, L)
        Whether the turn's sentence has come to its end before this token or with it.
    segs : ndarray of int64, shape (S, 3)
        Movie, position in the sequence and turn of every `[SEG]`.
    """

    ids: np.ndarray
    positions: np.ndarray
    turns: np.ndarray
    labels: np.ndarray
    heard: np.ndarray
    segs: np.ndarray


class TurnPacker:
    """Packs question and answer turns behind one shared image prefix.

    Parameters
    ----------
    tokenizer : Tokenizer
    num_frames, tokens_per_frame : int
    """

    def __init__(self, tokenizer: Tokenizer, num_frames: int, tokens_per_frame: int) -> None:
        self.tokenizer = tokenizer
        self.sizes = num_frames, tokens_per_frame
        self.prefix = tokenizer.encode(prompt_parts("x", *self.sizes)[0])
        self.seg_id = tokenizer.id_of("[SEG]")
        self.pad_id = tokenizer.id_of("<|endoftext|>")
        self.end_id = tokenizer.id_of("<|im_end|>")

    def pack(self, movies: list[list[tuple[str, str]]]) -> Packed:
        """Pack the (text, answer) turns of several movies."""
        rows = [self._row(turns) for turns in movies]
        longest = max(len(r[0]) for r in rows)
        fill = (self.pad_id, 0, -2, IGNORE, False)
        ids, positions, turns, labels, heard = (
            np.stack([np.pad(r[i], (0, longest - len(r[i])), constant_values=fill[i])
                      for r in rows])
            for i in range(len(fill))
        )  # fmt: skip
        movie, place = np.nonzero((ids == self.seg_id) & (turns >= 0))
        segs = np.stack([movie, place, turns[movie, place]], 1)
        return Packed(ids, positions, turns, labels, heard, segs)

    def _row(self, turns: list[tuple[str, str]]) -> list[np.ndarray]:
        start = len(self.prefix)
        ids, positions = list(self.prefix), list(range(start))
        owners, labels, heard = [SHARED] * start, [IGNORE] * start, [False] * start
        for number, (text, answer) in enumerate(turns):
            asked = self.tokenizer.encode(prompt_parts(text, *self.sizes)[1])
            said = self.tokenizer.encode(answer + "<|im_end|>")
            ids += asked + said
            positions += range(start, start + len(asked) + len(said))
            owners += [number] * (len(asked) + len(said))
            end = asked.index(self.end_id)
            heard += [False] * end + [True] * (len(asked) + len(said) - end)
            # The label at a token is the next token of the same turn, in the answer only.
            labels += [IGNORE] * (len(asked) - 1) + said + [IGNORE]
        arrays = [np.array(a, np.int64) for a in (ids, positions, owners, labels)]
        return [*arrays, np.array(heard)]


def turn_mask(turns: np.ndarray) -> np.ndarray:
    """Which token may look at which.

    Parameters
    ----------
    turns : ndarray of int, shape (B, L)

    Returns
    -------
    ndarray of bool, shape (B, 1, L, L)
        True where the row's token sees the column's: earlier or itself, and in the images or in
        the same turn. Padding sees the first token, since an empty row would give NaN.
    """
    length = turns.shape[1]
    causal = np.tril(np.ones((length, length), bool))
    same = turns[:, :, None] == turns[:, None, :]
    shared = (turns == SHARED)[:, None, :] & (turns >= SHARED)[:, :, None]
    seen = causal & (same | shared)
    seen[:, :, 0] |= turns == -2
    return seen[:, None]
