"""Categories, for formats that sort objects into kinds: those asked for alike are of one kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from napari_sa2va.writers.result import Subject

UNNAMED = "object"
"""The one category of all objects that have neither a sentence nor a name: a kind is no id."""


class Categories(NamedTuple):
    """Kinds of objects.

    Attributes
    ----------
    names : tuple of str
        Each once, in the order of the ids of their first objects.
    place_of : dict of int to int
        Object id -> position among the names, from 0.
    """

    names: tuple[str, ...]
    place_of: dict[int, int]


def categories_of(subjects: Iterable[Subject]) -> Categories:
    """Sort objects by the sentence that asked for them, or else by their name."""
    places: dict[str, int] = {}
    place_of = {
        subject.object_id: places.setdefault(_kind_of(subject), len(places)) for subject in subjects
    }
    return Categories(tuple(places), place_of)


def _kind_of(subject: Subject) -> str:
    return subject.text or (subject.name if subject.is_named else UNNAMED)
