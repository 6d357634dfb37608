"""What an error means for a unit: whether to try again, and what people are told."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from pathlib import Path

import napari_sa2va
from napari_sa2va.batch.outcome import State
from napari_sa2va.core.errors import (
    AxesError,
    ClipError,
    DownloadError,
    MemoryShortage,
    ModelError,
    PixelError,
    RequestError,
    Sa2vaError,
    SeriesError,
)
from napari_sa2va.core.params import Params
from napari_sa2va.core.privacy import Private

MORE_MEMORY = "Use a machine with more memory, a smaller model or region, or split the movie."
"""What helps a unit that does not fit."""

_CERTAIN = (AxesError, ModelError, PixelError, RequestError, SeriesError)
_SHORTAGES = (MemoryShortage, MemoryError)
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Of disks and network drives that may be back in a minute.
_PASSING = (
    *_FULL, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.ECONNRESET,
    errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
)  # fmt: skip
# Of the calls that led to an error, the last ones tell where it was.
_CALLS = 3


class Failure(Params):
    """The fields of an `Outcome` that an error fills."""

    state: State
    cause: str
    hint: str
    error: str
    certain: bool
    passing: bool


def failure_of(error: Exception, private: Private, *, is_as_planned: bool = False) -> Failure:
    """What an error means.

    Parameters
    ----------
    error : Exception
        Any.
    private : Private
        Words about a person, which are taken out of what is told.
    is_as_planned : bool
        Whether the movie is there as it was when it was planned: the same bytes are read the same
        way the next time.

    Returns
    -------
    Failure
        It is certain where the request, the movie or the model would have to be another one. A
        movie that is not there may be on a drive that is away, and a model that cannot be had at
        the end of a line that is down; such things are worth another try. It is passing where a
        disk or a network drive said that it is full, or cannot be reached; not where it has the
        movie, and cannot read some of it.
    """
    from_system = [one for one in _chain(error) if isinstance(one, OSError)]
    numbers = {one.errno for one in from_system}
    full = [one for one in from_system if one.errno in _FULL]
    if full:  # without the file's name: it is the same for all units
        cause = f"The disk is full ({full[0].strerror})."
        hint = "Make room where the results and the batch folder are; what is done is kept."
    elif isinstance(error, Sa2vaError):
        cause, hint = error.message, hint_of(error)
    elif isinstance(error, OSError) and error.strerror:
        cause = f"{error.filename or 'A file'} could not be read or written ({error.strerror})."
        hint = "Is the disk full, or the network drive away?"
    else:
        cause = f"{type(error).__name__}: {error}".rstrip(": ")
        hint = f"Raised {_where(error)}. Please report it with the worker's log."
    certain = isinstance(error, _CERTAIN) and not isinstance(error, DownloadError)
    # Libraries raise an OSError without a number for a file that is damaged.
    is_damaged = isinstance(error, ClipError) and not any(numbers)
    certain = certain or (is_damaged and is_as_planned)
    has_bad_sectors = isinstance(error, ClipError) and is_as_planned and errno.EIO in numbers
    return Failure(
        state="unfit" if isinstance(error, _SHORTAGES) else "failed",
        cause=private.redact(cause),
        hint=private.redact(hint),
        error=type(error).__name__,
        certain=certain,
        passing=not certain and not has_bad_sectors and not numbers.isdisjoint(_PASSING),
    )


def hint_of(error: Sa2vaError) -> str:
    """What to do about an error in a batch, which has other means than a single run."""
    if not isinstance(error, SeriesError):
        return error.hint
    return f"{error.hint} For each movie another: a table with a column series (--every-series takes all)."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those of which it came."""
    while error is not None:
        yield error
        error = error.__cause__


def _where(error: Exception) -> str:
    """The last calls, without the folders in which people keep their programs."""
    calls = traceback.extract_tb(error.__traceback__)[-_CALLS:]
    return ", called ".join(
        f"in {_within(call.filename)}:{call.lineno} ({call.name})" for call in reversed(calls)
    )


def _within(filename: str) -> str:
    """A file's place in its package."""
    path = Path(filename)
    for folder in (Path(napari_sa2va.__file__).parents[1], *path.parents):
        if folder.name in ("site-packages", "src") and path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return path.name
