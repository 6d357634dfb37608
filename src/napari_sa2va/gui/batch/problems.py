"""What is wrong with movies, as one message. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sa2va.batch.problem import Problem

_MOST_NAMED = 3


def in_words(problems: Sequence[Problem], rest: str = "") -> str:
    """The first problems, each with what to do about it, and how many more there are.

    Parameters
    ----------
    problems : sequence of Problem
    rest : str
        Where the others are to be found, as a part of a sentence.
    """
    said = [f"{one.message} {one.hint}".strip() for one in problems[:_MOST_NAMED]]
    more = len(problems) - _MOST_NAMED
    said += [f"And {more} more{rest}."] if more > 0 else []
    return "\n".join(said)
