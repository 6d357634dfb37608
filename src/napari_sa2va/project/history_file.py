"""The last changes of a project with what was there before, so that they can still be undone.

What a change was is a line of ``steps.jsonl``; here are only the values that it swapped. Cells lie in
one table, each once, in the arrays of `cells_file`; ``rows`` (N, 4) holds object, frame, and the places
of the cells before and after in that table, -1 for the cell that the project has there now. ``ends``
says where the rows of each change end. Cards and review marks are small and stay JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from napari_sa2va.core.errors import ProjectError
from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.cells_file import Arrays, pack, unpack
from napari_sa2va.project.change import Change
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import Step

MOST_CHANGES = 200
MOST_BYTES = 64 * 2**20

_NOW = -1
_read_cards: TypeAdapter[list[tuple[int, Card | None, Card | None]]] = TypeAdapter(
    list[tuple[int, Card | None, Card | None]]
)
_read_marks: TypeAdapter[list[tuple[int, bool, bool]]] = TypeAdapter(list[tuple[int, bool, bool]])


def kept_changes(changes: Sequence[Change], state: State) -> list[Change]:
    """The last of the changes, so many that their values take little room."""
    kept: list[Change] = []
    seen: set[int] = set()
    num_bytes = 0
    for change in reversed(changes[-MOST_CHANGES:]):
        for (object_id, frame), pair in change.cells.items():
            now = state.peek(object_id, frame)
            for cell in pair:
                if cell is not now and cell.code is not None and id(cell) not in seen:
                    seen.add(id(cell))
                    num_bytes += cell.code["counts"].nbytes
        if num_bytes > MOST_BYTES:
            break
        kept.append(change)
    return kept[::-1]


def objects_of(changes: Sequence[Change]) -> set[int]:
    """Ids of all objects that some changes touch."""
    touched = {object_id for change in changes for object_id in change.cards}
    return touched | {object_id for change in changes for object_id, _ in change.cells}


def pack_changes(
    changes: Sequence[Change], state: State
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Changes as JSON types and arrays."""
    table: dict[int, int] = {}
    cells: list[Cell] = []

    def place(cell: Cell, now: Cell) -> int:
        if cell is now:
            return _NOW
        if id(cell) not in table:
            table[id(cell)] = len(cells)
            cells.append(cell)
        return table[id(cell)]

    rows: list[tuple[int, int, int, int]] = []
    ends: list[int] = []
    said: list[dict[str, Any]] = []
    for change in changes:
        for (object_id, frame), (before, after) in change.cells.items():
            now = state.peek(object_id, frame)
            rows.append((object_id, frame, place(before, now), place(after, now)))
        ends.append(len(rows))
        said.append(
            {
                "cards": [[i, _said(a), _said(b)] for i, (a, b) in change.cards.items()],
                "reviewed": [[frame, a, b] for frame, (a, b) in change.reviewed.items()],
            }
        )
    arrays = pack(cells)
    arrays["rows"] = np.array(rows, np.int64).reshape(-1, 4)
    arrays["ends"] = np.array(ends, np.int64)
    return said, arrays


def _said(card: Card | None) -> dict[str, Any] | None:
    return None if card is None else asdict(card)


def unpack_changes(
    said: object, arrays: Arrays, steps: Sequence[Step], state: State, origins: tuple[str, ...]
) -> list[Change]:
    """Changes that `pack_changes` wrote.

    Parameters
    ----------
    said : object
        Parsed JSON.
    arrays : mapping of str to ndarray
    steps : sequence of Step
        As many as there are changes.
    state : State
        As it was when they were written, with all objects that they touch.
    origins : tuple of str

    Raises
    ------
    ProjectError
        If they cannot be undone in that state; the message says why.
    """
    if not isinstance(said, list) or len(said) != len(steps):
        raise ProjectError(f"it does not hold {len(steps)} changes")
    cells = unpack(arrays, (state.shape[1], state.shape[2]), origins)
    rows, ends = arrays.get("rows"), arrays.get("ends")
    if rows is None or ends is None:
        raise ProjectError("it says of no change what it changed")
    _check(rows, ends, len(steps), len(cells), state)
    changes: list[Change] = []
    begin = 0
    for step, entry, end in zip(steps, said, ends.tolist(), strict=True):
        change = Change(step, is_open=False)
        for object_id, frame, *places in rows[begin:end].tolist():
            now = _peek(state, object_id, frame)
            before, after = (now if p == _NOW else cells[p] for p in places)
            change.cells[object_id, frame] = before, after
        begin = end
        _read_rest(change, entry, state)
        changes.append(change)
    return changes


def _check(
    rows: np.ndarray, ends: np.ndarray, num_changes: int, num_cells: int, state: State
) -> None:
    if rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != 4 or ends.dtype != np.int64:
        raise ProjectError(f"rows are {rows.dtype} {rows.shape}")
    if ends.shape != (num_changes,) or (np.diff(ends, prepend=0) < 0).any():
        raise ProjectError("it does not say where its changes end")
    if (int(ends[-1]) if len(ends) else 0) != len(rows):
        raise ProjectError(f"its changes do not end after {len(rows)} rows")
    frames, places = rows[:, 1], rows[:, 2:]
    if ((frames < 0) | (frames >= state.num_frames)).any():
        raise ProjectError(f"it changes a frame that is not within 0 and {state.num_frames - 1}")
    if ((places < _NOW) | (places >= num_cells)).any():
        raise ProjectError("it names a mask that it does not hold")


def _peek(state: State, object_id: int, frame: int) -> Cell:
    try:
        return state.peek(object_id, frame)
    except KeyError:
        raise ProjectError(f"it changes object {object_id}, which is not there") from None


def _read_rest(change: Change, entry: object, state: State) -> None:
    if not isinstance(entry, dict):
        raise ProjectError("a change is no object")
    try:
        cards = _read_cards.validate_python(entry.get("cards"))
        marks = _read_marks.validate_python(entry.get("reviewed"))
    except ValidationError as error:
        raise ProjectError(f"a change cannot be read ({error.errors()[0]['msg']})") from None
    for object_id, before, after in cards:
        _peek(state, object_id, 0)
        if any(card is not None and card.object_id != object_id for card in (before, after)):
            raise ProjectError(f"a card of object {object_id} bears another id")
        change.cards[object_id] = before, after
    for frame, was, is_now in marks:
        if not 0 <= frame < state.num_frames:
            raise ProjectError(f"it marks frame {frame}, which is not there")
        change.reviewed[frame] = was, is_now
