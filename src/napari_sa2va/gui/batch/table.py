"""The table of a batch: movies dropped on it are added; any column sorts, a box filters by state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from qtpy.QtCore import (
    QEvent,
    QItemSelectionRange,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import (
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_sa2va.gui.batch.bar import BarDelegate
from napari_sa2va.gui.batch.model import (
    LEFT,
    MOVIE,
    OBJECTS,
    PROGRESS,
    ROW_ROLE,
    SORT_ROLE,
    STATE,
    BatchModel,
)
from napari_sa2va.gui.batch.rows import MovieRow, RowState

EMPTY = (
    'Drop movies, a folder or a table of movies here, take the sentences from the dock "Segment by '
    'sentence", then press Check and Start.'
)
_WIDTHS_PX: Mapping[int, int] = {STATE: 116, PROGRESS: 54, LEFT: 44, OBJECTS: 84}
# Those that go where the table is narrow, the last one first; the details have what they say.
_WAIVED = (LEFT, OBJECTS)
_NARROWEST_MOVIE_PX = 72
_ROW_PADDING_PX, _MARGINS_PX = 6, 8


class BatchTable(QTableView):
    """Shows a `BatchModel`.

    Attributes
    ----------
    dropped : Signal(list of str)
        Paths and addresses of what was dropped.
    chosen_changed : Signal()
        Other rows are selected, or the one that is looked at has changed.
    """

    dropped = Signal(list)
    chosen_changed = Signal()

    def __init__(self, model: BatchModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Movies of the batch")
        self._batch = model
        self._sorted = _Sorted(model, self)
        self.setModel(self._sorted)
        self.setItemDelegateForColumn(PROGRESS, BarDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)  # as they were added
        self.setTabKeyNavigation(False)
        self.setAcceptDrops(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DropOnly)
        rows = self.verticalHeader()
        rows.hide()
        # Rows of one fixed height: Qt would ask each of thousands for its own.
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(self.fontMetrics().lineSpacing() + _ROW_PADDING_PX)
        columns = self.horizontalHeader()
        columns.setHighlightSections(False)
        columns.setMinimumSectionSize(40)
        for column, width in _WIDTHS_PX.items():
            columns.resizeSection(column, width)
        model.rowsInserted.connect(self._fit_names)
        model.modelReset.connect(self._fit_names)
        self.selectionModel().selectionChanged.connect(lambda *_: self.chosen_changed.emit())
        self.selectionModel().currentChanged.connect(lambda *_: self.chosen_changed.emit())

    # What is chosen

    @property
    def current(self) -> MovieRow | None:
        """The row that is looked at."""
        index = self.currentIndex()
        return index.data(ROW_ROLE) if index.isValid() else None

    @property
    def chosen(self) -> list[MovieRow]:
        """The rows that are selected, as they stand in the table."""
        # By ranges: Qt would make an index for each of thousands, and ask the model with it.
        selected = cast("Iterable[QItemSelectionRange]", self.selectionModel().selection())
        return self._rows_at(
            sorted({row for run in selected for row in range(run.top(), run.bottom() + 1)})
        )

    @property
    def listed(self) -> list[MovieRow]:
        """All rows that the filter lets through, as they stand in the table."""
        return self._rows_at(range(self._sorted.rowCount()))

    def _rows_at(self, places: Iterable[int]) -> list[MovieRow]:
        rows, ordered = self._batch.rows, self._sorted
        return [rows[ordered.mapToSource(ordered.index(at, MOVIE)).row()] for at in places]

    def choose(self, unit_id: str) -> None:
        """Select a row and scroll to it."""
        for row, listed in enumerate(self.listed):
            if listed.unit_id == unit_id:
                self.selectRow(row)
                self.scrollTo(self._sorted.index(row, MOVIE))
                return

    def show_only(self, states: frozenset[RowState]) -> None:
        """List rows in these states only; all if there are none."""
        self._sorted.show_only(states)
        self.chosen_changed.emit()

    # Dropping

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Take files wherever they are dropped."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Say what was dropped."""
        urls = event.mimeData().urls()
        paths = [url.toLocalFile() if url.isLocalFile() else url.toString() for url in urls]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    # How it looks

    def changeEvent(self, event: QEvent) -> None:
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._batch.set_palette(self.palette())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share another width between the columns."""
        super().resizeEvent(event)
        self._share_room()

    def _share_room(self) -> None:
        """Give the names the room that the other columns leave; where it is little, some of them go."""
        kept = (column for column in _WIDTHS_PX if column not in _WAIVED)
        room = self.viewport().width() - sum(map(self.columnWidth, kept))
        for column in _WAIVED:
            width = self.columnWidth(column) or _WIDTHS_PX[column]  # 0 while it is hidden
            has_room = room - width >= _NARROWEST_MOVIE_PX
            self.setColumnHidden(column, not has_room)
            room -= width if has_room else 0
        self.setColumnWidth(MOVIE, max(room, _NARROWEST_MOVIE_PX))
        self._fit_names()

    def _fit_names(self) -> None:
        """Where a name has no room, leave out what all of them have in common."""
        needed = self.fontMetrics().horizontalAdvance(self._batch.longest_name) + _MARGINS_PX
        self._batch.leave_out_common(needed > self.columnWidth(MOVIE))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Say what can be done with an empty table."""
        super().paintEvent(event)
        if self._batch.rows:
            return
        painter = QPainter(self.viewport())
        area = self.viewport().rect().adjusted(12, 12, -12, -12)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.setPen(self.palette().text().color())
        painter.drawText(area, int(flags), EMPTY)
        painter.end()


class _Sorted(QSortFilterProxyModel):
    """The rows in another order, and those in some states only."""

    def __init__(self, model: BatchModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._states: frozenset[RowState] = frozenset()
        self._batch = model
        self.setSortRole(SORT_ROLE)
        self.setSourceModel(model)

    def show_only(self, states: frozenset[RowState]) -> None:
        """See `BatchTable.show_only`."""
        self._states = states
        self.invalidate()

    def filterAcceptsRow(
        self, source_row: int, source_parent: QModelIndex | QPersistentModelIndex
    ) -> bool:
        """Whether a row is listed."""
        return not self._states or self._batch.rows[source_row].state in self._states
