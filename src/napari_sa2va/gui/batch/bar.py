"""Draws how far a movie is as a bar with its share in figures."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_sa2va.core.palette import mix
from napari_sa2va.gui.batch.look import state_color
from napari_sa2va.gui.batch.model import ROW_ROLE
from napari_sa2va.gui.timeline_look import look_of, qcolor

_INSET_PX = 3
_STRENGTH = 0.45  # of the colour, that figures on it stay easy to read


class BarDelegate(QStyledItemDelegate):
    """For the column of progress."""

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Draw one cell; nothing where nothing is known."""
        look = look_of(option.palette)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, option.palette.highlight())
        row = index.data(ROW_ROLE)
        if row is None or row.share is None:
            return
        place = QRectF(option.rect).adjusted(_INSET_PX, _INSET_PX, -_INSET_PX, -_INSET_PX)
        done = QRectF(place)
        done.setWidth(place.width() * row.share)
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(place, qcolor(look.track))
        painter.fillRect(done, qcolor(mix(look.track, state_color(row.state, look), _STRENGTH)))
        painter.setPen(qcolor(look.ink))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, f"{row.share:.0%}")
        painter.restore()
