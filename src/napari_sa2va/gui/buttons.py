"""Buttons of the panels: a word, what it does, and no more room than the word needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QPushButton

_PADDING_PX = 12


def text_button(text: str, tip: str, clicked: Callable[[], Any] | None = None) -> QPushButton:
    """A button with a word on it.

    Parameters
    ----------
    text : str
    tip : str
        What it does; also for screen readers.
    clicked : callable, optional
        Called without arguments. The button keeps it alive, and with it the object of a method.
    """
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setAccessibleDescription(tip)
    # Qt asks for room that a word of this length never needs.
    made.setMinimumWidth(made.fontMetrics().horizontalAdvance(text) + _PADDING_PX)
    if clicked is not None:
        made.clicked.connect(lambda checked=False: clicked())
    return made
