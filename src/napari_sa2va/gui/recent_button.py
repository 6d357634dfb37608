"""The small button at the box of sentences that offers the prompts of earlier runs."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QKeySequence, QShortcut, QTextCursor
from qtpy.QtWidgets import QMenu, QTextEdit, QToolButton, QWidget

from napari_sa2va.gui.preferences import change_preferences, preferences
from napari_sa2va.gui.recent import (
    forget_prompts,
    keep_prompt,
    recent_prompts,
    single_sentences,
)
from napari_sa2va.gui.request import sentences_in

_LONGEST = 60  # characters of an entry


class RecentButton(QToolButton):
    """Opens a menu, filled anew each time; also Alt+Down in the box.

    Parameters
    ----------
    edit : QTextEdit
        The box. A whole prompt replaces its text, a single sentence is added as one more line; its
        undo takes either back.

    Attributes
    ----------
    choices : QMenu
    """

    def __init__(self, edit: QTextEdit, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._edit = edit
        self.setText("Recent ▾")
        self.setToolTip("Prompts of earlier runs. (Alt+Down)")
        self.setAccessibleName("Recent prompts")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        # No menu of the button's own, whose mark the themes draw over its text.
        self.choices = QMenu(self)
        self.choices.setToolTipsVisible(True)
        self.clicked.connect(self.open)
        shortcut = QShortcut(QKeySequence("Alt+Down"), edit)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.open)

    def keep(self) -> None:
        """Keep what is in the box, which is being run."""
        keep_prompt(self._edit.toPlainText())

    def open(self) -> None:
        """Show the menu below the button, its right edge at the button's."""
        self.fill()
        left = self.width() - self.choices.sizeHint().width()
        self.choices.popup(self.mapToGlobal(QPoint(min(left, 0), self.height())))

    def fill(self) -> None:
        """List what is kept now."""
        menu = self.choices
        menu.clear()
        prompts = recent_prompts()
        for prompt in prompts:
            _add(menu, prompt, self.take)
        single = single_sentences(prompts)
        if single:
            menu.addSeparator()
            lines = menu.addMenu("Add a single sentence")
            lines.setToolTipsVisible(True)
            for line in single:
                _add(lines, line, self.add)
        if not prompts:
            menu.addAction("No prompts are kept").setEnabled(False)
        menu.addSeparator()
        keep = menu.addAction("Keep prompts")
        keep.setToolTip("On this machine. Off: all are forgotten, and no more are kept.")
        keep.setCheckable(True)
        keep.setChecked(preferences().keep_recent)
        keep.triggered.connect(_keep_from_now_on)
        clear = menu.addAction("Clear")
        clear.setToolTip("Forget all prompts.")
        clear.setEnabled(bool(prompts))
        clear.triggered.connect(forget_prompts)

    def take(self, prompt: str) -> None:
        """Put a whole prompt into the box."""
        cursor = QTextCursor(self._edit.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(prompt)
        self._edit.setFocus()

    def add(self, sentence: str) -> None:
        """Add a sentence as one more line."""
        cursor = QTextCursor(self._edit.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        # Behind a line that is empty already, no second one.
        begun = cursor.block().text().strip()
        cursor.insertText(f"\n{sentence}" if begun else sentence)
        self._edit.setFocus()


def _add(menu: QMenu, text: str, chosen: Callable[[str], None]) -> None:
    """Add an entry that is as long as a menu can bear, with the text in full as its tool tip."""
    lines = sentences_in(text)
    words = " · ".join(lines)
    if len(words) > _LONGEST:
        words = f"{words[: _LONGEST - 1]}…"
    action = menu.addAction(words.replace("&", "&&"))
    action.setToolTip("\n".join(lines))
    action.triggered.connect(lambda checked=False, text=text: chosen(text))


def _keep_from_now_on(wanted: bool) -> None:
    if not wanted:
        forget_prompts()
    change_preferences(keep_recent=wanted)
