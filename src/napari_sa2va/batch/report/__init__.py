"""The report of a batch: one HTML file that needs nothing else, for those who asked for it.

It is made of what the folder says, at any time: while workers work, and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.overlaps import covered
from napari_sa2va.batch.repeat import Repeat, repeat_of
from napari_sa2va.batch.report.entries import Entry, entries_of
from napari_sa2va.batch.report.movies import MOST_MOVIES, picture, words_of_movie
from napari_sa2va.batch.report.numbers import Numbers, read_numbers
from napari_sa2va.batch.report.page import foot, head, table, text
from napari_sa2va.batch.report.pictures import Pictures
from napari_sa2va.batch.report.summary import (
    Line,
    all_movies,
    opening,
    overlaps,
    troubles,
    what_scores_mean,
)
from napari_sa2va.batch.report.times import times
from napari_sa2va.batch.work_files import SHEET, TABLE
from napari_sa2va.core.errors import BatchError
from napari_sa2va.writers.paths import replacing

NAME = "report.html"


def write_report(folder: BatchFolder) -> Path:
    """Write the report of a batch as it stands now.

    Parameters
    ----------
    folder : BatchFolder

    Returns
    -------
    Path
        report.html in the folder. One that is there is replaced when the new one is complete.

    Raises
    ------
    OutputError
        If it cannot be written.

    Notes
    -----
    The pictures of all movies together have 24 MB at most, and the first 500 movies that are done
    have a part of their own; what was left out is said in the page. Names, causes and notes are
    shown without the words that a DICOM file says of a person, unless the settings allow it.
    """
    path = folder.path / NAME
    with (
        replacing(path, overwrite=True) as new,
        new.open("w", encoding="utf-8", errors="replace") as page,
    ):
        page.writelines(_parts(folder))
    return path


def _parts(folder: BatchFolder) -> Iterator[str]:
    entries = entries_of(folder)
    shown = [entry for entry in entries if entry.is_complete][:MOST_MOVIES]
    anchors = {entry.unit.unit_id: f"m{number}" for number, entry in enumerate(shown, start=1)}
    lines: list[Line] = []
    words: list[tuple[Entry, tuple[str, str]]] = []
    for entry in entries:
        anchor = anchors.get(entry.unit.unit_id, "")
        numbers = read_numbers(entry.work / TABLE) if entry.is_complete else Numbers()
        lines.append(Line.of(entry, numbers, anchor))
        if anchor:
            words.append((entry, words_of_movie(entry, numbers, anchor)))
    wrong = troubles(entries)
    took = times(entries, folder.runs.scan())
    name = folder.path.name
    yield head(f"{name} – report")
    yield opening(name, entries, folder.head.made)
    yield overlaps(covered(folder.units(), folder.standings()))
    yield _contents(causes=bool(wrong), pictures=bool(words), took=bool(took))
    yield wrong
    yield all_movies(lines)
    if words:
        yield from _movies(words, len(lines))
    yield took
    yield _again(folder, _redacting(entries))
    yield foot()


def _contents(*, causes: bool, pictures: bool, took: bool) -> str:
    links = [
        ("causes", "What went wrong", causes),
        ("movies", "All movies", True),
        ("pictures", "Movie by movie", pictures),
        ("times", "Time", took),
        ("again", "How to do it again", True),
    ]
    shown = "".join(f'<a href="#{anchor}">{words}</a>' for anchor, words, there in links if there)
    return f"<nav>{shown}</nav>\n"


def _movies(words: Sequence[tuple[Entry, tuple[str, str]]], number: int) -> Iterator[str]:
    yield '<h2 id="pictures">Movie by movie</h2>\n'
    yield (
        '<p class="muted">Contours and lines of an object have one colour. A line is broken where '
        "its object is absent; red marks above a plot are at the frames to look at.</p>\n"
    )
    yield what_scores_mean()
    pictures = Pictures(len(words))
    for entry, (before, behind) in words:
        sheet = entry.work / SHEET
        yield before
        yield picture(pictures.embedded(sheet), entry, is_there=sheet.is_file())
        yield behind
    if pictures.left_out:
        yield f"<p>{pictures.left_out} pictures were left out: the page would not open.</p>\n"
    if number > len(words) == MOST_MOVIES:
        yield (
            f"<p>Only the first {MOST_MOVIES} movies that are done are shown one by one; the table "
            "of all movies and objects.csv have the others, too.</p>\n"
        )


def _again(folder: BatchFolder, redact: Callable[[str], str]) -> str:
    parts = ['<h2 id="again">How to do it again</h2>\n']
    try:
        repeat = repeat_of(folder)
    except BatchError as error:
        return "".join([*parts, f"<p>{text(error)}</p>\n"])
    if repeat.command:
        where = f", in {text(redact(repeat.directory))}" if repeat.directory else ""
        parts.append(
            f"<p>The command of this batch{where}:</p><pre>{text(redact(repeat.command))}</pre>\n"
        )
    parts.append(
        "<p>The same units once more, whatever the first command would find by then, with the same "
        f"versions:</p>\n<pre>{text(redact(repeat.install))}\n{text(redact(repeat.again))}</pre>\n"
    )
    return "".join([*parts, *_made_with(repeat)])


def _made_with(repeat: Repeat) -> Iterator[str]:
    versions = {"python": repeat.python, **repeat.versions} if repeat.python else repeat.versions
    if versions:
        yield table(("Package", "Version"), ([text(n), text(v)] for n, v in versions.items()))
    weights = [
        [text(model), text(file), f"<code>{text(digest)}</code>"]
        for model, files in repeat.weights.items()
        for file, digest in files.items()
    ]
    if weights:
        yield table(("Model", "File", "SHA-256"), weights)
    yield f'<p class="muted">Settings: {len(repeat.settings)}, in repeat.json and settings/.</p>\n'


def _redacting(entries: Iterable[Entry]) -> Callable[[str], str]:
    """Takes the words about all people out of a text."""
    everybody = {id(entry.private): entry.private for entry in entries if entry.private.words}

    def redact(said: str) -> str:
        for private in everybody.values():
            said = private.redact(said)
        return said

    return redact
