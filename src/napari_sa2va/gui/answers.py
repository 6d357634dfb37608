"""What the model said to every sentence."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.gui.swatch import swatch


class AnswerList(QWidget):
    """One row per object: its colour, its sentence, the answer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[int, _Row] = {}
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setColumnStretch(1, 1)
        self.hide()

    def start_over(self, prompts: PromptSet) -> None:
        """List the objects of a new run, not answered yet."""
        self._clear()
        for number, prompt in enumerate(prompts.objects):
            row = self._rows[prompt.object_id] = _Row(prompt.object_id, prompt.name)
            self._layout.addWidget(row.color, number, 0)
            self._layout.addWidget(row.words, number, 1)
        self.setVisible(bool(self._rows))

    def show_answer(self, object_id: int, answer: str, found: bool) -> None:
        """Show one answer; that nothing was found is said in so many words."""
        said = html.escape(answer.strip())
        if found:
            self._rows[object_id].answer(said or "Found.")
        else:
            self._rows[object_id].answer(
                "<b>Not found.</b>" + (f" The model said: {said}" if said else "")
            )

    def end(self) -> None:
        """No more answers come: a sentence that has none was not asked."""
        self.setVisible(any(row.answered for row in self._rows.values()))
        for row in self._rows.values():
            if not row.answered:
                row.answer("Not asked.")

    def text(self, object_id: int) -> str:
        """The words of one row, without marks."""
        words = self._rows[object_id].words.text().replace("<br>", "\n")
        for mark in ("<b>", "</b>", "<i>", "</i>"):
            words = words.replace(mark, "")
        return html.unescape(words)

    def _clear(self) -> None:
        for row in self._rows.values():
            for label in (row.color, row.words):
                self._layout.removeWidget(label)
                label.hide()  # it is deleted later, and would be seen until then
                label.deleteLater()
        self._rows = {}


class _Row:
    """The two labels of one object."""

    def __init__(self, object_id: int, name: str) -> None:
        self.answered = False
        self._name = html.escape(name)
        self.color = QLabel()
        self.color.setPixmap(swatch(object_id))
        self.color.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.color.setContentsMargins(2, 3, 2, 0)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setAccessibleName(name)
        self._write("…")

    def answer(self, words: str) -> None:
        self.answered = True
        self._write(words)

    def _write(self, words: str) -> None:
        self.words.setText(f"<i>{self._name}</i><br>{words}")
