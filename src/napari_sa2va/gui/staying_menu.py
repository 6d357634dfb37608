"""A menu of boxes to check that stays open while they are checked."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QMenu


class StayingMenu(QMenu):
    """Closes by Escape, or a click beside it."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Check a box."""
        if not self._check(self.activeAction()):
            super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Check a box with the space bar."""
        if event.key() != Qt.Key.Key_Space or not self._check(self.activeAction()):
            super().keyPressEvent(event)

    @staticmethod
    def _check(action: QAction | None) -> bool:
        if action is None or not action.isCheckable():
            return False
        if action.isEnabled():
            action.trigger()
        return True
