"""Our error types: what was wrong, the value seen, and what to do about it.

Every error derives from `Exception` and never from `RuntimeError`: superqt's generator workers,
which napari uses, swallow `RuntimeError` silently.
"""

from __future__ import annotations

from collections.abc import Sequence


class Sa2vaError(Exception):
    """Base of all errors that this package raises on purpose.

    Parameters
    ----------
    message : str
        What was wrong, with the value seen.
    hint : str
        What the user can do about it, as a full sentence; may be empty.

    Attributes
    ----------
    exit_code : int
        What the command line returns for this error: 2 for a request that cannot be met as asked,
        3 for something that failed while running.
    """

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[type[Sa2vaError], tuple[object, ...]]:
        return type(self), (self.message, self.hint)


class RequestError(Sa2vaError):
    """The request itself is wrong: an empty sentence, an unknown preset, a frame out of range."""

    exit_code = 2


class ClipError(Sa2vaError):
    """A file or array cannot be read as a clip."""

    exit_code = 2


class SeriesError(ClipError):
    """A file holds several series or positions, and which one is meant was not said, or is not there.

    Parameters
    ----------
    message, hint : str
    choices : sequence of (int or str, str)
        What can be asked for with `series=`, and what it is, for people.
    """

    def __init__(
        self, message: str, hint: str = "", choices: Sequence[tuple[int | str, str]] = ()
    ) -> None:
        super().__init__(message, hint)
        self.choices = tuple(choices)

    def __reduce__(self) -> tuple[type[Sa2vaError], tuple[object, ...]]:
        return type(self), (self.message, self.hint, self.choices)


class AxesError(ClipError):
    """The axes named do not fit the data."""


class PixelError(ClipError):
    """Pixel values that cannot be shown to a model: NaN, infinity, or an image without contrast."""


class MissingPackage(Sa2vaError):
    """A format needs a package that is not installed."""

    exit_code = 2


class ModelError(Sa2vaError):
    """A model is not known, or not on this machine."""

    exit_code = 2


class CheckpointError(ModelError):
    """A checkpoint folder does not hold what its configuration promises."""


class DownloadError(ModelError):
    """A model could not be brought to this machine, although it may be asked for."""

    exit_code = 3


class WrongBytes(DownloadError):
    """Files of a model are not what was recorded of them."""


class OutputError(Sa2vaError):
    """A result cannot be written where it was asked to go."""

    exit_code = 2


class ProjectError(Sa2vaError):
    """A project folder is damaged, of another version, or no project."""

    exit_code = 2


class BatchError(Sa2vaError):
    """A batch folder is damaged or none, or what is asked of it cannot be done."""

    exit_code = 2


class SafePointError(Sa2vaError):
    """A file with a safe point of a run is damaged, or no such file."""


class MemoryShortage(Sa2vaError):
    """The run needs more memory than the device has."""

    exit_code = 3


class ShapeMismatch(Sa2vaError):
    """Two arrays that must agree in shape do not."""

    exit_code = 2
