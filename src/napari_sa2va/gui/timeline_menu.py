"""The context menu of a place on the timeline."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QWidget

from napari_sa2va.gui.timeline_index import TimelineIndex


class TimelineMenu(QMenu):
    """What can be done with a frame and an object.

    Parameters
    ----------
    index : TimelineIndex
    frame : int or None
        None beside the strip.
    object_id : int or None
        None beside the lanes.
    parent : QWidget
    """

    lock_wanted = Signal(int, int)  # object id, frame
    review_wanted = Signal(int)
    jump_wanted = Signal(bool)  # backwards
    whole_wanted = Signal()

    def __init__(
        self, index: TimelineIndex, frame: int | None, object_id: int | None, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._frame = frame
        self._lane = index.lane(object_id)
        self._lock: QAction | None = None
        self._review: QAction | None = None
        if frame is not None and self._lane is not None:
            deed = "Unlock" if self._lane.locked[frame] else "Lock"
            self._lock = self.addAction(_plain(f"{deed} {self._lane.name!r} on frame {frame}"))
        if frame is not None:
            said = "not reviewed" if index.reviewed[frame] else "reviewed"
            self._review = self.addAction(f"Frame {frame} is {said}")
        self.addSeparator()
        self.later_action = self.addAction("Next doubtful frame")
        self.earlier_action = self.addAction("Previous doubtful frame")
        self.whole_action = self.addAction("Show all frames")
        # Not one lambda per action: PyQt never lets go of what they hold.
        self.triggered.connect(self._take)

    def _take(self, action: QAction) -> None:
        if action == self._lock and self._lane is not None and self._frame is not None:
            self.lock_wanted.emit(self._lane.object_id, self._frame)
        elif action == self._review and self._frame is not None:
            self.review_wanted.emit(self._frame)
        elif action == self.whole_action:
            self.whole_wanted.emit()
        else:
            self.jump_wanted.emit(action == self.earlier_action)


def _plain(text: str) -> str:
    """Words in which & is a letter and no mark for a key."""
    return text.replace("&", "&&")
