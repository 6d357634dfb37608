"""The ruler over the lanes: frame numbers, key frames, reviewed frames, and the cursor's head."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPoint, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sa2va.gui.timeline_canvas import Sight, TimelineCanvas
from napari_sa2va.gui.timeline_lane import mark_places
from napari_sa2va.gui.timeline_look import MARK_PX, Rgb, draw_mark, qcolor
from napari_sa2va.gui.timeline_words import ruler_tip

_MARKS_PX = MARK_PX - 2  # height of the row of key frames, and of that of reviewed frames
_ROOM_PX = 26  # beside a number


class TimelineRuler(TimelineCanvas):
    """Numbers on top, below them one row for key frames and one for reviewed frames."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Frames")

    def sizeHint(self) -> QSize:
        """One line of numbers and two rows of marks."""
        return QSize(300, self._numbers_px() + 2 * _MARKS_PX)

    def minimumSizeHint(self) -> QSize:
        """As narrow as may be."""
        return QSize(120, self.sizeHint().height())

    def tip_at(self, place: QPoint, sight: Sight) -> str:
        """Number and marks of the frame under the mouse."""
        frame = self.frame_at(QPointF(place))
        return "" if frame is None else ruler_tip(sight.index, frame)

    def key_row(self) -> float:
        """Middle of the row of key frames, in px."""
        return self._numbers_px() + _MARKS_PX / 2

    def review_row(self) -> float:
        """Middle of the row of reviewed frames, in px."""
        return self._numbers_px() + 1.5 * _MARKS_PX

    def paint(self, painter: QPainter, sight: Sight) -> None:
        """Draw numbers and marks."""
        axis, look = sight.axis, self.look
        painter.setPen(qcolor(look.muted))
        gutter = QRectF(0, 0, axis.left - 8, self._numbers_px())
        ends = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(gutter, ends, "Frame")
        painter.setClipRect(QRectF(axis.left, 0, axis.width, self.height()))
        metrics = self.fontMetrics()
        widest = metrics.horizontalAdvance(str(axis.num_frames))
        numbered, between = axis.ticks(widest + _ROOM_PX)
        foot = self._numbers_px()
        for frame in between:
            middle = axis.x_of(frame + 0.5)
            painter.fillRect(QRectF(middle - 0.5, foot - 2, 1, 2), qcolor(look.hatch))
        for frame in numbered:
            middle = axis.x_of(frame + 0.5)
            painter.fillRect(QRectF(middle - 0.5, foot - 5, 1, 5), qcolor(look.muted))
            number = QRectF(middle + 4, 0, metrics.horizontalAdvance(str(frame)) + 2, foot)
            if not number.intersects(self._head(sight)):
                level = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
                painter.drawText(number, level, str(frame))
        self._paint_marks(painter, sight, "key", sight.index.key_frames, self.key_row(), look.muted)
        self._paint_marks(
            painter, sight, "reviewed", sight.index.reviewed, self.review_row(), look.ink
        )

    def paint_cursor(self, painter: QPainter, sight: Sight) -> None:
        """Draw the cursor with the number of its frame."""
        super().paint_cursor(painter, sight)
        head = self._head(sight)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(qcolor(self.look.ink))
        painter.drawRoundedRect(head, 3, 3)
        painter.setPen(qcolor(self.look.paper))
        painter.drawText(head, Qt.AlignmentFlag.AlignCenter, str(sight.frame))
        painter.restore()

    def _head(self, sight: Sight) -> QRectF:
        """Where the number of the current frame stands: over the cursor, but within the strip."""
        axis = sight.axis
        width = self.fontMetrics().horizontalAdvance(str(sight.frame)) + 10
        left = axis.x_of(sight.frame + 0.5) - width / 2
        left = min(max(left, axis.left), axis.left + axis.width - width)
        return QRectF(left, 0, width, self._numbers_px())

    def _paint_marks(
        self, painter: QPainter, sight: Sight, name: str, frames: np.ndarray, y: float, color: Rgb
    ) -> None:
        """Draw marks where there is room, and a line under what they stand for."""
        axis = sight.axis
        columns = max(round(axis.width), 1)
        starts, stop = axis.column_starts(columns)
        marked = np.logical_or.reduceat(frames[:stop], starts)
        edges = np.flatnonzero(np.diff(marked, prepend=False, append=False)).reshape(-1, 2)
        for start, end in edges.tolist() if axis.px_per_frame < MARK_PX else []:
            place = QRectF(axis.left + start, y + _MARKS_PX / 2 - 1, end - start, 1)
            painter.fillRect(place, qcolor(color))
        for column in mark_places(marked, MARK_PX + 2, columns / axis.span).tolist():
            draw_mark(painter, name, QPointF(axis.left + column + 0.5, y - 0.5), color, MARK_PX - 1)

    def _numbers_px(self) -> int:
        return int(self.fontMetrics().height()) + 1
