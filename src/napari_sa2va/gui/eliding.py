"""Boxes that shorten what does not fit, in the middle: names and paths differ at both ends."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QHelpEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QLineEdit,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStyleOptionFrame,
    QStylePainter,
    QToolTip,
    QWidget,
)

from napari_sa2va.gui.wheel_guard import guard_wheel

_INSET_PX = 4


class ElidingCombo(QComboBox):
    """A combo box that never widens the dock, and tells a long name in full in its tool tip.

    Parameters
    ----------
    editable : bool
        Whether any text may be typed.
    """

    def __init__(self, editable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        if editable:
            self.setEditable(True)
            self.setLineEdit(_ElidingLineEdit(self))
            self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        may_shrink(self)
        guard_wheel(self)
        self.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)

    def event(self, event: QEvent) -> bool:
        """Put what is shortened before the tool tip."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tip(), self)
            return True
        return bool(super().event(event))

    def tip(self) -> str:
        """The tool tip, with the text in full where it is shortened."""
        text = self.currentText()
        return self.toolTip() if self.shown() == text else f"{text}\n\n{self.toolTip()}"

    def shown(self) -> str:
        """The text as it fits."""
        return _shortened(self, self.currentText(), self._room())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the box with the text as it fits."""
        if self.isEditable():
            super().paintEvent(event)
            return
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def _room(self) -> int:
        line = self.lineEdit()
        if line is not None:
            return line.contentsRect().width() - 2 * _INSET_PX
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        return field.width() - 2 * _INSET_PX


class _ElidingLineEdit(QLineEdit):
    """Shows the text as it fits until it is edited."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the shortened text, or leave it to Qt."""
        room = self.contentsRect().width() - 2 * _INSET_PX
        words = _shortened(self, self.text(), room)
        if self.hasFocus() or words == self.text():
            super().paintEvent(event)
            return
        painter = QPainter(self)
        option = QStyleOptionFrame()
        self.initStyleOption(option)
        panel = QStyle.PrimitiveElement.PE_PanelLineEdit
        self.style().drawPrimitive(panel, option, painter, self)
        area = self.contentsRect().adjusted(_INSET_PX, 0, -_INSET_PX, 0)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)
        painter.end()


def may_shrink(combo: QComboBox) -> None:
    """Let a combo box be narrower than its longest entry."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(6)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def _shortened(widget: QWidget, text: str, room: int) -> str:
    return str(widget.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, room))
