"""Colours and marks of the states of a batch, taken from the palette in use."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

from napari_sa2va.core.palette import Color
from napari_sa2va.gui.batch.rows import RowState
from napari_sa2va.gui.timeline_look import Look, draw_mark, qcolor, readable

# Of Okabe and Ito, which people with any kind of colour blindness can tell apart; red is the theme's
# colour of warnings.
_GREEN, _BLUE, _ORANGE = (0, 158, 115), (86, 180, 233), (230, 159, 0)
_SIDE_PX = 12
_SHARPNESS = 2  # device pixels per pixel, for screens that have more


def state_color(state: RowState, look: Look) -> Color:
    """Colour of a state; easy to read on the ground of a table."""
    match state:
        case "done":
            return readable(_GREEN, look)
        case "running":
            return readable(_BLUE, look)
        case "nothing":
            return readable(_ORANGE, look)
        case "failed" | "unfit" | "faulty":
            return look.warning
    return look.muted


def state_icon(state: RowState, look: Look) -> QIcon:
    """A mark of a state: its shape tells it, too."""
    pixmap = QPixmap(_SIDE_PX * _SHARPNESS, _SIDE_PX * _SHARPNESS)
    pixmap.setDevicePixelRatio(_SHARPNESS)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    color, middle = state_color(state, look), QPointF(_SIDE_PX / 2, _SIDE_PX / 2)
    match state:
        case "done":
            draw_mark(painter, "reviewed", middle, color, _SIDE_PX)
        case "running":
            draw_mark(painter, "later", middle, color, _SIDE_PX)
        case "failed" | "unfit" | "faulty":
            draw_mark(painter, "warning", middle, color, _SIDE_PX)
        case "nothing":
            _draw_ring(painter, qcolor(color), crossed=True)
        case _:
            _draw_ring(painter, qcolor(color), crossed=False)
    painter.end()
    return QIcon(pixmap)


def _draw_ring(painter: QPainter, color: QColor, *, crossed: bool) -> None:
    """A small circle: nothing is in it; a line through it: somebody has looked."""
    painter.setPen(QPen(color, 1.4))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    ring = QRectF(2.5, 2.5, _SIDE_PX - 5, _SIDE_PX - 5)
    path = QPainterPath()
    path.addEllipse(ring)
    if crossed:
        path.moveTo(2.0, _SIDE_PX - 2.0)
        path.lineTo(_SIDE_PX - 2.0, 2.0)
    painter.drawPath(path)
