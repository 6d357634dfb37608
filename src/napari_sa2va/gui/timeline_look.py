"""Colours and small marks of the timeline, taken from the palette in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPainterPath, QPalette, QPen, QPixmap

from napari_sa2va.core.palette import Color, mix, standing_out

Rgb = Color
"""Red, green and blue, 0 to 255."""

# None of the objects is red (`core.palette`), so a doubt is never taken for an object.
_WARNING_HUE = 354
MARK_PX = 11  # width and height of the square that every mark is drawn in


@dataclass(frozen=True)
class Look:
    """Colours of one theme.

    Attributes
    ----------
    paper, ink : tuple of int
        Background and text.
    track : tuple of int
        Ground of a strip, hardly to be told from the paper.
    hatch, muted : tuple of int
        Lines over what is not known; words of lesser weight.
    chosen : tuple of int
        Background of the selected object.
    warning : tuple of int
        Doubts.
    """

    paper: Rgb
    ink: Rgb
    track: Rgb
    hatch: Rgb
    muted: Rgb
    chosen: Rgb
    warning: Rgb


def look_of(palette: QPalette) -> Look:
    """Work out the colours for a palette."""
    paper = _rgb(palette.color(QPalette.ColorRole.Window))
    ink = _rgb(palette.color(QPalette.ColorRole.WindowText))
    dark = sum(paper) < sum(ink)
    warning = QColor.fromHsl(_WARNING_HUE, 225 if dark else 200, 158 if dark else 105)
    return Look(
        paper=paper,
        ink=ink,
        track=mix(paper, ink, 0.09),
        hatch=mix(paper, ink, 0.26),
        muted=mix(paper, ink, 0.68),
        chosen=mix(paper, _rgb(palette.color(QPalette.ColorRole.Highlight)), 0.55),
        warning=_rgb(warning),
    )


def readable(color: Rgb, look: Look) -> Rgb:
    """A colour as a thin line of it needs to be to stand out."""
    return standing_out(color, ink=look.ink, ground=look.track)


def qcolor(rgb: Rgb, alpha: float = 1.0) -> QColor:
    """A colour as Qt wants it."""
    color = QColor(*rgb)
    color.setAlphaF(alpha)
    return color


@lru_cache(maxsize=64)
def mark_pixels(name: str, dpr: float) -> np.ndarray:
    """The shape of a mark as coverage, float32 in [0, 1], shape (side, side).

    Parameters
    ----------
    name : str
        A key of `MARKS`.
    dpr : float
        Device px per logical px.
    """
    side = max(round(MARK_PX * dpr), 1)
    image = QImage(side, side, QImage.Format.Format_RGBA8888)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(side / MARK_PX, side / MARK_PX)
    MARKS[name](painter, QColor(Qt.GlobalColor.white))
    painter.end()
    bits = image.constBits()
    if hasattr(bits, "setsize"):  # PyQt hands out a bare pointer
        bits.setsize(image.sizeInBytes())
    pixels = np.frombuffer(bits, dtype=np.uint8).reshape(side, image.bytesPerLine())
    return pixels[:, 3 : 4 * side : 4].astype(np.float32) / 255


def mark_pixmap(name: str, color: Rgb, dpr: float = 1.0, side_px: float = MARK_PX) -> QPixmap:
    """A mark as a picture, for buttons and legends."""
    side = max(round(side_px * dpr), 1)
    pixmap = QPixmap(side, side)
    pixmap.setDevicePixelRatio(dpr)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    draw_mark(painter, name, QPointF(side_px / 2, side_px / 2), color, side_px)
    painter.end()
    return pixmap


def draw_mark(
    painter: QPainter, name: str, center: QPointF, color: Rgb, side_px: float = MARK_PX
) -> None:
    """Draw a mark around a point."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(center.x() - side_px / 2, center.y() - side_px / 2)
    painter.scale(side_px / MARK_PX, side_px / MARK_PX)
    MARKS[name](painter, qcolor(color))
    painter.restore()


def _rgb(color: QColor) -> Rgb:
    return color.red(), color.green(), color.blue()


def _polygon(*points: tuple[float, float]) -> QPainterPath:
    path = QPainterPath(QPointF(*points[0]))
    for point in points[1:]:
        path.lineTo(QPointF(*point))
    path.closeSubpath()
    return path


def _warning(painter: QPainter, color: QColor) -> None:
    """A triangle with a hole like an exclamation mark."""
    path = _polygon((5.5, 0.4), (10.9, 10.4), (0.1, 10.4))
    path.addRect(QRectF(4.9, 4.0, 1.2, 3.1))
    path.addRect(QRectF(4.9, 8.1, 1.2, 1.2))
    painter.fillPath(path, color)  # where two outlines overlap, nothing is filled


def _corrected(painter: QPainter, color: QColor) -> None:
    """A diamond."""
    painter.fillPath(_polygon((5.5, 1.5), (9.5, 5.5), (5.5, 9.5), (1.5, 5.5)), color)


def _locked(painter: QPainter, color: QColor) -> None:
    """A padlock."""
    painter.setPen(QPen(color, 1.5))
    shackle = QPainterPath(QPointF(3.5, 5.5))
    shackle.lineTo(QPointF(3.5, 3.6))
    shackle.arcTo(QRectF(3.5, 1.4, 4.0, 4.2), 180, -180)
    shackle.lineTo(QPointF(7.5, 5.5))
    painter.drawPath(shackle)
    painter.fillRect(QRectF(2.0, 5.0, 7.0, 5.2), color)


def _key(painter: QPainter, color: QColor) -> None:
    """A pin that points down."""
    painter.fillPath(_polygon((2.0, 1.5), (9.0, 1.5), (9.0, 5.5), (5.5, 9.8), (2.0, 5.5)), color)


def _reviewed(painter: QPainter, color: QColor) -> None:
    """A tick."""
    painter.setPen(
        QPen(color, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    )
    path = QPainterPath(QPointF(1.8, 5.8))
    path.lineTo(QPointF(4.4, 8.6))
    path.lineTo(QPointF(9.3, 2.6))
    painter.drawPath(path)


def _earlier(painter: QPainter, color: QColor) -> None:
    painter.fillPath(_polygon((2.0, 5.5), (8.0, 1.2), (8.0, 9.8)), color)


def _later(painter: QPainter, color: QColor) -> None:
    painter.fillPath(_polygon((9.0, 5.5), (3.0, 1.2), (3.0, 9.8)), color)


MARKS: dict[str, Callable[[QPainter, QColor], None]] = {
    "warning": _warning,
    "corrected": _corrected,
    "locked": _locked,
    "key": _key,
    "reviewed": _reviewed,
    "earlier": _earlier,
    "later": _later,
}
