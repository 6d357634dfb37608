"""The plot: one quantity over time, for the selected object; the others are faint behind it."""

from __future__ import annotations

import math

import numpy as np
from qtpy.QtCore import QPoint, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QFont, QFontMetrics, QImage, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sa2va.analysis.value_axis import (
    ValueAxis,
    number_text,
    tick_text,
    unit_of,
    value_axis,
)
from napari_sa2va.gui.timeline_canvas import Sight, TimelineCanvas
from napari_sa2va.gui.timeline_curves import SCORE, curves_of, line_cover
from napari_sa2va.gui.timeline_lane import mark_places
from napari_sa2va.gui.timeline_lanes import image_of
from napari_sa2va.gui.timeline_look import MARK_PX, Rgb, draw_mark, qcolor, readable

_FAINT = 0.35
_INSET_PX = 8
_OVER_PX = 10  # above the plot: room for the marks of doubtful frames
_UNDER_PX = 7  # below the plot: half a tick's number
_DOTS_FROM_PX = 14.0  # frames at least so wide have a dot each
_SWATCH_PX = 10


class TimelinePlot(TimelineCanvas):
    """Draws `title` of the objects of the timeline."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.title = SCORE
        self._drawn: tuple[object, QImage] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Plot")

    def set_title(self, title: str) -> None:
        """Draw another quantity."""
        self.title = title
        self._drawn = None
        self.update()

    def set_sight(self, sight: Sight | None) -> None:
        """Show something else; curves are drawn again only if they are others."""
        if sight is None or self.sight is None or sight.index is not self.sight.index:
            self._drawn = None
        super().set_sight(sight)

    def forget(self) -> None:
        """Drop the picture."""
        self._drawn = None
        super().forget()

    def sizeHint(self) -> QSize:
        """As high as three lanes."""
        return QSize(300, 87)

    def minimumSizeHint(self) -> QSize:
        """Three lines of text: name, quantity, value."""
        return QSize(120, 3 * (self.fontMetrics().height() + 2))

    def tip_at(self, place: QPoint, sight: Sight) -> str:
        """The values of all objects on the frame under the mouse."""
        frame = self.frame_at(QPointF(place))
        if frame is None:
            lane = sight.index.lane(sight.selected)
            return self.title if lane is None else f"{lane.name}\n{self.title}"
        curves = curves_of(sight.index.timeline, self.title)
        lines = [
            f"{lane.name}: {self._value_text(curves[lane.object_id], frame)}"
            for lane in sight.index.lanes
            if lane.object_id in curves
        ]
        return "\n".join([f"Frame {frame}, {self.title}", *lines])

    def value_text(self) -> str:
        """Value of the selected object at the cursor with its unit; empty if none is selected."""
        sight = self.sight
        curve = None if sight is None else self._curves(sight).get(sight.selected or 0)
        return "" if sight is None or curve is None else self._value_text(curve, sight.frame)

    def paint(self, painter: QPainter, sight: Sight) -> None:
        """Draw axis, curves, and the value at the cursor."""
        curves = self._curves(sight)
        chosen = curves.get(sight.selected or 0)
        others = [curve for object_id, curve in curves.items() if object_id != sight.selected]
        axis = value_axis(self.title, chosen, others)
        height = max(self.height() - _OVER_PX - _UNDER_PX, 1)
        area = QRectF(sight.axis.left, _OVER_PX, sight.axis.width, height)
        painter.fillRect(area, qcolor(self.look.track))
        self._paint_ticks(painter, axis, area)
        painter.drawImage(area.topLeft(), self._picture(sight, axis, curves, area))
        self._paint_gutter(painter, sight)
        self._paint_doubts(painter, sight)
        if chosen is not None:
            self._paint_dots(painter, sight, axis, chosen, area)

    def _curves(self, sight: Sight) -> dict[int, np.ndarray]:
        """Curves of the objects that have a lane."""
        curves = curves_of(sight.index.timeline, self.title)
        return {number: curve for number, curve in curves.items() if number in sight.index.rows}

    def _value_text(self, curve: np.ndarray, frame: int) -> str:
        text = number_text(float(curve[frame]))
        unit = unit_of(self.title)
        return f"{text} {unit}" if unit and math.isfinite(curve[frame]) else text

    def _picture(
        self, sight: Sight, axis: ValueAxis, curves: dict[int, np.ndarray], area: QRectF
    ) -> QImage:
        dpr = self.devicePixelRatioF()
        drawn_from = (sight.axis, dpr, area.height(), sight.selected, axis)
        if self._drawn is not None and self._drawn[0] == drawn_from:
            return self._drawn[1]
        columns = max(round(sight.axis.width * dpr), 1)
        rows = max(round(area.height() * dpr), 1)
        picture = np.zeros((rows, columns, 4), dtype=np.uint8)
        order = sorted(curves, key=lambda object_id: object_id == sight.selected)
        for object_id in order:
            main = object_id == sight.selected or sight.selected not in curves
            thickness = (2.0 if main else 1.2) * dpr
            shares = axis.height_of(np.asarray(curves[object_id], dtype=np.float32))
            places, cover = line_cover(shares, sight.axis, columns, rows, thickness)
            if not main:
                cover = cover * _FAINT
            _lay(picture.reshape(-1, 4), places, cover, self._line_color(sight, object_id))
        image = image_of(picture, dpr)
        self._drawn = (drawn_from, image)
        return image

    def _line_color(self, sight: Sight, object_id: int) -> Rgb:
        """Colour of an object as a thin line needs it."""
        lane = sight.index.lane(object_id)
        return self.look.ink if lane is None else readable(lane.color, self.look)

    def _paint_ticks(self, painter: QPainter, axis: ValueAxis, area: QRectF) -> None:
        height = self.fontMetrics().height()
        ends = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for tick in axis.ticks:
            y = area.bottom() - float(axis.height_of(np.array(tick))) * area.height()
            painter.fillRect(QRectF(area.left(), y - 0.5, area.width(), 1), qcolor(self.look.hatch))
            painter.setPen(qcolor(self.look.muted))
            place = QRectF(0, y - height / 2, area.left() - 6, height)
            painter.drawText(place, ends, tick_text(tick))

    def _paint_gutter(self, painter: QPainter, sight: Sight) -> None:
        """Name, quantity and value at the cursor, left of the numbers of the axis."""
        metrics = self.fontMetrics()
        room = sight.axis.left - self._ticks_px(sight) - 2 * _INSET_PX
        lane, line = sight.index.lane(sight.selected), metrics.height() + 2
        top = max((self.height() - 3 * line) / 2, 0)
        painter.setPen(qcolor(self.look.ink))
        if lane is None:
            words = "Select an object to see its values."
            wrapped = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
            painter.setPen(qcolor(self.look.muted))
            painter.drawText(QRectF(_INSET_PX, 0, room, self.height()), wrapped, words)
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(qcolor(self.look.hatch))
        painter.setBrush(qcolor(lane.color))
        square = QRectF(_INSET_PX, top + (line - _SWATCH_PX) / 2, _SWATCH_PX, _SWATCH_PX)
        painter.drawRoundedRect(square, 2, 2)
        painter.restore()
        indent = _SWATCH_PX + _INSET_PX
        self._line(painter, lane.name, _INSET_PX + indent, top, room - indent)
        painter.setPen(qcolor(self.look.muted))
        self._line(painter, self.title, _INSET_PX, top + line, room)
        painter.setPen(qcolor(self.look.ink))
        font = QFont(self.font())
        font.setBold(True)
        painter.setFont(font)
        self._line(painter, self.value_text(), _INSET_PX, top + 2 * line, room)
        painter.setFont(self.font())

    def _paint_doubts(self, painter: QPainter, sight: Sight) -> None:
        """Mark the frames where the selected object is in doubt, over the plot."""
        axis = sight.axis
        columns = max(round(axis.width), 1)
        starts, stop = axis.column_starts(columns)
        doubtful = sight.index.doubtful(sight.selected or 0)
        marked = np.logical_or.reduceat(doubtful[:stop], starts)
        for column in np.flatnonzero(marked).tolist():
            place = QRectF(axis.left + column, _OVER_PX - 1, 1, 1)
            painter.fillRect(place, qcolor(self.look.warning))
        for column in mark_places(marked, MARK_PX, columns / axis.span).tolist():
            center = QPointF(axis.left + column + 0.5, _OVER_PX - MARK_PX / 2)
            draw_mark(painter, "warning", center, self.look.warning, MARK_PX - 1)

    def _line(self, painter: QPainter, text: str, left: float, top: float, room: float) -> None:
        metrics = QFontMetrics(painter.font())
        short = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, int(room))
        place = QRectF(left, top, room, metrics.height() + 2)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, short)

    def _ticks_px(self, sight: Sight) -> float:
        curves = self._curves(sight)
        chosen = curves.get(sight.selected or 0)
        others = [curve for object_id, curve in curves.items() if object_id != sight.selected]
        ticks = value_axis(self.title, chosen, others).ticks
        widths = [self.fontMetrics().horizontalAdvance(tick_text(tick)) for tick in ticks]
        return float(max(widths, default=0)) + 6

    def _paint_dots(
        self, painter: QPainter, sight: Sight, axis: ValueAxis, curve: np.ndarray, area: QRectF
    ) -> None:
        """Mark the values one by one where frames are wide, and always the one at the cursor."""
        along = sight.axis
        frames = [sight.frame]
        if along.px_per_frame >= _DOTS_FROM_PX:
            frames += range(math.floor(along.first), math.ceil(along.first + along.span))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(area.adjusted(0, -4, 0, 4))
        color = self._line_color(sight, sight.selected or 0)
        for frame in reversed(frames):
            if not (frame < len(curve) and math.isfinite(curve[frame])):
                continue
            y = area.bottom() - float(axis.height_of(np.array(curve[frame]))) * area.height()
            current = frame == sight.frame
            painter.setPen(QPen(qcolor(self.look.ink), 1.5) if current else Qt.PenStyle.NoPen)
            painter.setBrush(qcolor(color))
            radius = 4.0 if current else 2.5
            painter.drawEllipse(QPointF(along.x_of(frame + 0.5), y), radius, radius)
        painter.restore()


def _lay(pixels: np.ndarray, places: np.ndarray, cover: np.ndarray, color: Rgb) -> None:
    """Lay a colour over some pixels (N, 4), whose colours are multiplied with their opacity."""
    full = np.array([*color, 255], dtype=np.float32)
    share = cover[:, None]
    pixels[places] = np.rint(pixels[places] * (1 - share) + full * share).astype(np.uint8)
