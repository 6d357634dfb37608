"""The timeline under napari's canvas: lanes or a plot over all frames, and what is doubtful.

It draws an `analysis.timeline.Timeline` and says what the user wants. It changes no mask, and knows
nothing of napari.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QContextMenuEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QGridLayout, QLabel, QScrollBar, QVBoxLayout, QWidget

from napari_sa2va.gui.timeline_canvas import Sight, TimelineCanvas
from napari_sa2va.gui.timeline_curves import SCORE, titles_of
from napari_sa2va.gui.timeline_geometry import TimeAxis
from napari_sa2va.gui.timeline_header import HeaderState, TimelineHeader
from napari_sa2va.gui.timeline_index import TimelineIndex
from napari_sa2va.gui.timeline_keys import Deed, deed_of
from napari_sa2va.gui.timeline_lanes import TimelineLanes
from napari_sa2va.gui.timeline_look import look_of, qcolor
from napari_sa2va.gui.timeline_menu import TimelineMenu
from napari_sa2va.gui.timeline_plot import TimelinePlot
from napari_sa2va.gui.timeline_ruler import TimelineRuler
from napari_sa2va.gui.timeline_words import EMPTY, counts_text, description, doubts_text

if TYPE_CHECKING:
    from napari_sa2va.analysis.timeline import Doubt, Timeline

_RIGHT_PX = 6
_PER_FRAME = 10  # steps of the scroll bar, which counts in whole numbers
_GAP_PX = 3
_BAR_PX = 15  # of the scroll bar, which does not know before it is first shown
_ZOOM = 1.5  # of one key


class TimelineView(QWidget):
    """Lanes, plot, and the row of buttons over them.

    The cursor and the selected object move at once when the user moves them; the marks only change
    with the next `set_timeline`.
    """

    frame_chosen = Signal(int)
    object_chosen = Signal(int)
    review_toggled = Signal(int)
    lock_toggled = Signal(int, int)  # object id, frame
    curve_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._index: TimelineIndex | None = None
        self._axis: TimeAxis | None = None
        self._frame = 0
        self._selected: int | None = None
        self._title = SCORE
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Timeline")
        self.header = TimelineHeader()
        self.ruler = TimelineRuler(self)
        self.lanes = TimelineLanes(self)
        self.plot = TimelinePlot(self)
        self.plot.hide()
        self.empty = QLabel(EMPTY)
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.down_bar = QScrollBar(Qt.Orientation.Vertical)
        self.along_bar = QScrollBar(Qt.Orientation.Horizontal)
        for bar, name in ((self.down_bar, "Scroll objects"), (self.along_bar, "Scroll frames")):
            bar.setAccessibleName(name)
            bar.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._lay_out()
        self._connect()
        self._refresh()

    def set_timeline(self, timeline: Timeline | None) -> None:
        """Show other data; zoom and cursor stay while the movie has the same length.

        Parameters
        ----------
        timeline : Timeline or None
            None shows what will be seen here.
        """
        known = timeline is not None and timeline.num_frames > 0 and timeline.lanes
        self._index = TimelineIndex(timeline) if timeline is not None and known else None
        if self._index is None:
            self._axis = None
        elif self._axis is None or self._axis.num_frames != self._index.num_frames:
            self._axis = TimeAxis.whole(self._index.num_frames, 0, 1)
        self._offer_curves()
        self._refresh()

    def set_frame(self, frame: int) -> None:
        """Move the cursor, and scroll to it where zoomed in; says nothing."""
        if frame == self._frame:
            return
        self._frame = frame
        if self._axis is not None:
            self._axis = self._axis.showing(self._frame_shown(self._axis.num_frames))
        self._refresh()

    def set_selected(self, object_id: int | None) -> None:
        """Mark an object as selected, and scroll to its lane; says nothing."""
        if object_id == self._selected:
            return
        self._selected = object_id
        self._refresh()
        row = None if self._index is None else self._index.rows.get(object_id or 0)
        if row is not None:
            self.down_bar.setValue(self.lanes.rows.scroll_to(row, self.lanes.height()))

    def set_curve(self, title: str) -> None:
        """Choose what is plotted; a title that comes later is waited for. Says nothing."""
        self._title = title
        self._offer_curves()

    def show_plot(self, shown: bool = True) -> None:
        """Show the plot, or the lanes."""
        button = self.header.plot_button if shown else self.header.lanes_button
        button.setChecked(True)

    def sizeHint(self) -> QSize:
        """Room for three objects and the scroll bar, so that nothing moves when they come."""
        parts = (self.header, self.ruler, self.lanes)
        height = sum(part.sizeHint().height() for part in parts) + 3 * _GAP_PX + _BAR_PX
        return QSize(600, height)

    @property
    def frame(self) -> int:
        """Frame of the cursor."""
        return self._frame

    @property
    def selected(self) -> int | None:
        """Object id of the selected object."""
        return self._selected

    @property
    def curve(self) -> str:
        """Title of what is plotted."""
        return self.plot.title

    @property
    def time_axis(self) -> TimeAxis | None:
        """Which frames are on view, and where; None while empty."""
        return self._axis

    def menu_for(self, frame: int | None, object_id: int | None) -> TimelineMenu | None:
        """The context menu of a frame and an object, either of which may be None; None if empty."""
        if self._index is None or self._axis is None:
            return None
        menu = TimelineMenu(self._index, frame, object_id, self)
        menu.later_action.setEnabled(self._next(backward=False) is not None)
        menu.earlier_action.setEnabled(self._next(backward=True) is not None)
        menu.whole_action.setEnabled(not self._axis.is_whole)
        menu.lock_wanted.connect(self.lock_toggled)
        menu.review_wanted.connect(self.review_toggled)
        menu.jump_wanted.connect(self._jump)
        menu.whole_wanted.connect(self._show_all)
        return menu

    def event(self, event: QEvent) -> bool:
        """Keep the keys of the timeline from being taken for shortcuts of the window."""
        if event.type() == QEvent.Type.ShortcutOverride and self._is_ours(event):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Do what the key asks for, and leave other keys to napari."""
        deed = deed_of(event)
        if deed is None or self._index is None or self._axis is None:
            super().keyPressEvent(event)
            return
        self._do(deed, self._index, self._axis)
        event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done where the mouse is, or at the cursor if a key asks for it."""
        if self._index is None:
            return
        frame: int | None = self._frame_shown(self._index.num_frames)
        object_id = self._selected
        if event.reason() == QContextMenuEvent.Reason.Mouse:
            canvas = self.childAt(event.pos())
            if not isinstance(canvas, TimelineCanvas):
                return
            place = QPointF(canvas.mapFrom(self, event.pos()))
            frame, object_id = canvas.frame_at(place), canvas.object_at(place)
        menu = self.menu_for(frame, object_id)
        if menu is not None:
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(event.globalPos())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a frame while the keys go here."""
        painter = QPainter(self)
        look = look_of(self.palette())
        painter.fillRect(self.rect(), qcolor(look.paper))
        if self.hasFocus():
            painter.setPen(QPen(qcolor(look.muted), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _is_ours(self, event: QEvent) -> bool:
        return isinstance(event, QKeyEvent) and self._index is not None and bool(deed_of(event))

    def _lay_out(self) -> None:
        self._body = QWidget()
        body = QGridLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(0)
        body.addWidget(self.ruler, 0, 0)
        body.addWidget(self.lanes, 1, 0)
        body.addWidget(self.plot, 1, 0)
        body.addWidget(self.down_bar, 1, 1)
        body.addWidget(self.along_bar, 2, 0)
        body.setRowStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_GAP_PX, _GAP_PX, _GAP_PX, _GAP_PX)
        layout.setSpacing(_GAP_PX)
        layout.addWidget(self.header)
        layout.addWidget(self._body, 1)
        layout.addWidget(self.empty, 1)

    def _connect(self) -> None:
        for canvas in (self.ruler, self.lanes, self.plot):
            canvas.frame_picked.connect(self._choose_frame)
            canvas.zoom_wanted.connect(self._zoom)
            canvas.scroll_wanted.connect(self._scroll)
        self.ruler.resized.connect(self._refresh)
        self.lanes.resized.connect(self._refresh_bars)
        self.lanes.object_picked.connect(self._choose_object)
        self.lanes.lock_wanted.connect(self.lock_toggled)
        self.down_bar.valueChanged.connect(self.lanes.set_scroll)
        self.along_bar.valueChanged.connect(self._pan_to)
        self.header.view_changed.connect(self._refresh)
        self.header.curve_chosen.connect(self._choose_curve)
        self.header.jump_wanted.connect(self._jump)
        self.header.review_clicked.connect(self._toggle_review)
        self.header.lock_clicked.connect(self._toggle_lock)

    def _do(self, deed: Deed, index: TimelineIndex, axis: TimeAxis) -> None:
        frame, last = self._frame_shown(index.num_frames), index.num_frames - 1
        places = {"back": max(frame - 1, 0), "on": min(frame + 1, last), "first": 0, "last": last}
        if deed in places:
            if places[deed] != self._frame:
                self._choose_frame(places[deed])
        elif deed in ("up", "down"):
            self._step_object(index, -1 if deed == "up" else 1)
        elif deed in ("doubt", "doubt before"):
            self._jump(deed == "doubt before")
        elif deed in ("closer", "wider"):
            self._zoom(_ZOOM if deed == "closer" else 1 / _ZOOM, axis.x_of(frame + 0.5))
        elif deed == "review":
            self._toggle_review()
        else:
            self._toggle_lock()

    def _step_object(self, index: TimelineIndex, step: int) -> None:
        row = index.rows.get(self._selected or 0)
        there = (0 if step > 0 else len(index.lanes) - 1) if row is None else row + step
        if 0 <= there < len(index.lanes):
            self._choose_object(index.lanes[there].object_id)

    def _choose_frame(self, frame: int) -> None:
        self.set_frame(frame)
        self.frame_chosen.emit(frame)

    def _choose_object(self, object_id: int) -> None:
        self.set_selected(object_id)
        self.object_chosen.emit(object_id)

    def _choose_curve(self, title: str) -> None:
        self.set_curve(title)
        self.curve_chosen.emit(title)

    def _jump(self, backward: bool) -> None:
        """Go to the next doubtful frame, and choose the object in doubt."""
        doubt = self._next(backward)
        if doubt is None or self._index is None:
            return
        self._choose_frame(doubt.frame)
        doubtful = {each.object_id for each in self._index.doubts_at(doubt.frame)}
        if self._selected not in doubtful:
            self._choose_object(doubt.object_id)

    def _toggle_review(self) -> None:
        self._refresh_header()  # the box shows what is, not what was asked for
        if self._index is not None:
            self.review_toggled.emit(self._frame_shown(self._index.num_frames))

    def _toggle_lock(self) -> None:
        self._refresh_header()
        lane = None if self._index is None else self._index.lane(self._selected)
        if self._index is not None and lane is not None:
            self.lock_toggled.emit(lane.object_id, self._frame_shown(self._index.num_frames))

    def _next(self, backward: bool) -> Doubt | None:
        """The next doubt that nobody has looked at."""
        if self._index is None:
            return None
        timeline = self._index.timeline
        doubt = timeline.next_doubtful(self._frame, backward=backward)
        while doubt is not None and doubt.frame in timeline.reviewed:
            doubt = timeline.next_doubtful(doubt.frame, backward=backward)
        return doubt

    def _frame_shown(self, num_frames: int) -> int:
        return min(max(self._frame, 0), num_frames - 1)

    def _zoom(self, factor: float, around_x: float) -> None:
        if self._axis is not None:
            self._axis = self._axis.zoomed(factor, around_x)
            self._refresh()

    def _scroll(self, right: float, down: float) -> None:
        """Scroll the lanes where there are more than fit, else along the movie."""
        if self._axis is None:
            return
        if down and self.down_bar.isVisible():
            self.down_bar.setValue(self.down_bar.value() + round(down))
            down = 0.0
        self._axis = self._axis.panned((right or down) / self._axis.px_per_frame)
        self._refresh()

    def _pan_to(self, value: int) -> None:
        if self._axis is not None:
            self._axis = self._axis.panned(value / _PER_FRAME - self._axis.first)
            self._refresh()

    def _show_all(self) -> None:
        if self._axis is not None:
            self._axis = TimeAxis.whole(self._axis.num_frames, 0, 1)
            self._refresh()

    def _offer_curves(self) -> None:
        titles = titles_of(self._index.timeline if self._index is not None else None)
        shown = self._title if self._title in titles else SCORE
        self.header.set_titles(titles, shown)
        if shown != self.plot.title:
            self.plot.set_title(shown)

    def _refresh(self) -> None:
        """Hand on what is to be seen."""
        filled, plotted = self._index is not None, self.header.plot_button.isChecked()
        self.empty.setVisible(not filled)
        self.header.setVisible(filled)
        self._body.setVisible(filled)
        self.lanes.setVisible(not plotted)
        self.plot.setVisible(plotted)
        sight, frame = None, self._frame
        if self._index is not None and self._axis is not None:
            width = self.ruler.width()
            names = self.lanes.names_px([lane.name for lane in self._index.lanes], width)
            self._axis = self._axis.placed(names, width - names - _RIGHT_PX)
            frame = self._frame_shown(self._index.num_frames)
            sight = Sight(self._index, self._axis, frame, self._selected)
        for canvas in (self.ruler, self.lanes, self.plot):
            canvas.set_sight(sight)
        self.lanes.updateGeometry()
        self._refresh_bars()
        self._refresh_header()
        self.setAccessibleDescription(description(self._index, frame, self._selected))

    def _refresh_bars(self) -> None:
        rows, height = self.lanes.rows, self.lanes.height()
        over = max(rows.count * rows.height - height, 0)
        self.down_bar.setRange(0, over)
        self.down_bar.setPageStep(height)
        self.down_bar.setSingleStep(rows.height)
        self.down_bar.setVisible(over > 0 and not self.lanes.isHidden())
        axis = self._axis
        self.along_bar.setVisible(axis is not None and not axis.is_whole)
        if axis is not None:
            with QSignalBlocker(self.along_bar):
                self.along_bar.setRange(0, round((axis.num_frames - axis.span) * _PER_FRAME))
                self.along_bar.setPageStep(round(axis.span * _PER_FRAME))
                self.along_bar.setSingleStep(max(round(axis.span * _PER_FRAME / 20), 1))
                self.along_bar.setValue(round(axis.first * _PER_FRAME))

    def _refresh_header(self) -> None:
        index = self._index
        if index is None:
            self.header.show_state(HeaderState(), enabled=False)
            return
        frame = self._frame_shown(index.num_frames)
        lane = index.lane(self._selected)
        state = HeaderState(
            counts=counts_text(index),
            doubts=doubts_text(index, frame),
            earlier=self._next(backward=True) is not None,
            later=self._next(backward=False) is not None,
            reviewed=bool(index.reviewed[frame]),
            locked=None if lane is None else bool(lane.locked[frame]),
        )
        self.header.show_state(state)
