"""The rows of a batch as a table for Qt: only what has changed is drawn anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from qtpy.QtGui import QIcon, QPalette

from napari_sa2va.gui.batch.look import state_color, state_icon
from napari_sa2va.gui.batch.rows import WORDS, MovieRow, RowState
from napari_sa2va.gui.batch.short_names import Common
from napari_sa2va.gui.timeline_look import look_of, qcolor

MOVIE, STATE, PROGRESS, LEFT, OBJECTS = range(5)
HEADS = ("Movie", "State", "Progress", "Left", "Objects")
_TIPS = (
    "The movies, in the order in which they were added.",
    "Where each of them stands.",
    "Frames that have their masks.",
    "About how long it will still take, while it is worked on.",
    "How many objects were found of those asked for, and the mean score.",
)

ROW_ROLE = Qt.ItemDataRole.UserRole
"""The whole `MovieRow`."""
SORT_ROLE = Qt.ItemDataRole.UserRole + 1

_RANK = {state: rank for rank, state in enumerate(WORDS)}
_Index = QModelIndex | QPersistentModelIndex


class BatchModel(QAbstractTableModel):
    """One row per unit, in the order in which they came.

    Parameters
    ----------
    palette : QPalette
        Of the window, see `set_palette`.

    Attributes
    ----------
    longest_name : str
    """

    def __init__(self, palette: QPalette) -> None:
        super().__init__()
        self._rows: list[MovieRow] = []
        self._at: dict[str, int] = {}
        self._common, self._is_short = Common(), False
        self.longest_name = ""
        self.set_palette(palette)

    def set_palette(self, palette: QPalette) -> None:
        """Draw in the colours of a theme."""
        look = look_of(palette)
        self._colors = {state: qcolor(state_color(state, look)) for state in WORDS}
        self._icons: dict[str, QIcon] = {state: state_icon(state, look) for state in WORDS}
        if self._rows:
            roles = [Qt.ItemDataRole.ForegroundRole, Qt.ItemDataRole.DecorationRole]
            self._tell(0, len(self._rows) - 1, roles)

    @property
    def rows(self) -> Sequence[MovieRow]:
        """All rows."""
        return self._rows

    @property
    def counts(self) -> Mapping[RowState, int]:
        """How many rows there are in each state."""
        return Counter(row.state for row in self._rows)

    def row(self, unit_id: str) -> MovieRow | None:
        """The row of a unit."""
        at = self._at.get(unit_id)
        return None if at is None else self._rows[at]

    def leave_out_common(self, is_short: bool) -> None:
        """Whether names are shown without what is common to all of them."""
        if is_short != self._is_short:
            self._is_short = is_short
            if self._rows:
                self._tell(0, len(self._rows) - 1, [Qt.ItemDataRole.DisplayRole])

    def clear(self) -> None:
        """Forget all rows."""
        self._reset([])

    def take(self, rows: Iterable[MovieRow]) -> None:
        """Take rows that are new or have changed."""
        changed: list[int] = []
        new: list[MovieRow] = []
        for row in rows:
            at = self._at.get(row.unit_id)
            if at is None:
                new.append(row)
            elif self._rows[at] != row:
                self._rows[at] = row
                changed.append(at)
        for first, last in _runs(sorted(changed)):
            self._tell(first, last, [])
        if new:
            begin = len(self._rows)
            self.beginInsertRows(QModelIndex(), begin, begin + len(new) - 1)
            self._rows += new
            self._at |= {row.unit_id: at for at, row in enumerate(new, begin)}
            self._find_common()
            self.endInsertRows()

    def remove(self, unit_ids: Iterable[str]) -> None:
        """Forget some rows."""
        gone = set(unit_ids) & set(self._at)
        if gone:
            self._reset([row for row in self._rows if row.unit_id not in gone])

    def _reset(self, rows: list[MovieRow]) -> None:
        self.beginResetModel()
        self._rows = rows
        self._at = {row.unit_id: at for at, row in enumerate(rows)}
        self._find_common()
        self.endResetModel()

    def _find_common(self) -> None:
        names = {row.movie for row in self._rows}
        self._common = Common.of(names)
        self.longest_name = max(names, key=len, default="")

    # What Qt asks

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """How many rows."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """How many columns."""
        return 0 if parent.isValid() else len(HEADS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """What stands above the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return HEADS[section]
        return _TIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What is known of a cell."""
        row, column = self._rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole if column == MOVIE and self._is_short:
                return self._common.without(row.movie)
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return _text(row, column)
            case Qt.ItemDataRole.ToolTipRole:
                return _tip(row)
            case Qt.ItemDataRole.ForegroundRole if column == STATE:
                return self._colors[row.state]
            case Qt.ItemDataRole.DecorationRole if column == STATE:
                return self._icons[row.state]
            case Qt.ItemDataRole.TextAlignmentRole if column in (LEFT, OBJECTS):
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            case _ if role == ROW_ROLE:
                return row
            case _ if role == SORT_ROLE:
                return _sort_key(row, column)
        return None

    def _tell(self, first: int, last: int, roles: Sequence[int]) -> None:
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(HEADS) - 1), list(roles))


def _text(row: MovieRow, column: int) -> str:
    if column == MOVIE:
        return row.movie
    if column == STATE:
        return row.words
    if column == PROGRESS:
        share = row.share
        return "" if share is None else f"{share:.0%}"
    return row.left if column == LEFT else row.objects


def _tip(row: MovieRow) -> str:
    """All that is known, for who points at a row."""
    words = [row.movie, row.words]
    if row.planned:
        words.append(f"{row.done} of {row.planned} frames")
    if row.cause:
        words += ["", row.cause, row.hint]
    return "\n".join(words).rstrip()


def _sort_key(row: MovieRow, column: int) -> Any:
    if column == MOVIE:
        return row.movie.casefold()
    if column == STATE:
        return _RANK[row.state]
    if column == PROGRESS:
        return -1.0 if row.share is None else row.share
    if column == LEFT:
        return -1.0 if row.left_s is None else row.left_s
    return row.found + (row.score or 0.0) / 2


def _runs(numbers: Sequence[int]) -> Iterable[tuple[int, int]]:
    """First and last of the runs of rising numbers that follow each other without a gap."""
    begin = 0
    for here in range(1, len(numbers) + 1):
        if here == len(numbers) or numbers[here] != numbers[here - 1] + 1:
            yield numbers[begin], numbers[here - 1]
            begin = here
