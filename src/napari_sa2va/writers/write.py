"""`write_result`: masks in any of the formats, never half-written, with a word on what was lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from types import ModuleType

from napari_sa2va.core import rle
from napari_sa2va.core.errors import OutputError, RequestError
from napari_sa2va.core.extras import need
from napari_sa2va.core.folder_swap import clear_begun_folder, replacing_folder
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.paths import (
    Ready,
    at_once,
    check_new_folder,
    check_output,
    clear_begun,
    replacing,
)
from napari_sa2va.writers.result import Result, Shown


@dataclass(frozen=True)
class Written:
    """What came of writing.

    Attributes
    ----------
    path : Path
        The file or folder.
    warnings : tuple of str
        What the format could not say.
    """

    path: Path
    warnings: tuple[str, ...] = ()


def write_result(
    path: str | PathLike[str],
    result: Result,
    kind: str | None = None,
    *,
    overwrite: bool = False,
    ready: Ready = at_once,
) -> Written:
    """Write masks as a file or folder; it is whole, or as it was before.

    Parameters
    ----------
    path : path
    result : Result
    kind : str, optional
        Name of the format, such as "coco"; by default the ending of the path says it.
    overwrite : bool
        Whether what is there may be replaced.
    ready : callable, optional
        See `Ready`.

    Returns
    -------
    Written

    Raises
    ------
    RequestError
        If there is no such format, or the ending does not say which one.
    OutputError
        If the path cannot be written or is that of the movie, or the format cannot hold these
        objects at all.
    MissingPackage
        If the format needs a package that is not installed.
    """
    path = Path(path)
    writer = writer_of(path, kind)
    about: WriteFormat = writer.FORMAT
    check_result(about, result)
    if not about.in_place:
        check_apart(path, about, result.clip.source)
    check_place(path, about, overwrite=overwrite)
    overlaps = _Overlaps(result)
    watched = result if about.overlaps else replace(result, frame=overlaps.frame)
    if about.in_place:
        lost = writer.write(path, watched, overwrite=overwrite, ready=ready)
    else:
        with _replacing(path, about, overwrite, ready) as temporary:
            lost = writer.write(temporary, watched)
    return Written(path, (*losses(about, result), *overlaps.said(), *(lost or ())))


def clear_begun_result(path: Path, kind: str) -> None:
    """Delete what others have begun to write there, and have not put in its place.

    See `paths.clear_begun`. What was begun within a store that stays is deleted by who next writes it.

    Raises
    ------
    RequestError
        If there is no such format.
    """
    if writer_of(path, kind).FORMAT.is_folder:
        clear_begun_folder(path)
        clear_begun(_trial(path))
    else:
        clear_begun(path)


def writer_of(path: Path, kind: str | None = None) -> ModuleType:
    """Find the writer by the name of a format, or by the longest ending that fits.

    Raises
    ------
    RequestError
        If there is none, or several have this ending.
    """
    if kind is not None:
        for writer in WRITERS:
            if writer.FORMAT.kind == kind:
                return writer
        known = ", ".join(writer.FORMAT.kind for writer in WRITERS)
        raise RequestError(f"There is no format {kind!r} to write.", f"There are {known}.")
    name = path.name.lower()
    found = [
        (len(suffix), writer)
        for writer in WRITERS
        for suffix in writer.FORMAT.suffixes
        if name.endswith(suffix)
    ]
    longest = max((length for length, _ in found), default=0)
    fitting = [writer for length, writer in found if length == longest]
    if len(fitting) == 1:
        return fitting[0]
    kinds = ", ".join(w.FORMAT.kind for w in fitting or WRITERS)
    raise RequestError(
        f"The ending of {path.name} does not say in which format to write.",
        f"Name it (--format); there are {kinds}.",
    )


def check_place(path: Path, about: WriteFormat, *, overwrite: bool) -> None:
    """Find out whether something can be written there, before any work is done for it.

    Raises
    ------
    OutputError
        If it cannot.
    MissingPackage
        If the format needs a package that is not installed.
    """
    for package in about.packages:
        need(package, about.extra, f"write {about.title}")
    if about.in_place:
        writer_of(path, about.kind).check_place(path, overwrite=overwrite)
        return
    if not about.is_folder:
        check_output(path, overwrite)
        return
    if path.is_file():
        raise OutputError(f"{path} is a file, and {about.title} is a folder.", "Name a folder.")
    if _is_around_us(path):
        raise OutputError(
            f"{path.resolve()} is the folder you are in, or one above it; it cannot be replaced.",
            "Name a folder in it.",
        )
    check_new_folder(path, overwrite)
    # A file in the same place can be made if a folder can.
    check_output(_trial(path), overwrite=True)


def _trial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.trial")


def _is_around_us(folder: Path) -> bool:
    """Whether a folder is the one this process works in, or above it."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # somebody deleted it
        return False
    return here.is_relative_to(folder.resolve())


