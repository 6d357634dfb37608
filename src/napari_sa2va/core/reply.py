"""An answer as people read it: plain text, and the phrases in it that have a mask.

A grounded caption marks its phrases, `<p> a bright cell </p> [SEG]`; any other answer just holds
`[SEG]` where it points.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from napari_sa2va.core.exchange import Exchange
from napari_sa2va.core.grounding import SEG, Grounding

_OPEN, _CLOSE, _POINT = "\x01", "\x02", "\x03"
_TAG = re.compile(r"<\|[^|<>]*\|>|</?[A-Za-z_]+>")
_PIECE = re.compile(f"[{_OPEN}{_CLOSE}{_POINT}]|[^{_OPEN}{_CLOSE}{_POINT}]+")


@dataclass(frozen=True, eq=False)
class Phrase:
    """Words of an answer and the prompt vector of the mask that belongs to them.

    Attributes
    ----------
    name : str
        What to call the object: the marked phrase, or else what was asked for.
    start, stop : int
        Where the words stand in the answer's plain text.
    embedding : ndarray of float32, shape (D,)
    """

    name: str
    start: int
    stop: int
    embedding: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Reply:
    """One answer of a conversation.

    Attributes
    ----------
    question : str
        As the user typed it, or the name of the task.
    exchange : Exchange
        What the model was asked and what it answered, word by word.
    text : str
        The answer without special tokens.
    phrases : tuple of Phrase
        In order of appearance; empty if the model pointed at nothing.
    notes : tuple of str
        What the reader should know about this answer.
    history : tuple of Exchange
        What had been said before.
    """

    question: str
    exchange: Exchange
    text: str
    phrases: tuple[Phrase, ...]
    notes: tuple[str, ...] = ()
    history: tuple[Exchange, ...] = ()


def read_reply(
    question: str, asked: str, grounding: Grounding, history: tuple[Exchange, ...] = ()
) -> Reply:
    """Take an answer apart.

    The n-th marked phrase belongs to the n-th `[SEG]`. Where their numbers differ, as many are
    paired as there are of both, and a note says so. Where no phrase is marked, the words before a
    `[SEG]` stand for it.

    Parameters
    ----------
    question : str
        As the user typed it.
    asked : str
        As it was put to the model.
    grounding : Grounding
    history : tuple of Exchange
        What had been said before.
    """
    text, marked, pointed = _plain(grounding.answer)
    spans = marked or pointed
    vectors = grounding.embeddings
    pairs = list(zip(spans, vectors, strict=False))
    names = [text[start:stop] for (start, stop), _ in pairs]
    if not marked:
        names = [
            question if len(pairs) == 1 else f"{question} ({i + 1})" for i in range(len(pairs))
        ]
    phrases = tuple(
        Phrase(name, start, stop, vector)
        for name, ((start, stop), vector) in zip(names, pairs, strict=True)
    )
    notes: tuple[str, ...] = ()
    if marked and len(marked) != len(vectors):
        said = f"The answer marks {len(marked)} phrases and holds {len(vectors)} masks"
        notes = (f"{said}; {len(phrases)} of each are paired.",)
    return Reply(question, Exchange(asked, grounding.answer), text, phrases, notes, history)


def plain_text(answer: str) -> str:
    """An answer as people read it, without marks and special tokens."""
    return _plain(answer)[0]


def _plain(answer: str) -> tuple[str, list[tuple[int, int]], list[tuple[int, int]]]:
    """Plain text, spans of marked phrases, and spans of the words that lead to each `[SEG]`.

    Examples
    --------
    >>> _plain("<p> A cell </p> [SEG] and <p> its rim </p> [SEG].<|im_end|>")
    ('A cell and its rim.', [(0, 6), (11, 18)], [(0, 6), (7, 18)])
    """
    signs = answer.replace("<p>", _OPEN).replace("</p>", _CLOSE).replace(SEG, _POINT)
    text = ""
    opened: int | None = None
    since = 0
    marked: list[tuple[int, int]] = []
    pointed: list[tuple[int, int]] = []
    for piece in _PIECE.findall(_TAG.sub("", signs)):
        if piece == _OPEN:
            opened = len(text)
        elif piece == _CLOSE and opened is not None:
            marked.append(_trimmed(text, opened, len(text)))
            opened = None
        elif piece == _POINT:
            pointed.append(_trimmed(text, since, len(text)))
            since = len(text)
        elif piece not in (_OPEN, _CLOSE):
            text = _joined(text, piece)
    return text.rstrip(), marked, pointed


def _joined(text: str, piece: str) -> str:
    """Append words with single spaces, and without what a mark leaves before a full stop."""
    piece = re.sub(r"\s+", " ", piece)
    if text.endswith(" ") or not text:
        piece = piece.lstrip(" ")
    if re.match(r"\s*[.;:!?,]", piece):
        return text.rstrip(" ,") + piece.lstrip(" ")
    return text + piece


def _trimmed(text: str, start: int, stop: int) -> tuple[int, int]:
    """The span without spaces and commas at its ends."""
    words = text[start:stop]
    inner = words.strip(" ,.;:")
    start += len(words) - len(words.lstrip(" ,.;:"))
    return start, start + len(inner)
