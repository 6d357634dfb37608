"""Docks that would share the height of the window are tabs of one place, where each has all of it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_TOGETHER = ("napari_sa2va_sentence_dock", "napari_sa2va_batch_dock")
_WAS_SHOWN = "napari_sa2va_was_shown"


def keep_together(dock: QWidget, event: QEvent) -> None:
    """Make a dock a tab beside the other one when it is shown for the first time.

    Where it is put later is for people to say.

    Parameters
    ----------
    dock : QWidget
        Its object name is one of those above.
    event : QEvent
        Any that the dock gets.
    """
    if event.type() == QEvent.Type.Show and not dock.property(_WAS_SHOWN):
        dock.setProperty(_WAS_SHOWN, True)
        _join(dock)


def place_of(widget: QWidget) -> QDockWidget | None:
    """The dock of napari's window in which a widget is, if it is in one."""
    place: Any = widget
    while place is not None and not isinstance(place, QDockWidget):
        place = place.parentWidget()
    return place


def _join(dock: QWidget) -> None:
    ours = place_of(dock)
    window = None if ours is None else ours.parentWidget()
    if ours is None or not isinstance(window, QMainWindow):
        return
    for other in (window.findChild(QWidget, name) for name in _TOGETHER):
        theirs = None if other is None else place_of(other)
        if theirs is None or theirs is ours or not theirs.isVisible() or theirs.isFloating():
            continue
        is_beside = window.dockWidgetArea(theirs) == window.dockWidgetArea(ours)
        if is_beside and theirs not in window.tabifiedDockWidgets(ours):
            window.tabifyDockWidget(theirs, ours)
            ours.raise_()
