"""The conversation on show: questions, answers with links, and a line to type in."""

from __future__ import annotations

import html

from qtpy.compat import isalive
from qtpy.QtCore import QTimer, QUrl, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.palette import color_of
from napari_sa2va.core.reply import Reply
from napari_sa2va.gui.message_box import MessageBox

_LINK = "object"


class TalkPanel(QWidget):
    """Implements `napari_sa2va.gui.talk_controller.TalkView`."""

    asked = Signal(str)
    cancelled = Signal()
    restarted = Signal()
    phrase_clicked = Signal(int, int)  # number of the answer, id of the object

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.transcript = QTextBrowser()
        self.transcript.setOpenLinks(False)
        self.transcript.setAccessibleName("Conversation")
        self.transcript.setPlaceholderText(
            "Ask about the picture,\nor name what to segment.\n\nClick a coloured phrase in an\n"
            "answer to select its label."
        )
        self.transcript.anchorClicked.connect(self._follow)
        self.line = QLineEdit()
        self.line.setAccessibleName("Question")
        self.line.setPlaceholderText("How many cells are there?")
        self.line.returnPressed.connect(self._ask)
        self.ask_button = QPushButton("Ask")
        self.ask_button.setToolTip("Ask this, or ask for the masks of what it names. (Enter)")
        self.ask_button.clicked.connect(self._ask)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop after the word or frame in work.")
        self.cancel_button.clicked.connect(self.cancelled)
        self.restart_button = QPushButton("Start over")
        self.restart_button.setToolTip("Forget what was said; masks stay.")
        self.restart_button.clicked.connect(self._restart)
        self.stage = QLabel()
        self.stage.setWordWrap(True)
        self.message = MessageBox()

        typing = QHBoxLayout()
        typing.addWidget(self.line, 1)
        typing.addWidget(self.ask_button)
        lower = QHBoxLayout()
        lower.addWidget(self.stage, 1)
        lower.addWidget(self.cancel_button)
        lower.addWidget(self.restart_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.transcript, 1)
        layout.addLayout(typing)
        layout.addLayout(lower)
        layout.addWidget(self.message)
        self.set_busy(False)

    def show_question(self, text: str, anew: bool) -> None:
        self.message.hide()
        if anew and not self.transcript.document().isEmpty():
            self.transcript.append("<p><i>What was said above is not heard from here on.</i></p>")
        self.transcript.append(f"<p><b>You:</b> {html.escape(text)}</p>")

    def show_reply(self, number: int, reply: Reply) -> None:
        self.transcript.append(f"<p><b>Model:</b> {_linked(number, reply)}</p>")
        self._scroll_down()

    def set_busy(self, busy: bool) -> None:
        for widget in (self.line, self.ask_button, self.restart_button):
            widget.setEnabled(not busy)
        self.cancel_button.setEnabled(busy)
        if not busy:
            self.line.setFocus()

    def show_stage(self, text: str) -> None:
        self.stage.setText(text)

    def show_note(self, message: str, hint: str) -> None:
        self.message.show_note(message, hint)

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        self.message.show_error(message, hint, details)
        # The message takes room from the transcript, but only when it is laid out.
        QTimer.singleShot(0, self._scroll_down)

    def _scroll_down(self) -> None:
        if not isalive(self):
            return
        bar = self.transcript.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _ask(self) -> None:
        text = " ".join(self.line.text().split())
        if text and self.line.isEnabled():
            self.line.clear()
            self.asked.emit(text)

    def _restart(self) -> None:
        self.transcript.clear()
        self.message.hide()
        self.restarted.emit()

    def _follow(self, url: QUrl) -> None:
        number, object_id = (int(part) for part in url.toString().split(":")[1:])
        self.phrase_clicked.emit(number, object_id)


def _linked(number: int, reply: Reply) -> str:
    """The answer as HTML, every phrase that has a mask as a link in its object's colour."""
    parts, end = [], 0
    for object_id, phrase in enumerate(reply.phrases, 1):
        colour = "#{:02x}{:02x}{:02x}".format(*color_of(object_id))
        words = reply.text[phrase.start : phrase.stop] or phrase.name
        parts.append(html.escape(reply.text[end : phrase.start]))
        parts.append(
            f'<a href="{_LINK}:{number}:{object_id}" style="color: {colour}">{html.escape(words)}</a>'
        )
        end = max(end, phrase.stop)
    return "".join(parts) + html.escape(reply.text[end:])