def check_apart(path: Path, about: WriteFormat, source: str | None) -> None:
    """Refuse to write over a movie or one of its images, or between those of a folder that is one.

    Raises
    ------
    OutputError
    """
    if source is None:
        return
    target, movie = path.resolve(), Path(source).resolve()
    lies_in_it = movie.is_dir() and movie in target.parents
    if target == movie or lies_in_it or (about.is_folder and _would_go(target, about, movie)):
        raise OutputError(
            f"{path} would overwrite the movie {source}, or lie between its images.",
            "Choose another place or name.",
        )


def _would_go(folder: Path, about: WriteFormat, movie: Path) -> bool:
    """Whether a folder that is replaced has a file of the movie in it, under a name of the writer's."""
    if folder not in movie.parents:
        return False
    names = (file.relative_to(folder).as_posix() for file in (movie, *movie.rglob("*")))
    return any(re.fullmatch(about.files, name) for name in names)


def check_result(about: WriteFormat, result: Result) -> None:
    """Refuse what a format cannot hold at all; also of a result that has no objects yet.

    Raises
    ------
    OutputError
    """
    if about.shows_movie and not result.clip.has_pixels:
        raise OutputError(
            f"The pixels of these masks are not at hand, and {about.title} shows them.",
            "Name the movie: --input FILE on the command line; in napari, save its image together "
            "with the labels.",
        )
    largest = max((s.object_id for s in result.subjects), default=0)
    if about.most_ids and largest > about.most_ids:
        raise OutputError(
            f"{about.title} holds object ids up to {about.most_ids}, and there is {largest} "
            f"(of {len(result.subjects)} objects).",
            "Choose another format, such as OME-TIFF, or number the objects anew.",
        )
    if result.num_planes > 1 and not about.planes:
        raise OutputError(
            f"{about.title} has no z axis, and these masks are on {result.num_planes} planes.",
            "Choose OME-TIFF, OME-Zarr or NIfTI.",
        )
    writer = writer_of(Path(), about.kind)
    if hasattr(writer, "check"):
        writer.check(result)


def losses(about: WriteFormat, result: Result) -> tuple[str, ...]:
    """What a format cannot say of a result, in full sentences; overlaps are found while writing.

    They are the same for every format, so that who writes several can say each once.
    """
    lost = []
    box = result.clip.box
    if box is not None and not (about.place or about.shows_movie):
        lost.append(
            f"The masks are of {box.describe()} of the source's frames only; where that lies is "
            "not said."
        )
    if not about.parents and any(subject.parents for subject in result.subjects):
        lost.append("Which objects divided or merged is not said.")
    return tuple(lost)


class _Overlaps:
    """Sees the frames that a writer asks for, and remembers on which ones objects overlap."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._frames: set[int] = set()  # in time, whatever the plane

    def frame(self, f: int) -> Shown:
        """What `Result.frame` gives."""
        shown = self._result.frame(f)
        if self._result.may_overlap and not rle.are_apart(shown.codes.values()):
            self._frames.add(f % self._result.clip.num_frames)
        return shown

    def said(self) -> tuple[str, ...]:
        """That objects overlap, if they do, and which ones were kept."""
        if not self._frames:
            return ()
        kept = "later" if self._result.overlap == "last" else "earlier"
        where = (
            f"Objects overlap on {len(self._frames)} frame(s), from frame {min(self._frames)} on"
        )
        return (f"{where}; a pixel is of one object, and the {kept} one was kept.",)


@contextmanager
def _replacing(path: Path, about: WriteFormat, overwrite: bool, ready: Ready) -> Iterator[Path]:
    if not about.is_folder:
        with replacing(path, overwrite, ready=ready) as temporary:
            yield temporary
        return
    pattern = re.compile(about.files)
    with replacing_folder(path, lambda _, name: bool(pattern.fullmatch(name))) as folder:
        yield folder
        check_place(path, about, overwrite=overwrite)  # somebody else may have made it meanwhile
        ready()
