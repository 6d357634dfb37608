"""The lanes of all objects: names at the left, a strip over all frames at the right."""

from __future__ import annotations

from functools import partial

import numpy as np
from qtpy.QtCore import QPoint, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QFont, QFontMetrics, QImage, QMouseEvent, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sa2va.gui.timeline_canvas import Sight, TimelineCanvas
from napari_sa2va.gui.timeline_geometry import LaneRows
from napari_sa2va.gui.timeline_index import same_lane
from napari_sa2va.gui.timeline_lane import (
    DOUBTS_PX,
    LANE_PX,
    STRIP_PX,
    columns_of,
    paint_lane,
)
from napari_sa2va.gui.timeline_look import Look, mark_pixels, qcolor
from napari_sa2va.gui.timeline_words import lane_tip

_SWATCH_PX = 10
_INSET_PX = 8
_NAMES_LEAST_PX, _NAMES_MOST_PX = 140, 240
_NAMES_SHARE = 0.3  # of the width, that names may take
_SHOWN_AT_FIRST = 3  # lanes that the timeline is high enough for without being asked
_Drawn = tuple[object, QImage]  # what it was drawn from, and the picture


class TimelineLanes(TimelineCanvas):
    """Lanes one below the other; only those on view are drawn, and only when they change."""

    object_picked = Signal(int)
    lock_wanted = Signal(int, int)  # object id, frame

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.scrolled = 0
        self._drawn: dict[int, _Drawn] = {}
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Objects")

    @property
    def rows(self) -> LaneRows:
        """Where the lanes lie."""
        count = 0 if self.sight is None else len(self.sight.index.lanes)
        return LaneRows(count, max(LANE_PX, self.fontMetrics().height() + 6), self.scrolled)

    def sizeHint(self) -> QSize:
        """High enough for the first lanes."""
        return QSize(300, self.rows.height * _SHOWN_AT_FIRST)

    def minimumSizeHint(self) -> QSize:
        """One lane."""
        return QSize(120, self.rows.height)

    def names_px(self, names: list[str], width: int) -> int:
        """Width of the part with the names, where all of the timeline is so many px wide."""
        metrics = QFontMetrics(self._bold())
        widest = max((metrics.horizontalAdvance(name) for name in names), default=0)
        need = int(widest) + _SWATCH_PX + 4 * _INSET_PX
        most = max(min(_NAMES_MOST_PX, round(width * _NAMES_SHARE)), _NAMES_LEAST_PX)
        return min(max(need, _NAMES_LEAST_PX), most)

    def set_scroll(self, scroll: int) -> None:
        """Show the lanes from so many px on."""
        self.scrolled = scroll
        self.update()

    def set_sight(self, sight: Sight | None) -> None:
        """Show something else; what looks the same is not drawn again."""
        if sight is None or self.sight is None:
            self._drawn = {}
        elif sight.index is not self.sight.index:
            self._drawn = {
                object_id: drawn
                for object_id, drawn in self._drawn.items()
                if _unchanged(self.sight, sight, object_id)
            }
        super().set_sight(sight)

    def forget(self) -> None:
        """Drop the pictures of all lanes."""
        self._drawn = {}
        super().forget()

    def object_at(self, place: QPointF) -> int | None:
        """Object whose lane is at a place."""
        row = self.rows.row_at(place.y())
        return None if row is None or self.sight is None else self.sight.index.lanes[row].object_id

    def name_pressed(self, place: QPointF) -> None:
        """Choose the object."""
        object_id = self.object_at(place)
        if object_id is not None:
            self.object_picked.emit(object_id)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Lock or unlock the object on the frame under the mouse."""
        frame, object_id = self.frame_at(event.position()), self.object_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and None not in (frame, object_id):
            self.lock_wanted.emit(object_id, frame)

    def tip_at(self, place: QPoint, sight: Sight) -> str:
        """The whole name, or what is known of the frame under the mouse."""
        object_id, frame = self.object_at(QPointF(place)), self.frame_at(QPointF(place))
        if object_id is None:
            return ""
        if frame is None:
            lane = sight.index.lane(object_id)
            return "" if lane is None else lane.name
        return lane_tip(sight.index, frame, object_id)

    def paint(self, painter: QPainter, sight: Sight) -> None:
        """Draw the lanes on view."""
        rows = self.rows
        for row in rows.visible(0, self.height()):
            self._paint_name(painter, sight, row, rows)
            image = self._strip(sight, row)
            top = rows.top_of(row) + (rows.height - LANE_PX) // 2
            painter.drawImage(QPointF(sight.axis.left, top), image)

    def _paint_name(self, painter: QPainter, sight: Sight, row: int, rows: LaneRows) -> None:
        lane, look, top = sight.index.lanes[row], self.look, rows.top_of(row)
        chosen = lane.object_id == sight.selected
        if chosen:
            painter.fillRect(QRectF(0, top, self.width(), rows.height), qcolor(look.chosen))
            painter.fillRect(QRectF(0, top, 3, rows.height), qcolor(look.ink))
        # Level with the strip, not with the marks around it.
        middle = top + (rows.height - LANE_PX) // 2 + DOUBTS_PX + STRIP_PX / 2
        square = QRectF(_INSET_PX, middle - _SWATCH_PX / 2, _SWATCH_PX, _SWATCH_PX)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(qcolor(look.hatch))
        painter.setBrush(qcolor(lane.color))
        painter.drawRoundedRect(square, 2, 2)
        painter.restore()
        font = self._bold() if chosen else self.font()
        left = _INSET_PX * 2 + _SWATCH_PX
        room = sight.axis.left - left - _INSET_PX
        name = QFontMetrics(font).elidedText(lane.name, Qt.TextElideMode.ElideMiddle, int(room))
        height = QFontMetrics(font).height()
        painter.setFont(font)
        painter.setPen(qcolor(look.ink))
        area = QRectF(left, middle - height / 2, room, height)
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)

    def _strip(self, sight: Sight, row: int) -> QImage:
        """The picture of a lane, drawn again only if anything in it has changed."""
        index, axis, look, dpr = sight.index, sight.axis, self.look, self.devicePixelRatioF()
        lane = index.lanes[row]
        chosen = lane.object_id == sight.selected
        drawn_from = (axis, dpr, chosen)
        known = self._drawn.get(lane.object_id)
        if known is not None and known[0] == drawn_from:
            return known[1]
        columns = max(round(axis.width * dpr), 1)
        pixels = paint_lane(
            columns_of(lane, index.doubtful(lane.object_id), axis, columns),
            lane.color,
            look,
            ground=_ground(look, chosen),
            dpr=dpr,
            shapes=partial(mark_pixels, dpr=dpr),
            axis=axis,
        )
        image = image_of(pixels, dpr)
        self._drawn[lane.object_id] = (drawn_from, image)
        return image

    def _bold(self) -> QFont:
        font = QFont(self.font())
        font.setBold(True)
        return font


def image_of(pixels: np.ndarray, dpr: float) -> QImage:
    """Make a picture of pixels.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 4)
        Red, green, blue, opacity; colours are multiplied with the opacity.
    dpr : float
        Device px per logical px.

    Returns
    -------
    QImage
        With memory of its own.
    """
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels)
    packed = QImage.Format.Format_RGBA8888_Premultiplied
    image = QImage(data.data, width, height, 4 * width, packed)
    image = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(dpr)
    return image


def _ground(look: Look, chosen: bool) -> tuple[int, int, int]:
    return look.chosen if chosen else look.paper


def _unchanged(before: Sight, now: Sight, object_id: int) -> bool:
    old, new = before.index, now.index
    one, other = old.lane(object_id), new.lane(object_id)
    return (
        one is not None
        and other is not None
        and same_lane(one, other)
        and np.array_equal(old.doubtful(object_id), new.doubtful(object_id))
    )
