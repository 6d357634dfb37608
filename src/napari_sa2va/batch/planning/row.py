"""A row: one movie that was asked for, with all that was said of it alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_sa2va.batch.planning.pattern import is_pattern
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.readers.open import is_url
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings_fields import Value

_MOST_LISTED = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One movie that was asked for.

    Attributes
    ----------
    path : str
        Absolute, or an address.
    name : str
        What people call it; empty for the name of the file.
    arguments : OpenArguments
        How it is opened.
    sentences : tuple of str or None
        What to find in it; None for what is to be found in all movies.
    preset : str
        Empty for that of all movies.
    values : mapping of str to Value
        Fields of the settings that this movie has for itself, by path.
    outputs : tuple of str
        Names, or patterns of names, of what is written; empty for those of all movies.
    kind : str
        Format of names whose endings do not say it; empty for that of all movies.
    annotations : mapping of str to str
        What is carried into the results.
    field : str
        Where in a plate it is: row, column and field of view, as in "A/1/0". Elsewhere empty.
    place : str
        Where it was asked for, such as "row 3 of mice.csv"; empty if it was named by itself.
    label : str
        What results call it, as long as that fits the name; empty for what `labels_of` finds.
    """

    path: str
    name: str = ""
    arguments: OpenArguments = field(default_factory=OpenArguments)
    sentences: tuple[str, ...] | None = None
    preset: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    kind: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    field: str = ""
    place: str = ""
    label: str = ""

    @property
    def store(self) -> str:
        """The file or folder as people see it: of a field of view, the plate."""
        if not self.field or self.arguments.series is not None:
            return self.path
        return self.path[: -len(self.field) - 1]


def absolute(path: str, folder: Path | None = None) -> str:
    """A path from the root, without links being followed; an address as it is.

    Parameters
    ----------
    path : str
    folder : Path, optional
        What it is relative to; by default the folder that this process works in.
    """
    if is_url(path):
        return path
    # Path.expanduser raises an error where nobody is called so, as of a file "~mouse.tif".
    return os.path.abspath((folder or Path()) / os.path.expanduser(path))


def is_missing(path: str) -> bool:
    """Whether a path is one of a file that is not there, as far as that can be known."""
    return not (is_url(path) or is_pattern(path) or Path(path).exists())


def listed(places: Sequence[str]) -> str:
    """The first of some places, for people.

    Examples
    --------
    >>> listed(["row 2", "row 3"])
    'row 2, row 3'
    """
    more = len(places) - _MOST_LISTED
    return ", ".join(places[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def sentences_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Sentences as a model reads them, with white space evened out.

    Raises
    ------
    RequestError
        If one is empty, or there is none.
    """
    return tuple(prompt.text for prompt in PromptSet.from_texts(texts))
