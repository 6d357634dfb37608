"""How a file can be damaged: few edits, each of which can be repeated from its numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

KINDS = ("flip", "number", "cut", "zeros", "splice", "insert", "remove")
# Written over length fields: nothing, one less and one more than a power, and far too much.
NUMBERS = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32,
           1 << 40, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)  # fmt: skip
_MOST_MOVED = 4096


@dataclass(frozen=True)
class Edit:
    """One damage.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    place : float
        Where, as a share of the file in [0, 1).
    value : int
        What, from 0 up: a bit, a number and its width, a length, where a splice comes from.
    """

    kind: str
    place: float
    value: int


def damaged(data: bytes, edits: Sequence[Edit]) -> bytes:
    """A copy of a file's bytes after all edits."""
    out = bytearray(data)
    for edit in edits:
        if not out:
            break
        _apply(out, edit)
    return bytes(out)


def _apply(out: bytearray, edit: Edit) -> None:
    at = min(int(edit.place * len(out)), len(out) - 1)
    value = edit.value
    length = 1 + value % _MOST_MOVED
    if edit.kind == "flip":
        out[at] ^= 1 << value % 8
    elif edit.kind == "number":
        number = NUMBERS[value % len(NUMBERS)]
        width = (1, 2, 4, 8)[value // len(NUMBERS) % 4]
        order = ("little", "big")[value // len(NUMBERS) // 4 % 2]
        at -= at % min(width, 4)  # fields are aligned more often than not
        whole = (number % (1 << 8 * width)).to_bytes(width, order)
        out[at : at + width] = whole[: len(out) - at]
    elif edit.kind == "cut":
        del out[at:]
    elif edit.kind == "zeros":
        length = min(length, len(out) - at)
        out[at : at + length] = bytes(length)
    elif edit.kind == "splice":
        begin = value * 7919 % len(out)
        piece = out[begin : begin + length]
        out[at : at + len(piece)] = piece
    elif edit.kind == "insert":
        out[at:at] = out[at : at + 1 + value % 16]
    else:
        del out[at : at + 1 + value % 16]


def random_edits(rng: random.Random) -> list[Edit]:
    """One to four edits; headers and directories, at both ends of a file, are hit more often."""
    edits = []
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.random()
        if rng.random() < 0.5:
            place = place**4 if rng.random() < 0.7 else 1 - place**4 / 2
        edits.append(Edit(rng.choice(KINDS), min(place, 0.999999), rng.randrange(1 << 16)))
    return edits


def edits_of(name: str, case: int) -> tuple[list[Edit], int]:
    """The edits of a numbered case, and which file of several has them."""
    rng = random.Random(f"{name} {case}")
    return random_edits(rng), rng.randrange(1 << 16)


def damage_one(files: Sequence[Path], edits: Sequence[Edit], which: int) -> str:
    """Damage one of several files, counted from 0 and around, in place; says what was done."""
    path = files[which % len(files)]
    path.write_bytes(damaged(path.read_bytes(), edits))
    return f"{path.name}: {[astuple(edit) for edit in edits]}"
