"""A list of objects with numbers, as the measurements of a frame and the scores are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QModelIndex, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_sa2va.core.palette import Color
from napari_sa2va.gui.swatch import swatch_of

_ID = Qt.ItemDataRole.UserRole
_WIDEST_PX = 84  # of a heading, whatever its channel is called
_NARROWEST_PX = 90  # of the names, before it scrolls
_ROW_GAP_PX = 6


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes
    ----------
    heading : str
        May have two lines.
    tip : str
        What it is, in full.
    """

    heading: str
    tip: str


@dataclass(frozen=True)
class Row:
    """An object, or what is said of all of them.

    Attributes
    ----------
    object_id : int or None
        None for a row about all objects.
    name : str
    color : tuple of int, optional
    values : tuple of str
        One per column.
    """

    object_id: int | None
    name: str
    values: tuple[str, ...]
    color: Color | None = None


class NumberTree(QTreeWidget):
    """A row per object; choosing one, by mouse or keys, is told.

    Parameters
    ----------
    name : str
        What screen readers call it.
    tip : str
    lines : int
        Rows that are seen before it scrolls.
    """

    chosen = Signal(int)

    def __init__(self, name: str, tip: str, *, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._content: tuple[tuple[Column, ...], tuple[Row, ...]] | None = None
        self._lines = lines
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.setRootIsDecorated(False)
        self.setAllColumnsShowFocus(True)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.header().setStretchLastSection(False)
        self.header().setSectionsMovable(False)
        self.setMinimumWidth(60)
        self.currentItemChanged.connect(self._choose)

    def show_rows(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Show other numbers; the row that is current stays so if its object is still there."""
        content = tuple(columns), tuple(rows)
        if content == self._content:
            return
        same_columns = self._content is not None and self._content[0] == content[0]
        self._content = content
        current = self.current_id
        with QSignalBlocker(self):
            self.clear()
            if not same_columns:
                self._set_columns(columns)
            self.addTopLevelItems([_item(row) for row in rows])
        self._share_width()
        self.select(current)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the names what the numbers leave."""
        super().resizeEvent(event)
        self._share_width()

    def select(self, object_id: int | None) -> None:
        """Make the row of an object the current one, without telling anybody."""
        with QSignalBlocker(self):
            self.clearSelection()
            self.setCurrentIndex(QModelIndex())
            for item in self._items():
                if object_id is not None and item.data(0, _ID) == object_id:
                    self.setCurrentItem(item)

    @property
    def current_id(self) -> int | None:
        """The object of the current row."""
        item = self.currentItem()
        return None if item is None else item.data(0, _ID)

    @property
    def texts(self) -> list[list[str]]:
        """What is written in the rows, name first."""
        columns = range(self.columnCount())
        return [[item.text(c) for c in columns] for item in self._items()]

    @property
    def headings(self) -> list[str]:
        """What is written over the columns, on one line each."""
        item = self.headerItem()
        return [item.text(c).replace("\n", " ") for c in range(self.columnCount())]

    def _items(self) -> list[QTreeWidgetItem]:
        found = (self.topLevelItem(place) for place in range(self.topLevelItemCount()))
        return [item for item in found if item is not None]

    def _set_columns(self, columns: Sequence[Column]) -> None:
        self.setColumnCount(1 + len(columns))
        self.setHeaderLabels(["Object", *(self._short(column.heading) for column in columns)])
        header, item = self.header(), self.headerItem()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        for place, column in enumerate(columns, start=1):
            header.setSectionResizeMode(place, QHeaderView.ResizeMode.ResizeToContents)
            item.setToolTip(place, column.tip)
            item.setTextAlignment(
                place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            )
        line = self.fontMetrics().lineSpacing()
        tall = 1 + max((column.heading.count("\n") for column in columns), default=0)
        self.setFixedHeight(self._lines * (line + _ROW_GAP_PX) + tall * line + 2 * _ROW_GAP_PX)

    def _share_width(self) -> None:
        header = self.header()
        numbers = sum(header.sectionSize(place) for place in range(1, header.count()))
        if header.count():
            header.resizeSection(0, max(self.viewport().width() - numbers, _NARROWEST_PX))

    def _short(self, heading: str) -> str:
        metrics, middle = self.fontMetrics(), Qt.TextElideMode.ElideMiddle
        return "\n".join(
            metrics.elidedText(line, middle, _WIDEST_PX) for line in heading.split("\n")
        )

    def _choose(self, item: QTreeWidgetItem | None) -> None:
        object_id = None if item is None else item.data(0, _ID)
        if object_id is not None:
            self.chosen.emit(object_id)


def _item(row: Row) -> QTreeWidgetItem:
    item = QTreeWidgetItem([row.name, *row.values])
    item.setData(0, _ID, row.object_id)
    item.setToolTip(0, row.name)
    if row.color is not None:
        item.setIcon(0, QIcon(swatch_of(QColor(*row.color))))
    for place in range(1, 1 + len(row.values)):
        item.setTextAlignment(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if row.object_id is None:
        font = item.font(0)
        font.setBold(True)
        for place in range(1 + len(row.values)):
            item.setFont(place, font)
    return item
