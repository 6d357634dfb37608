"""What ruler, lanes and plot have in common: one time axis, one cursor, one way with the mouse."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import (
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QToolTip, QWidget

from napari_sa2va.gui.timeline_geometry import TimeAxis
from napari_sa2va.gui.timeline_index import TimelineIndex
from napari_sa2va.gui.timeline_look import Look, look_of, qcolor
from napari_sa2va.gui.timeline_words import tip_markup

_PER_NOTCH = 1.25  # zoom of one step of the wheel
_NOTCH = 120.0  # Qt's eighths of a degree
_BAND_FROM_PX = 7.0  # frames at least so wide are shaded as a whole where the cursor is


@dataclass(frozen=True)
class Sight:
    """What is on view: shared by ruler, lanes and plot.

    Attributes
    ----------
    index : TimelineIndex
    axis : TimeAxis
        Its left edge is the width of the part with the names.
    frame : int
        Where the cursor is.
    selected : int or None
        Object id.
    """

    index: TimelineIndex
    axis: TimeAxis
    frame: int
    selected: int | None


class TimelineCanvas(QWidget):
    """Base of the parts that lie one below the other over the same frames."""

    frame_picked = Signal(int)
    zoom_wanted = Signal(float, float)  # factor, x in px
    scroll_wanted = Signal(float, float)  # px to the right, px down
    resized = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.sight: Sight | None = None
        self._look: Look | None = None
        self._dragging = False
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFocusProxy(parent)  # the timeline as a whole takes the keys

    @property
    def look(self) -> Look:
        """Colours of the palette in use."""
        if self._look is None:
            self._look = look_of(self.palette())
        return self._look

    def set_sight(self, sight: Sight | None) -> None:
        """Show something else."""
        self.sight = sight
        self.update()

    def forget(self) -> None:
        """Drop what was drawn: colours or resolution have changed."""
        self._look = None
        self.update()

    def paint(self, painter: QPainter, sight: Sight) -> None:
        """Draw everything but the cursor."""
        raise NotImplementedError

    def tip_at(self, place: QPoint, sight: Sight) -> str:
        """Tool tip of a place."""
        raise NotImplementedError

    def object_at(self, place: QPointF) -> int | None:
        """Object id at a place, if there is one."""
        return None

    def frame_at(self, place: QPointF) -> int | None:
        """Frame at a place; None beside the strip."""
        if self.sight is None or place.x() < self.sight.axis.left:
            return None
        return self.sight.axis.frame_at(place.x())

    def name_pressed(self, place: QPointF) -> None:
        """The mouse went down left of the strip."""

    def changeEvent(self, event: QEvent) -> None:
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.forget()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw, then the cursor over it."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Window))
        if self.sight is not None:
            self.paint(painter, self.sight)
            self.paint_cursor(painter, self.sight)
        painter.end()

    def paint_cursor(self, painter: QPainter, sight: Sight) -> None:
        """Draw the line at the current frame; a wide frame has one at either side."""
        axis, ink, paper = sight.axis, qcolor(self.look.ink), qcolor(self.look.paper, 0.8)
        left, width, height = axis.x_of(sight.frame), axis.px_per_frame, self.height()
        painter.save()
        painter.setClipRect(QRectF(axis.left - 1, 0, axis.width + 2, height))
        if width >= _BAND_FROM_PX:
            # Nothing in the middle, where the marks of the frame are.
            painter.fillRect(QRectF(left, 0, width, height), qcolor(self.look.ink, 0.12))
            lines = [round(left) - 1, round(left + width) - 1]
        else:
            lines = [round(left + width / 2 - 0.5)]
        for line in lines:
            painter.fillRect(QRectF(line - 1, 0, 3, height), paper)
            painter.fillRect(QRectF(line, 0, 1, height), ink)
        painter.restore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the frame under the mouse, or choose the object whose name it is."""
        if self.sight is None or event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        frame = self.frame_at(event.position())
        if frame is None:
            self.name_pressed(event.position())
            return
        self._dragging = True
        self.frame_picked.emit(frame)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the mouse while its button is down, beyond the ends of the strip too."""
        if not self._dragging or self.sight is None:
            return
        frame = self.sight.axis.frame_at(event.position().x())
        if frame != self.sight.frame:
            self.frame_picked.emit(frame)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Stop following."""
        self._dragging = False

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom with Ctrl, else pan or scroll."""
        turned, pixels = event.angleDelta(), event.pixelDelta()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            factor = _PER_NOTCH ** (turned.y() / _NOTCH)
            self.zoom_wanted.emit(factor, event.position().x())
        else:
            # A touch pad tells px, a wheel tells steps.
            move = pixels if not pixels.isNull() else turned / 2
            right, down = -float(move.x()), -float(move.y())
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and not right:
                right, down = down, right
            self.scroll_wanted.emit(right, down)
        event.accept()  # else the wheel over the timeline would scroll what is around it

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Say so: axis and scroll bars depend on it."""
        super().resizeEvent(event)
        self.resized.emit()

    def event(self, event: QEvent) -> bool:
        """Tell what is under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            tip = self.tip_at(event.pos(), self.sight) if self.sight is not None else ""
            if tip:
                QToolTip.showText(event.globalPos(), tip_markup(tip), self)
            else:
                QToolTip.hideText()
            return True
        return bool(super().event(event))
