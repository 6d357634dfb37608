"""A message inside the dock: what happened, what to do, and the details to copy."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.flag_names import without_flags


class MessageBox(QFrame):
    """Hidden until there is something to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._details = self._text = ""
        self._icon = QLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.RichText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._copy = QPushButton("Copy details")
        self._copy.setToolTip("Copy the message with all that is known of the error.")
        self._copy.clicked.connect(self._copy_details)
        self._close = QPushButton("Dismiss")
        self._close.setToolTip("Hide this message.")
        self._close.clicked.connect(self.hide)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self._copy)
        buttons.addWidget(self._close)
        text = QVBoxLayout()
        text.addWidget(self.label)
        text.addLayout(buttons)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self._icon)
        layout.addLayout(text, 1)
        self.hide()

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        """Show what went wrong."""
        self._show(QStyle.StandardPixmap.SP_MessageBoxWarning, message, hint, details)

    def show_note(self, message: str, hint: str) -> None:
        """Show something worth knowing, below what is on show."""
        message, hint = without_flags(message), without_flags(hint)
        earlier = self.text()
        if earlier:
            self._text = f"{earlier}\n{message} {hint}".strip()
            self.label.setText(f"{self.label.text()}<br>{_marked(message, hint)}")
            return
        self._show(QStyle.StandardPixmap.SP_MessageBoxInformation, message, hint, "")

    def text(self) -> str:
        """The words on show, without marks; empty while hidden."""
        return "" if self.isHidden() else self._text

    def _show(self, icon: QStyle.StandardPixmap, message: str, hint: str, details: str) -> None:
        message, hint = without_flags(message), without_flags(hint)
        self._details = details
        self._text = f"{message} {hint}".strip()
        size = self.fontMetrics().height() + 4
        self._icon.setPixmap(self.style().standardIcon(icon).pixmap(size, size))
        self.label.setText(_marked(message, hint))
        self._copy.setVisible(bool(details))
        self.setVisible(True)

    def _copy_details(self) -> None:
        QApplication.clipboard().setText(f"{self._text}\n\n{self._details}")


def _marked(message: str, hint: str) -> str:
    words = f"<b>{html.escape(message)}</b>"
    return f"{words}<br>{html.escape(hint)}" if hint else words
