"""The directories of a TIFF file, followed by the letter of the format before a library reads them.

tifffile logs a broken chain of directories and goes on with the pages before it, so that a
truncated stack looks like a short one. And what a damaged or malicious file makes a reader do for
ever, or ask memory for, is refused here: directories that lead back to themselves, that overlap,
that are too many.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from napari_sa2va.core.errors import ClipError

# tifffile needs about 5 s for so many; the longest movies that are kept in TIFF have fewer.
MOST_PAGES = 500_000
_MOST_TAGS = 4096
_MOST_SUB_LEVELS = 16
# A size beyond this does not fit in a classic header: LSM, NDPI and ImageJ bend the format there.
_CLASSIC_END = 2**32
_SUB_IFDS = 330
_STK_PLANES = 33629
# Tags whose value must be there: description, and where strips and tiles lie and how long they are.
_NEEDED = frozenset((270, 273, 279, 324, 325, _SUB_IFDS, _STK_PLANES))
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}


@dataclass
class Chain:
    """What was found.

    Attributes
    ----------
    num_pages : int
        Complete directories in the main chain.
    missing_at : int or None
        The first byte beyond the end that the file needs; None if all is there.
    pointer : int
        Where it is written at which byte the directory lies that is not all there, or that there
        is no more.
    pointer_size : int
        4 or 8 bytes.
    """

    num_pages: int = 0
    missing_at: int | None = None
    pointer: int = 0
    pointer_size: int = 4


class Measured(io.BufferedReader):
    """A file of which no more is asked for than there is.

    Python makes room for what is asked for before it looks how much there is, and tifffile asks for
    what damaged lengths say.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(str(path.absolute())))
        self.num_bytes = self.seek(0, io.SEEK_END)
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        """The bytes that follow, at most `size`."""
        rest = max(0, self.num_bytes - self.tell())
        return super().read(rest if size is None or size < 0 else min(size, rest))


class WithoutTail(Measured):
    """A file that is being written, whose chain of directories ends with the last complete one.

    Parameters
    ----------
    path : Path
    chain : Chain
        What was found of it.
    """

    def __init__(self, path: Path, chain: Chain) -> None:
        super().__init__(path)
        self._from, self._to = chain.pointer, chain.pointer + chain.pointer_size

    def read(self, size: int | None = -1, /) -> bytes:
        """The bytes that follow, with zeros for the pointer that leads to nothing complete."""
        start = self.tell()
        data = super().read(size)
        first, last = max(self._from, start), min(self._to, start + len(data))
        if first >= last:
            return data
        return data[: first - start] + bytes(last - first) + data[last - start :]


def follow_chain(path: Path) -> Chain:
    """Visit all directories of a file; reads no pixels.

    Raises
    ------
    ClipError
        If directories lead back to themselves, overlap, or are too many; or the file is no TIFF.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        if len(head) < 8 or head[:2] not in (b"II", b"MM"):
            raise ClipError(
                f"{path} cannot be read as TIFF (it begins with {head[:4]!r}).",
                "Is the file complete, and really a TIFF file?",
            )
        walk = _Walk(path, file, size, head)
        if size >= _CLASSIC_END and not walk.is_big:
            return Chain()
        return walk.follow()


@dataclass(frozen=True)
class _Directory:
    subs: tuple[int, ...]
    after: int  # the byte at which the next one lies
    pointer: int  # and where that is written


@dataclass
class _Walk:
    path: Path
    file: BinaryIO
    size: int
    head: bytes
    chain: Chain = field(default_factory=Chain)
    spent: int = 0  # bytes of directories so far

    def __post_init__(self) -> None:
        self.order = order = "<" if self.head[:2] == b"II" else ">"
        self.is_big = struct.unpack(order + "H", self.head[2:4])[0] == 43
        self.entry = struct.Struct(order + ("HHQ8s" if self.is_big else "HHI4s"))
        self.count = struct.Struct(order + ("Q" if self.is_big else "H"))
        self.offset = struct.Struct(order + ("Q" if self.is_big else "I"))

    def follow(self) -> Chain:
        start = self.head[8:16] if self.is_big else self.head[4:8]
        if len(start) < self.offset.size:
            self._needs(16)
            return self.chain
        (at,) = self.offset.unpack(start)
        self.chain.pointer = 8 if self.is_big else 4
        self.chain.pointer_size = self.offset.size
        seen: set[int] = set()
        while at:
            if at in seen:
                raise self._refused(f"its directories lead back to byte {at}")
            seen.add(at)
            found = self._directory(at)
            if found is None:
                break
            for sub in found.subs:
                self._sub_directory(sub, (at,))
            at, self.chain.pointer = found.after, found.pointer
            self.chain.num_pages += 1
            if self.chain.num_pages > MOST_PAGES:
                raise self._refused(f"it has more than {MOST_PAGES} pages")
        return self.chain

    def _sub_directory(self, at: int, above: tuple[int, ...]) -> None:
        if at in above:
            raise self._refused(f"its SubIFDs lead back to byte {at}")
        if len(above) > _MOST_SUB_LEVELS:
            raise self._refused(f"the SubIFDs at byte {at} lie in each other without an end")
        found = self._directory(at)
        for sub in found.subs if found else ():
            self._sub_directory(sub, (*above, at))

    def _directory(self, at: int) -> _Directory | None:
        """What a directory leads to; None if it is not all there."""
        if self._needs(at + self.count.size):
            return None
        self.file.seek(at)
        (count,) = self.count.unpack(self.file.read(self.count.size))
        length = count * self.entry.size + self.offset.size
        if self._needs(at + self.count.size + length):
            return None
        if count > _MOST_TAGS:
            raise self._refused(f"the directory at byte {at} has {count} tags")
        self.spent += self.count.size + length
        if self.spent > self.size:
            raise self._refused(f"its directories overlap at byte {at}")
        block = self.file.read(length)
        subs: tuple[int, ...] = ()
        for tag, kind, number, value in self.entry.iter_unpack(block[: -self.offset.size]):
            if tag in _NEEDED:
                values = 24 * number if tag == _STK_PLANES else number * _SIZES.get(kind, 1)
                is_short = values <= self.offset.size
                is_there = is_short or not self._needs(self.offset.unpack(value)[0] + values)
                if tag == _SUB_IFDS and is_there:
                    subs = self._offsets(number, values, value)
        after = int(self.offset.unpack(block[-self.offset.size :])[0])
        return _Directory(subs, after, at + self.count.size + length - self.offset.size)

    def _offsets(self, number: int, length: int, value: bytes) -> tuple[int, ...]:
        if length > self.offset.size:
            self.file.seek(self.offset.unpack(value)[0])
            value = self.file.read(length)
        width = "Q" if number and length // number == 8 else "I"
        if len(value) < number * struct.calcsize(width):
            return ()
        # tifffile leaves out those that lie in the header.
        return tuple(o for o in struct.unpack_from(f"{self.order}{number}{width}", value) if o >= 8)

    def _needs(self, end: int) -> bool:
        if end <= self.size:
            return False
        if self.chain.missing_at is None:
            self.chain.missing_at = end
        return True

    def _refused(self, reason: str) -> ClipError:
        return ClipError(
            f"{self.path} cannot be read as TIFF: {reason}.",
            "The file is damaged: copy it again, or save it anew with the program it comes from.",
        )
