"""Names of the files that units write, from patterns such as ``{folder}/{name}_{prompt}.csv``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from string import Formatter

from napari_sa2va.batch.planning.labels import safe, stem
from napari_sa2va.batch.planning.row import Row
from napari_sa2va.batch.problem import Problem
from napari_sa2va.batch.unit import Output, Unit
from napari_sa2va.core.errors import RequestError
from napari_sa2va.readers.open import is_url
from napari_sa2va.writers.destination import destination
from napari_sa2va.writers.write import writer_of

DEFAULT = "{movie}-{set}_labels"
"""What is written if nothing else is said; the ending is that of the format, .ome.tif by default."""

FIELDS = {
    "movie": "what the movie is called, unlike all others of the batch",
    "name": "the name of the file without its ending",
    "folder": "the folder it lies in",
    "path": "the movie itself, for labels in an OME-Zarr image: {path}/labels/{prompt}",
    "series": "which series or position of a file it is",
    "well": "the well of a plate, such as A1",
    "field": "the field of view in a well",
    "prompt": "the first sentence, shortened",
    "set": "set2, set3, ...: which set of sentences it is; nothing of the first",
    "preset": "the preset",
    "number": "the number of the unit",
}
"""What may stand in a pattern between braces, and what it becomes."""

_PLACES = ("folder", "path")
_PROMPT_LETTERS = 40
_MOST_NAMED = 3
# What stands before a field that is empty, and goes with it.
_JOINT = re.compile(r"[-_ .]$")


@dataclass(frozen=True)
class Pattern:
    """A pattern that was found to make sense.

    Parameters
    ----------
    text : str

    Raises
    ------
    RequestError
        If a field is not known, or braces do not match.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            parts = list(Formatter().parse(self.text))
        except ValueError as error:
            raise RequestError(
                f"The name pattern {self.text!r} makes no sense ({error}).",
                "A brace that is to stand in a name is written twice: {{.",
            ) from None
        for _, name, how, conversion in parts:
            if name is not None and (name not in FIELDS or how or conversion):
                near = get_close_matches(name, FIELDS, n=1, cutoff=0.5)
                raise RequestError(
                    f"The name pattern {self.text!r} has {{{name}{how and ':' + how}}}"
                    + (f"; is {{{near[0]}}} meant?" if near and near[0] != name else "."),
                    f"There are {', '.join('{' + field + '}' for field in FIELDS)}.",
                )
        if not self.text.strip():
            raise RequestError("A name pattern is empty.", 'Write one such as "{name}.csv".')

    def filled(self, values: Mapping[str, str]) -> str:
        """The name that it gives.

        Parameters
        ----------
        values : mapping of str to str
            By field. An empty one goes with the -, _ or space before it.

        Raises
        ------
        RequestError
            If a field has no value at all.
        """
        made = ""
        for literal, name, _, _ in Formatter().parse(self.text):
            if name is None:
                made += literal
                continue
            if name not in values:
                raise RequestError(
                    f"{self.text!r} has {{{name}}}, which a movie at an address does not have.",
                    "Leave it out, and the results go into the batch folder.",
                )
            made += literal + values[name] if values[name] else _JOINT.sub("", literal)
        return made


@dataclass(frozen=True)
class Naming:
    """Where units write.

    Attributes
    ----------
    patterns : tuple of Pattern
        One per file that a unit writes.
    kind : str or None
        The format of names whose endings do not say it.
    results : Path
        The folder for names that have none.
    """

    patterns: tuple[Pattern, ...]
    kind: str | None
    results: Path

    @classmethod
    def of(cls, patterns: Sequence[str], kind: str | None, results: Path) -> Naming:
        """Of texts; of none, the default.

        Raises
        ------
        RequestError
            If one makes no sense, or there is no such format.
        """
        if kind is not None:
            writer_of(Path(), kind)
        made = cls(tuple(map(Pattern, patterns or (DEFAULT,))), kind, results)
        made.outputs(dict.fromkeys(FIELDS, "x"))  # whether the endings say a format
        return made

    def outputs(
        self, values: Mapping[str, str], own: Sequence[str] = (), kind: str = ""
    ) -> tuple[Output, ...]:
        """The files of one unit.

        Parameters
        ----------
        values : mapping of str to str
            By field.
        own : sequence of str
            Patterns that this unit has for itself.
        kind : str
            The format that this unit has for itself, of names whose endings do not say it.

        Raises
        ------
        RequestError
            If a pattern makes no sense, an ending says no format, or a field has no value.
        """
        made = []
        # The pattern says the format: a dot in what a movie is called begins no ending.
        plain = {field: values[field] if field in _PLACES else "x" for field in values}
        for pattern in map(Pattern, own) if own else self.patterns:
            unnamed = self._place(pattern.filled(plain))
            path, about = destination(unnamed, kind or self.kind)
            ending = path.name.removeprefix(unnamed.name)
            named = self._place(pattern.filled(values) + ending)
            made.append(Output(path=str(named), kind=about.kind))
        return tuple(made)

    def _place(self, name: str) -> Path:
        # Path.expanduser raises an error where nobody is called so, as of a file "~mouse.csv".
        return Path(os.path.abspath(self.results / os.path.expanduser(name)))


