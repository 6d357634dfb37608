"""Masks on their way into a file: which formats are offered, how far it is, and stopping it. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.extras import is_there

if TYPE_CHECKING:
    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.writers.format import WriteFormat
    from napari_sa2va.writers.result import Result, Shown
    from napari_sa2va.writers.write import Written


@dataclass(frozen=True)
class Offer:
    """A format that may be chosen.

    Attributes
    ----------
    about : WriteFormat
    refusal : str
        Why it cannot be chosen for these masks on this machine; empty if it can.
    store : Path or None
        The image's own store, into which this format is written; None where a place is asked for.
    """

    about: WriteFormat
    refusal: str = ""
    store: Path | None = None

    @property
    def words(self) -> str:
        """What it keeps, and where it goes if that is known."""
        if self.store is None:
            return self.about.keeps
        return f"{self.about.keeps}; it goes into {self.store.name}, beside its image"


def offers_for(result: Result) -> list[Offer]:
    """All formats, those that can hold these masks first."""
    from napari_sa2va.writers import WRITERS

    source = None if result.clip.source is None else Path(result.clip.source)
    offers = [
        Offer(w.FORMAT, _refusal(w.FORMAT, result), _store(w.FORMAT, source)) for w in WRITERS
    ]
    return sorted(offers, key=lambda offer: bool(offer.refusal))


def _store(about: WriteFormat, source: Path | None) -> Path | None:
    is_one = about.in_place and source is not None and source.name.endswith(about.suffixes)
    return source if is_one and source is not None and source.is_dir() else None


def _refusal(about: WriteFormat, result: Result) -> str:
    from napari_sa2va.writers.write import check_result

    try:
        check_result(about, result)
    except OutputError as error:
        return error.message
    if all(map(is_there, about.packages)):
        return ""
    return f'Needs a package: pip install "napari-sa2va[{about.extra}]"'


def suggested(image_name: str, about: WriteFormat, folder: str | Path) -> Path:
    """A path to begin with: the image's name with the ending of the format."""
    ending = about.suffixes[0] if about.suffixes else f"-{about.kind}"
    return Path(folder) / f"{plain_name(image_name)}{ending}"


def plain_name(name: str) -> str:
    """A name with what some systems do not allow in files taken out."""
    plain = "".join(c if c.isalnum() or c in "-_ " else "-" for c in name).strip()
    return plain or "masks"


@dataclass(frozen=True)
class Stopped:
    """Somebody stopped it; what was there before is as it was."""


class Export:
    """One result that is written.

    Parameters
    ----------
    result : Result
    path : Path
    kind : str
        See `napari_sa2va.writers.write.write_result`.
    overwrite : bool

    Attributes
    ----------
    done, total : int
        How many frames were asked for, and how many there are; for whoever looks from another thread.
    """

    def __init__(self, result: Result, path: Path, kind: str, *, overwrite: bool) -> None:
        self.path = path
        self.done = 0
        self.total = result.num_frames
        self._result = result
        self._kind = kind
        self._overwrite = overwrite
        self._seen: set[int] = set()

    def run(self, cancel: CancelToken) -> Iterator[Written | Stopped]:
        """Write it; on any thread.

        Raises
        ------
        Sa2vaError
            If it cannot be written.
        """
        from napari_sa2va.writers.write import write_result

        def frame(f: int) -> Shown:
            if cancel.cancelled:
                raise _StopWriting
            self._seen.add(f)  # in any order: writers go plane by plane or time by time, or twice
            self.done = len(self._seen)
            return self._result.frame(f)

        watched = replace(self._result, frame=frame)
        try:
            yield write_result(self.path, watched, self._kind, overwrite=self._overwrite)
        except _StopWriting:
            yield Stopped()


class _StopWriting(BaseException):
    """Passes through a writer, which may take care of an `Exception` in its own way."""
