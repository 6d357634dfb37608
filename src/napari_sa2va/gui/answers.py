"""What the model said to every sentence."""

from __future__ import annotations

import html

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QSizePolicy, QWidget

from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.gui.swatch import swatch

_HIGHEST_PX = 180


class AnswerList(QScrollArea):
    """One row per object: its colour, its sentence, the answer. As high as its rows, up to a limit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: dict[int, QLabel] = {}
        self._names: dict[int, str] = {}
        self._shown: list[QLabel] = []
        self._rows = QWidget()
        self._layout = QGridLayout(self._rows)
        self._layout.setContentsMargins(0, 0, 6, 0)
        self._layout.setColumnStretch(1, 1)
        self.setWidget(self._rows)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.hide()

    def sizeHint(self) -> QSize:
        """As high as the rows need at this width."""
        width = self.viewport().width() if self.isVisible() else self.width()
        return QSize(super().sizeHint().width(), min(self._height_at(width), _HIGHEST_PX))

    def minimumSizeHint(self) -> QSize:
        """Narrow, and as high as a row."""
        return QSize(60, min(self.sizeHint().height(), 3 * self.fontMetrics().lineSpacing()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrapped words need another height at another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def _height_at(self, width: int) -> int:
        if self._layout.hasHeightForWidth():
            return self._layout.totalHeightForWidth(width)
        return self._layout.sizeHint().height()

    def start_over(self, prompts: PromptSet) -> None:
        """List the objects of a new run, not answered yet."""
        for label in self._shown:
            self._layout.removeWidget(label)
            label.deleteLater()
        self._shown.clear()
        self._labels.clear()
        self._names = {p.object_id: p.name for p in prompts}
        for row, (object_id, name) in enumerate(self._names.items()):
            color = QLabel()
            color.setPixmap(swatch(object_id))
            color.setAlignment(Qt.AlignmentFlag.AlignTop)
            color.setContentsMargins(2, 3, 2, 0)
            label = QLabel()
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._layout.addWidget(color, row, 0)
            self._layout.addWidget(label, row, 1)
            self._labels[object_id] = label
            self._shown += [color, label]
            self._write(object_id, "…")
            label.setAccessibleName(name)
        self.show()

    def show_answer(self, object_id: int, answer: str, found: bool) -> None:
        """Show one answer; that nothing was found is said in so many words."""
        said = answer.strip()
        if found:
            self._write(object_id, html.escape(said) or "Found.")
        else:
            what = f" The model said: {html.escape(said)}" if said else ""
            self._write(object_id, f"<b>Not found.</b>{what}")

    def text(self, object_id: int) -> str:
        """The words of one row, without marks."""
        label = self._labels[object_id]
        return label.text().replace("<br>", "\n").replace("<b>", "").replace("</b>", "")

    def _write(self, object_id: int, words: str) -> None:
        name = html.escape(self._names[object_id])
        self._labels[object_id].setText(f"<i>{name}</i><br>{words}")
        self.updateGeometry()
