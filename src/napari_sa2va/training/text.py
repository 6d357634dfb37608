"""Words: the tokenizer of the small model, its prompt, and how talks about pictures are packed.

All talks about the same pictures share their image tokens. Packed into one sequence with a block
mask and positions that start over after the images, each talk sees exactly what it would see alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.core.exchange import Exchange
from napari_sa2va.models.sa2va.prompt_format import (
    IMAGE_END,
    picture_blocks,
    template_named,
    with_pictures,
)
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


@dataclass(frozen=True, eq=False)
class Talk:
    """Questions about one row's pictures and the answers to them, in turns.

    Attributes
    ----------
    exchanges : tuple of Exchange
        Questions as they are put to the model; answers without the mark that ends them.
    looks : tuple of int
        How many things each answer looks at, one after the other: none, one, or as many as it has
        `[SEG]` marks, or else commas.
    regions : tuple of ndarray of bool, shape (tokens per picture,)
        Marked regions, as the image tokens that they set.
    asked : int
        Which of them shows what the answer looks at, from 1; 0 for none.
    """

    exchanges: tuple[Exchange, ...]
    looks: tuple[int, ...]
    regions: tuple[np.ndarray, ...] = ()
    asked: int = 0


def about_video(text: str, answer: str) -> Talk:
    """A sentence to segment in a movie, with its answer."""
    return Talk((Exchange(video_question(text), answer),), (int("[SEG]" in answer),))


@dataclass(frozen=True, eq=False)
class Row:
    """What is shown, and all the talks about it.

    Attributes
    ----------
    token_counts : tuple of int
        Image tokens of every picture block: one block per frame of a movie, one for all tiles of
        an image.
    talks : list of Talk
    """

    token_counts: tuple[int, ...]
    talks: list[Talk]


@dataclass
class Packed:
    """Talks about a batch of pictures, padded to one length.

    Attributes
    ----------
    ids, positions, turns, labels : ndarray of int64, shape (B, L)
        Token ids; positions within the talk's own prompt; which talk a token belongs to (`SHARED`
        for the images, -2 for padding); what to predict *at* the token (`IGNORE` elsewhere).
    looks : ndarray of int64, shape (B, L)
        Which of the things that the row's answers speak of, counted over all its talks, the token
        should look at; -1 for none. From where a question has been heard to the answer's end.
    shows : ndarray of int64, shape (B, L)
        Which of these things a region's token shows, if the question is about this region; else -1.
    segs : ndarray of int64, shape (S, 3)
        Row, position in the sequence and talk of every `[SEG]`.
    sources : ndarray of int64, shape (number of picture placeholders,)
        Which of the batch's image tokens stands at each, in the order of the sequences. Those of
        marked regions are said twice.
    """

    ids: np.ndarray
    positions: np.ndarray
    turns: np.ndarray
    labels: np.ndarray
    looks: np.ndarray
    shows: np.ndarray
    segs: np.ndarray
    sources: np.ndarray


class TurnPacker:
    """Packs talks behind the image tokens that they share.

    Parameters
    ----------
    tokenizer : Tokenizer
    tokens_per_picture : int
        Image tokens of one frame, or of one tile of an image.
    """

    def __init__(self, tokenizer: Tokenizer, tokens_per_picture: int) -> None:
        self.tokenizer = tokenizer
        self.tokens = tokens_per_picture
        self.template = template_named("qwen_chat")
        self.seg_id = tokenizer.id_of("[SEG]")
        self.pad_id = tokenizer.id_of("<|endoftext|>")
        self.end_id = tokenizer.id_of("<|im_end|>")
        self.comma_id = tokenizer.encode(",")[0]
        self.context_id = tokenizer.id_of("<IMG_CONTEXT>")

    def context(self, row: Row) -> np.ndarray:
        """Where the image tokens lie in a row's sequence."""
        return np.flatnonzero(np.array(self._prefix(row)) == self.context_id)

    def pack(self, rows: Sequence[Row]) -> Packed:
        """Pack the talks of several rows."""
        packed, sources, first = [], [], 0
        for row in rows:
            arrays, own = self._row(row)
            packed.append(arrays)
            sources.append(own + first)
            first += sum(row.token_counts)
        longest = max(len(r[0]) for r in packed)
        fill = (self.pad_id, 0, -2, IGNORE, -1, -1)
        ids, positions, turns, labels, looks, shows = (
            np.stack([np.pad(r[i], (0, longest - len(r[i])), constant_values=fill[i])
                      for r in packed])
            for i in range(len(fill))
        )  # fmt: skip
        number, place = np.nonzero((ids == self.seg_id) & (turns >= 0))
        segs = np.stack([number, place, turns[number, place]], 1)
        return Packed(ids, positions, turns, labels, looks, shows, segs, np.concatenate(sources))

    def _prefix(self, row: Row) -> list[int]:
        shown = self.template.prompt(with_pictures("x", row.token_counts))
        return self.tokenizer.encode(shown[: _end_of_pictures(shown)])

    def _row(self, row: Row) -> tuple[list[np.ndarray], np.ndarray]:
        prefix = self._prefix(row)
        start, shown = len(prefix), sum(row.token_counts)
        ids, positions = list(prefix), list(range(start))
        owners, labels, looks = [SHARED] * start, [IGNORE] * start, [-1] * start
        shows, sources, seen = [-1] * start, [np.arange(shown)], 0
        for number, talk in enumerate(row.talks):
            own = 0
            # The last picture shows the whole, and its tokens are those of the marked regions.
            sources += [shown - self.tokens + np.flatnonzero(region) for region in talk.regions]
            for turn, exchange in enumerate(talk.exchanges):
                asked = self.tokenizer.encode(self._asked(row, talk, turn))
                said = self.tokenizer.encode(exchange.answer + self.template.stops[0])
                ids += asked + said
                # The label at a token is the next token of the same talk, in answers only.
                labels += [IGNORE] * (len(asked) - 1) + said + [IGNORE]
                count = talk.looks[turn]
                mark = self.seg_id if self.seg_id in said else self.comma_id
                passed = np.cumsum([0, *(token == mark for token in said)])[:-1]
                look = (
                    (seen + np.minimum(passed, count - 1)).tolist() if count else [-1] * len(said)
                )
                heard = asked.index(self.end_id)
                shows += [*self._regions_in(asked, talk, seen), *([-1] * len(said))]
                looks += [-1] * heard + look[:1] * (len(asked) - heard) + look
                own += len(asked) + len(said)
                seen += count
            positions += range(start, start + own)
            owners += [number] * own
        arrays = [np.array(a, np.int64) for a in (ids, positions, owners, labels, looks, shows)]
        return arrays, np.concatenate(sources)

    def _regions_in(self, asked: list[int], talk: Talk, thing: int) -> np.ndarray:
        """For every token of a question, what it shows as a token of the region asked about."""
        found = np.full(len(asked), -1)
        places = np.flatnonzero(np.array(asked) == self.context_id)
        if talk.asked and len(places):
            ends = np.cumsum([0, *(int(region.sum()) for region in talk.regions)])
            found[places[ends[talk.asked - 1] : ends[talk.asked]]] = thing
        return found

    def _asked(self, row: Row, talk: Talk, turn: int) -> str:
        """What stands between the pictures, or the answer before, and the answer to come."""
        question = talk.exchanges[turn].question
        if turn:
            return "\n" + self.template.prompt(question)
        counts = [int(region.sum()) for region in talk.regions]
        prompt = self.template.prompt(
            with_pictures(question, row.token_counts, region_counts=counts)
        )
        return prompt[_end_of_pictures(prompt) :]


def _end_of_pictures(prompt: str) -> int:
    """Just behind the last picture block: a special token, where cutting changes no other."""
    return prompt.rindex(IMAGE_END) + len(IMAGE_END)


def turn_mask(turns: np.ndarray) -> np.ndarray:
    """Which token may look at which.

    Parameters
    ----------
    turns : ndarray of int, shape (B, L)

    Returns
    -------
    ndarray of bool, shape (B, 1, L, L)
        True where the row's token sees the column's: earlier or itself, and in the images or in
        the same talk. Padding sees the first token, since an empty row would give NaN.
    """
    length = turns.shape[1]
    causal = np.tril(np.ones((length, length), bool))
    same = turns[:, :, None] == turns[:, None, :]
    shared = (turns == SHARED)[:, None, :] & (turns >= SHARED)[:, :, None]
    seen = causal & (same | shared)
    seen[:, :, 0] |= turns == -2
    return seen[:, None]
