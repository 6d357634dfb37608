"""A file of JSON lines that several processes append to and read while it grows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.file_lock import alone
from napari_sa2va.core.params import Params

T = TypeVar("T", bound=Params)


class Lines(Generic[T]):
    """A file with one value per line, of which the latest with a ``unit_id`` holds.

    Parameters
    ----------
    path : Path
        Need not exist.
    kind : type
        Of the values.
    stored, read : callable, optional
        What becomes of a value before it is written, and after it was read.
    """

    def __init__(
        self,
        path: Path,
        kind: type[T],
        *,
        stored: Callable[[T], T] = lambda value: value,
        read: Callable[[T], T] = lambda value: value,
    ) -> None:
        self._path = path
        self._kind = kind
        self._stored = stored
        self._taken = read
        self._known: dict[str, T] = {}
        self._read_to = 0

    def append(self, values: Iterable[T]) -> None:
        """Add lines, all at once for those who read.

        Raises
        ------
        BatchError
            If the file cannot be written.
        """
        lines = "".join(
            self._stored(value).model_dump_json(exclude_defaults=True) + "\n" for value in values
        )
        if not lines:
            return
        try:
            with alone(self._path, BatchError), self._path.open("ab") as file:
                if file.tell() and not self._ends_a_line():
                    file.write(b"\n")  # the rest of a line whose writer was killed
                file.write(lines.encode())
        except OSError as error:
            raise BatchError(
                f"{self._path} cannot be written ({error.strerror or error}).",
                "May you write there, and is the disk full?",
            ) from error

    def read(self) -> Iterable[T]:
        """The values, in the order in which their ids first came; reads only what is new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                new = file.read()
        except FileNotFoundError:
            return self._known.values()
        whole = new.rfind(b"\n") + 1  # what follows is being written
        # So is what a network drive shows as zeros, because it heard of the end first: that is read
        # again the next time.
        hole = new.find(b"\0", 0, whole)
        self._read_to += whole if hole < 0 else new.rfind(b"\n", 0, hole) + 1
        for line in new[:whole].splitlines():
            try:
                value = self._taken(self._kind.model_validate_json(line))
            except ValidationError:  # cut off, see `append`
                continue
            self._known[value.unit_id] = value  # type: ignore[attr-defined]
        return self._known.values()

    def _ends_a_line(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) == b"\n"
