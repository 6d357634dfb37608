"""The colour of an object as Qt wants it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPainter, QPixmap

from napari_sa2va.core.palette import color_of


def qcolor_of(object_id: int) -> QColor:
    """The colour of an object, the same as in its label and in overlays."""
    return QColor(*color_of(object_id))


def swatch(object_id: int, size: int = 12) -> QPixmap:
    """A small rounded square in the colour that an object gets at first."""
    return swatch_of(qcolor_of(object_id), size)


def swatch_of(color: QColor, size: int = 12) -> QPixmap:
    """A small rounded square."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    painter.drawRoundedRect(0, 0, size, size, 2, 2)
    painter.end()
    return pixmap