def values_of(
    row: Row, label: str, sentences: Sequence[str], *, set_number: int, preset: str, number: int
) -> dict[str, str]:
    """What the fields of a pattern become.

    Parameters
    ----------
    row : Row
    label : str
        What the movie is called.
    sentences : sequence of str
    set_number : int
        Which set of sentences it is, from 1.
    preset : str
    number : int
        Of the unit.

    Returns
    -------
    dict of str to str
        Without the places of a movie that is at an address.
    """
    *well, field = row.field.split("/")
    series = row.field.replace("/", "-") or str(row.arguments.series or 0)
    if not row.field and row.arguments.series is None:
        series = ""
    values = {
        "movie": safe(label),
        "name": safe(row.name or stem(row)),
        "series": series and safe(series),
        "well": "".join(well) and safe("".join(well)),
        "field": field and safe(field),
        "prompt": slug(sentences[0]),
        "set": f"set{set_number}" if set_number > 1 else "",
        "preset": safe(preset),
        "number": f"{number:04d}",
    }
    if is_url(row.path):
        return values
    return values | {"folder": str(Path(row.store).parent), "path": row.path}


def slug(sentence: str) -> str:
    """A sentence as a short part of a name.

    Examples
    --------
    >>> slug("Please segment the bright cell that divides first, on the left.")
    'please-segment-the-bright-cell-that'
    """
    words = re.sub(r"[\W_]+", "-", sentence.lower()).strip("-")
    if len(words) > _PROMPT_LETTERS:
        words = words[: _PROMPT_LETTERS + 1].rpartition("-")[0] or words[:_PROMPT_LETTERS]
    return words or "prompt"


def clashes(units: Iterable[Unit]) -> Iterator[Problem]:
    """Outputs that two units would write, or that would harm a movie of the batch.

    Paths are compared as systems do to which case is all the same.
    """
    given = list(units)
    movies = {_key(unit.path): unit.path for unit in given if not is_url(unit.path)}
    owners: dict[str, list[tuple[Unit, Output]]] = {}
    for unit in given:
        for output in unit.outputs:
            owners.setdefault(_key(output.path), []).append((unit, output))
    for key, owned in owners.items():
        output = owned[0][1]
        ids = tuple(dict.fromkeys(unit.unit_id for unit, _ in owned))
        if len(owned) > 1:
            names = ", ".join(dict.fromkeys(unit.movie for unit, _ in owned[:_MOST_NAMED]))
            yield Problem(
                f"{output.path} would be written {len(owned)} times, for {names}"
                + (", ..." if len(owned) > _MOST_NAMED else "."),
                "Put what tells them apart into the name pattern: {movie}, {set} or {number}.",
                ids,
            )
        about = writer_of(Path(output.path), output.kind).FORMAT
        above = [str(folder) for folder in Path(key).parents]
        if not about.in_place and (hit := next((f for f in (key, *above) if f in movies), "")):
            yield Problem(
                f"{output.path} would overwrite the movie {movies[hit]}, or lie in it.",
                "Choose another name pattern.",
                ids,
            )
        outer = next((f for f in above if f in owners and not about.in_place), "")
        if outer:
            yield Problem(
                f"{output.path} would lie in {owners[outer][0][1].path}, which is written as well.",
                "Choose another name pattern.",
                ids,
            )


def _key(path: str) -> str:
    return os.path.normpath(path).casefold()
