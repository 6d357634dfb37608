"""What the keys do on the timeline. Letters hold with and without Shift, whatever the layout."""

from __future__ import annotations

from typing import Literal

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent

Deed = Literal[
    "back", "on", "first", "last", "up", "down", "doubt", "doubt before", "review", "lock",
    "closer", "wider",
]  # fmt: skip
"""What a key asks for."""

_KEYS: dict[int, Deed] = {
    Qt.Key.Key_Left: "back",
    Qt.Key.Key_Right: "on",
    Qt.Key.Key_Home: "first",
    Qt.Key.Key_End: "last",
    Qt.Key.Key_Up: "up",
    Qt.Key.Key_Down: "down",
    Qt.Key.Key_N: "doubt",
    Qt.Key.Key_R: "review",
    Qt.Key.Key_L: "lock",
    Qt.Key.Key_Plus: "closer",
    Qt.Key.Key_Equal: "closer",  # where + needs Shift
    Qt.Key.Key_Minus: "wider",
}
_OTHER_MODIFIERS = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


def deed_of(event: QKeyEvent) -> Deed | None:
    """What a key asks for; None for the keys of others."""
    if event.modifiers() & _OTHER_MODIFIERS:
        return None
    deed = _KEYS.get(Qt.Key(event.key()))
    if deed == "doubt" and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
        return "doubt before"
    return deed
