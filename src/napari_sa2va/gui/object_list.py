"""The objects of a workspace: colour, name, on how many frames, and which are selected."""

from __future__ import annotations

from qtpy.QtCore import QItemSelectionModel, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_sa2va.core.palette import Color
from napari_sa2va.gui.swatch import swatch_of
from napari_sa2va.gui.timeline_words import tip_markup
from napari_sa2va.gui.workspace import Workspace

_NAME, _FRAMES, _SCORE = range(3)
_ID = Qt.ItemDataRole.UserRole


class ObjectList(QTreeWidget):
    """One row per object. Double click on a name renames, on a colour recolours."""

    renamed = Signal(int, str)
    recolored = Signal(int, object)
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Objects")
        self.setToolTip(
            "Every object with its colour, name, frames and mean score. Double click or F2 renames. "
            "Ctrl or Shift selects several, to merge, lock or remove them."
        )
        self.setHeaderLabels(["Object", "Frames", "Score"])
        self.setRootIsDecorated(False)
        self.setAllColumnsShowFocus(True)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column in (_FRAMES, _SCORE):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.itemChanged.connect(self._rename)
        self.currentItemChanged.connect(self._choose)

    @property
    def selected_ids(self) -> list[int]:
        """Objects that are selected, in the order of the rows."""
        return [self._id(item) for item in self._items() if item.isSelected()]

    def show_objects(self, workspace: Workspace | None) -> None:
        """List the objects anew; what is selected stays."""
        selected = set(self.selected_ids)
        with QSignalBlocker(self):
            self.clear()
            if workspace is None:
                return
            rows = workspace.rows()
            for object_id, name, frames, score, tip in rows:
                card = workspace.project.state.card(object_id)
                words = [name, str(frames), "" if score != score else f"{score:.2f}"]
                item = QTreeWidgetItem(words)
                item.setData(_NAME, _ID, object_id)
                item.setIcon(_NAME, QIcon(swatch_of(QColor(*card.color))))
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                item.setToolTip(_NAME, tip_markup(tip))
                for column in (_FRAMES, _SCORE):
                    item.setTextAlignment(
                        column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.addTopLevelItem(item)
                item.setSelected(object_id in selected)

    def select(self, object_id: int | None) -> None:
        """Show which object is the selected label, without telling anybody."""
        with QSignalBlocker(self):
            for item in self._items():
                if self._id(item) == object_id:
                    if not item.isSelected():
                        self.clearSelection()
                    # Qt would select it alone, and what is selected beside it is to stay.
                    nothing = QItemSelectionModel.SelectionFlag.NoUpdate
                    self.setCurrentItem(item, _NAME, nothing)
                    item.setSelected(True)
                    return

    def pick_color(self) -> None:
        """Ask for another colour of the current object."""
        item = self.currentItem()
        if item is None:
            return
        color = QColorDialog.getColor(parent=self, title=f"Colour of {item.text(_NAME)}")
        if color.isValid():
            chosen: Color = (color.red(), color.green(), color.blue())
            self.recolored.emit(self._id(item), chosen)

    def _rename(self, item: QTreeWidgetItem, column: int) -> None:
        if column == _NAME:
            self.renamed.emit(self._id(item), item.text(_NAME))

    def _choose(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.chosen.emit(self._id(item))

    def _items(self) -> list[QTreeWidgetItem]:
        found = (self.topLevelItem(row) for row in range(self.topLevelItemCount()))
        return [item for item in found if item is not None]

    @staticmethod
    def _id(item: QTreeWidgetItem) -> int:
        return int(item.data(_NAME, _ID))
