"""From the movies that were asked for to units of work.

Nothing is opened: a file costs a look at its size and time, so that a study of 10,000 movies is planned
in seconds. What opening them tells is found by `survey`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.planning.identity import (
    content_at,
    content_key,
    decoder_weights_of,
    weights_of,
)
from napari_sa2va.batch.planning.known_units import KnownUnits, Slot, movie_key
from napari_sa2va.batch.planning.labels import labels_of
from napari_sa2va.batch.planning.naming import Naming, values_of
from napari_sa2va.batch.planning.row import Row, sentences_of
from napari_sa2va.batch.planning.wrong_rows import WrongRows
from napari_sa2va.batch.unit import Output, Unit
from napari_sa2va.core.errors import RequestError
from napari_sa2va.presets import DEFAULT_PRESET, PRESETS
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings import ModelSettings, RunSettings
from napari_sa2va.settings_fields import differences, with_values

# Sizes and times are asked for side by side: a network drive takes long for each.
_AT_ONCE = 16
_SENTENCES = (
    "Give one for all movies (-p, --prompts), or one for each in a column prompts of a table."
)


@dataclass(frozen=True)
class Planned:
    """Units that were asked for.

    Attributes
    ----------
    units : mapping of str to Unit
        By id, in the order of the movies, and of the sets of sentences of each.
    settings : mapping of str to RunSettings
        By digest.
    weights : mapping of str to mapping
        Model -> weight file -> SHA-256, of the models that are on this machine. A borrowed decoder
        has its path in place of the model.
    """

    units: Mapping[str, Unit]
    settings: Mapping[str, RunSettings]
    weights: Mapping[str, Mapping[str, str]]


def plan(
    rows: Sequence[Row],
    *,
    settings: RunSettings,
    naming: Naming,
    prompt_sets: Sequence[Sequence[str]] = (),
    known: Iterable[Unit] = (),
) -> Planned:
    """Make units of movies.

    Parameters
    ----------
    rows : sequence of Row
    settings : RunSettings
        For what a row does not say itself. A row with another preset takes over what differs from
        the preset here.
    naming : Naming
    prompt_sets : sequence of sequence of str
        Asked of every movie whose row has no sentences of its own, each set by itself.
    known : iterable of Unit
        Units that there are already. The same movie, opened the same way and asked for the same,
        keeps its id, and a movie keeps what it is called.

    Raises
    ------
    RequestError
        If settings or names make no sense for some rows, or they have no sentences; it names them.
    """
    movies = _movies(rows, settings, [sentences_of(texts) for texts in prompt_sets])
    before = KnownUnits(known)
    labels = labels_of(
        [movie.row for movie in movies.values()],
        known=[before.label(key) or movie.row.label for key, movie in movies.items()],
        taken=before.labels_but_of(movies),
    )
    paths = list({movie.row.path: None for movie in movies.values()})
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        contents = dict(zip(paths, pool.map(content_at, paths), strict=True))
    weights, digest = cache(weights_of), cache(digest_of)
    units: dict[str, Unit] = {}
    wrong = WrongRows()
    for (known_as, movie), label in zip(movies.items(), labels, strict=True):
        content, row = contents[movie.row.path], movie.row
        for wanted in movie.wanted:
            key = content_key(
                identity=content.identity,
                arguments=row.arguments,
                sentences=wanted.sentences,
                settings=wanted.settings,
                weights=weights(wanted.settings.model),
            )
            slot = before.take(known_as, label, wanted.sentences, key)
            with wrong.at(wanted.row):
                units[slot.unit_id] = Unit(
                    unit_id=slot.unit_id,
                    movie=label,
                    path=row.path,
                    arguments=_named(row, label),
                    sentences=wanted.sentences,
                    settings=digest(wanted.settings),
                    outputs=_outputs(naming, wanted, label, slot),
                    identity=content.identity,
                    key=key,
                    num_bytes=content.num_bytes,
                    annotations=dict(wanted.row.annotations),
                )
    wrong.raise_any()
    choices = {digest(w.settings): w.settings for m in movies.values() for w in m.wanted}
    return Planned(units, choices, _weights(choices.values()))


@dataclass(frozen=True)
class _Wanted:
    """One thing that is asked of a movie."""

    row: Row
    sentences: tuple[str, ...]
    settings: RunSettings


@dataclass
class _Movie:
    """A movie that is opened in one way, with all that is asked of it."""

    row: Row
    wanted: list[_Wanted] = field(default_factory=list)


def _movies(
    rows: Sequence[Row], settings: RunSettings, prompt_sets: Sequence[tuple[str, ...]]
) -> dict[str, _Movie]:
    """What is asked of every movie, by `movie_key`."""
    if rows and not prompt_sets and all(row.sentences is None for row in rows):
        raise RequestError("No sentence says what to find.", _SENTENCES)
    movies: dict[str, _Movie] = {}
    wrong = WrongRows()
    for row in rows:
        with wrong.at(row):
            own = _settings_of(row, settings)
            sets = [row.sentences] if row.sentences is not None else prompt_sets
            if not sets:
                raise RequestError("No sentence says what to find.", _SENTENCES)
            movie = movies.setdefault(movie_key(row.path, row.arguments), _Movie(row))
            asked = [_Wanted(row, sentences, own) for sentences in sets]
            movie.wanted += [w for w in asked if not any(_is_same(w, v) for v in movie.wanted)]
    wrong.raise_any(rows)
    return movies


def _is_same(one: _Wanted, other: _Wanted) -> bool:
    return (one.sentences, one.settings, one.row.outputs, one.row.kind) == (
        other.sentences, other.settings, other.row.outputs, other.row.kind,
    )  # fmt: skip


def _settings_of(row: Row, settings: RunSettings) -> RunSettings:
    if row.preset and row.preset != settings.preset:
        usual = PRESETS.get(settings.preset, PRESETS[DEFAULT_PRESET])
        settings = with_values(PRESETS[row.preset], differences(usual, settings))
    return with_values(settings, row.values, said="Column {}")


def _named(row: Row, label: str) -> OpenArguments:
    """How it is opened, with a name where the reader would only say "0"."""
    if not (row.name or row.field):
        return row.arguments
    return row.arguments.model_copy(update={"name": label})


def _outputs(naming: Naming, wanted: _Wanted, label: str, slot: Slot) -> tuple[Output, ...]:
    values = values_of(
        wanted.row, label, wanted.sentences,
        set_number=slot.place, preset=wanted.settings.preset, number=slot.number,
    )  # fmt: skip
    return naming.outputs(values, wanted.row.outputs, wanted.row.kind)


def _weights(choices: Collection[RunSettings]) -> dict[str, dict[str, str]]:
    """Hashes by model, and by the path of a borrowed decoder, of those that are here.

    What borrows a decoder is the same model.
    """
    models = {choice.model.name for choice in choices}
    found = {name: weights_of(ModelSettings(name=name)) for name in sorted(models)}
    decoders = {choice.model.sam2_decoder for choice in choices} - {""}
    found |= {path: decoder_weights_of(path) for path in sorted(decoders)}
    return {name: files for name, files in found.items() if files}
