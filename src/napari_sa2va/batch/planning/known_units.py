"""Units that a batch has already, found again when the same is asked for once more."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from napari_sa2va.batch.split import key_of_whole
from napari_sa2va.batch.unit import Part, Unit
from napari_sa2va.readers.opening import OpenArguments

_LETTERS = 40  # of a unit's id that tell people which movie it is of
_NUMBER = re.compile(r"\d+")


class Slot(NamedTuple):
    """Where a unit stands in a batch.

    Attributes
    ----------
    unit_id : str
    number : int
        Of all units, from 1.
    place : int
        Of the units of its movie, from 1.
    """

    unit_id: str
    number: int
    place: int


def movie_key(path: str, arguments: OpenArguments) -> str:
    """The same text for the same movie that is opened the same way, whatever it is called."""
    return f"{path} {arguments.model_dump_json(exclude={'name'}, exclude_none=True)}"


class KnownUnits:
    """Gives ids to units: those that they had, or new ones.

    Parameters
    ----------
    units : iterable of Unit
        In the order in which they were added, with those that were taken out of the batch. Parts of
        movies that were split count as what merges them.
    """

    def __init__(self, units: Iterable[Unit]) -> None:
        self._of_movie: dict[str, list[Slot]] = defaultdict(list)
        self._units: dict[str, Unit] = {}
        self._parts: dict[str, Part] = {}
        self._number = 0
        for unit in units:
            number = int(found[0]) if (found := _NUMBER.match(unit.unit_id)) else 0
            self._number = max(self._number, number)
            if unit.part is not None:
                self._parts[unit.unit_id] = unit.part
                continue
            self._units[unit.unit_id] = unit
            of_movie = self._of_movie[movie_key(unit.path, unit.arguments)]
            of_movie.append(Slot(unit.unit_id, number, len(of_movie) + 1))
        self._given: set[str] = set()

    def label(self, movie: str) -> str:
        """What a movie is called; empty if it is new.

        Parameters
        ----------
        movie : str
            See `movie_key`.
        """
        slots = self._of_movie.get(movie)
        return self._units[slots[0].unit_id].movie if slots else ""

    def labels_but_of(self, movies: Iterable[str]) -> set[str]:
        """What all other movies are called."""
        others = self._of_movie.keys() - set(movies)
        return {self.label(movie) for movie in others}

    def take(self, movie: str, label: str, sentences: tuple[str, ...], key: str) -> Slot:
        """Where the unit stands that asks for some sentences; each is given once.

        Parameters
        ----------
        movie : str
            See `movie_key`.
        label : str
            What the movie is called.
        sentences : tuple of str
        key : str
            Of its content, before it is split. Of several units with these sentences, the one with
            this key is taken.
        """
        slots = self._of_movie[movie]
        free = [
            slot
            for slot in slots
            if slot.unit_id in self._units
            and slot.unit_id not in self._given
            and self._units[slot.unit_id].sentences == sentences
        ]
        slot = min(free, key=lambda s: not self._has_key(s.unit_id, key), default=None)
        if slot is None:
            self._number += 1
            slot = Slot(_id(self._number, label, len(slots) + 1), self._number, len(slots) + 1)
            slots.append(slot)
        self._given.add(slot.unit_id)
        return slot

    def _has_key(self, unit_id: str, key: str) -> bool:
        unit = self._units[unit_id]
        if unit.parts:
            key = key_of_whole(key, [self._parts[i] for i in unit.parts if i in self._parts])
        return unit.key == key


def _id(number: int, label: str, place: int) -> str:
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "-", plain)[:_LETTERS].strip("-")
    of_several = f"set{place}" if place > 1 else ""
    return "-".join(filter(None, (f"{number:04d}", words, of_several)))
