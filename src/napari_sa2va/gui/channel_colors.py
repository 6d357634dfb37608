"""Which channels are shown as red, green and blue: three small boxes in a row."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.swatch import swatch_of

_COLORS = (("red", "#e00000"), ("green", "#00b000"), ("blue", "#2060ff"))
_NONE = "none"
_NARROWEST_CHARS = 3
# Qt asks for more, for which there is no room beside a scroll bar.
_NARROWEST_PX = 74
_MARK_PX = 10
_SPARE_PX = 8  # of what other boxes leave free beside their text


class ChannelColors(QWidget):
    """Maps up to three channels of a layer.

    Parameters
    ----------
    names : sequence of str
        What the channels are called.
    """

    changed = Signal()

    def __init__(self, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combos: list[ElidingCombo] = []
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for light, (color, shade) in enumerate(_COLORS):
            mark = QLabel()
            mark.setPixmap(swatch_of(QColor(shade), _MARK_PX))
            tip = f"The channel that is shown {color}."
            mark.setToolTip(tip)
            combo = _ShortCombo()
            combo.addItem(_NONE, None)
            for position, name in enumerate(names):
                combo.addItem(name, position)
            combo.setCurrentIndex(light + 1 if light < len(names) else 0)
            combo.setMinimumContentsLength(_NARROWEST_CHARS)
            combo.setMinimumWidth(_NARROWEST_PX)
            combo.setToolTip(tip)
            combo.setAccessibleName(f"Channel shown {color}")
            combo.currentIndexChanged.connect(self.changed)
            mark.setBuddy(combo)
            row.addWidget(mark)
            row.addWidget(combo, 1)
            self.combos.append(combo)

    def value(self) -> tuple[int | None, ...]:
        """Positions of the channels shown red, green and blue; None where none is."""
        return tuple(combo.currentData() for combo in self.combos)

    def set_value(self, positions: Sequence[int | None]) -> None:
        """Show another choice; `changed` is emitted once if it is another."""
        if tuple(positions) == self.value():
            return
        for combo, position in zip(self.combos, positions, strict=True):
            with QSignalBlocker(combo):
                combo.setCurrentIndex(combo.findData(position))
        self.changed.emit()


class _ShortCombo(ElidingCombo):
    """Three in a row have little room: as much of a name's beginning as fits."""

    def shown(self) -> str:
        """The text as it fits."""
        room = self._room() + _SPARE_PX
        text = self.currentText()
        return str(self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room))
