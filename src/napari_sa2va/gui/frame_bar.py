"""A thin bar for the frames of a clip: a mark per key frame, and where the viewer stands."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

_HEIGHT_PX = 14
_GROOVE_PX = 4
_MARK_PX = 3
_NEAR_PX = 5  # a click so near to a mark means its frame
_EDGE_PX = 4  # so that the marks of the first and last frame are whole


class FrameBar(QWidget):
    """Shows frames from the first at the left to the last at the right.

    A click asks for a frame: that of a key frame if one is near, else that of the place.
    """

    asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._num_frames = 1
        self._key_frames: tuple[int, ...] = ()
        self._position: int | None = None
        self.setAccessibleName("Key frames in the clip")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_frames(self, num_frames: int, key_frames: Sequence[int]) -> None:
        """Show so many frames, with marks on some."""
        self._num_frames, self._key_frames = max(num_frames, 1), tuple(key_frames)
        marked = ", ".join(str(t) for t in self._key_frames)
        self.setAccessibleDescription(f"Frames {marked} of 0 to {self._num_frames - 1}")
        self.update()

    def set_position(self, frame: int | None) -> None:
        """Show where the viewer stands; None if that is no frame."""
        if frame != self._position:
            self._position = frame
            self.update()

    def place_of(self, frame: int) -> float:
        """Where a frame is, in px from the left."""
        share = frame / max(self._num_frames - 1, 1)
        return _EDGE_PX + share * (self.width() - 2 * _EDGE_PX)

    def frame_at(self, x: float) -> int:
        """The frame that a click at `x` px asks for."""
        near = min(self._key_frames, key=lambda t: abs(self.place_of(t) - x), default=None)
        if near is not None and abs(self.place_of(near) - x) <= _NEAR_PX:
            return near
        share = (x - _EDGE_PX) / max(self.width() - 2 * _EDGE_PX, 1)
        return round(min(max(share, 0.0), 1.0) * (self._num_frames - 1))

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(120, _HEIGHT_PX)

    def minimumSizeHint(self) -> QSize:
        """May be narrow."""
        return QSize(60, _HEIGHT_PX)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Ask for the frame under the mouse."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.asked.emit(self.frame_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Ask for every frame that the mouse is drawn over."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.asked.emit(self.frame_at(event.position().x()))

    def event(self, event: QEvent) -> bool:
        """Say which frame is under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            frame = self.frame_at(event.pos().x())
            kind = "Key frame" if frame in self._key_frames else "Frame"
            QToolTip.showText(event.globalPos(), f"{kind} {frame}. Click to go there.", self)
            return True
        return bool(super().event(event))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the groove, the marks and the position, in the colours of the theme."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        groove = QColor(text)
        groove.setAlphaF(0.25)
        middle = self.height() / 2
        painter.setBrush(groove)
        width = self.width() - 2 * _EDGE_PX
        bar = QRectF(_EDGE_PX, middle - _GROOVE_PX / 2, width, _GROOVE_PX)
        painter.drawRoundedRect(bar, _GROOVE_PX / 2, _GROOVE_PX / 2)
        painter.setBrush(text)
        for t in self._key_frames:
            left = self.place_of(t) - _MARK_PX / 2
            painter.drawRoundedRect(QRectF(left, 2, _MARK_PX, self.height() - 4), 1, 1)
        if self._position is not None:
            x, half = self.place_of(self._position), _EDGE_PX - 0.5
            diamond = [(x, 1), (x + half, middle), (x, self.height() - 1), (x - half, middle)]
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in diamond]))
        painter.end()
