"""What is known of the movie that is selected, with its last mask."""

from __future__ import annotations

import html

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QTextBrowser, QVBoxLayout, QWidget

from napari_sa2va.gui.batch.rows import MovieRow

_PICTURE_PX = 120
_LOWEST_PX, _USUAL_PX = 60, 124


class BatchDetails(QWidget):
    """A picture, and what is known in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = ""
        self.picture = _Picture()
        self.text = QTextBrowser()
        self.text.setAccessibleName("Details of the movie")
        self.text.setOpenLinks(False)
        self.text.setPlaceholderText("Select a movie to see more.")
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        side = QVBoxLayout()
        side.addWidget(self.picture)
        side.addStretch(1)
        layout.addLayout(side)
        layout.addWidget(self.text, 1)
        self.setMinimumHeight(_LOWEST_PX)
        self.show_row(None)

    def sizeHint(self) -> QSize:
        """As high as the picture."""
        return QSize(super().sizeHint().width(), _USUAL_PX)

    def show_row(self, row: MovieRow | None) -> None:
        """Show what is known; where one reads stays in view."""
        words = "" if row is None else _words(row)
        if row is None:
            self.picture.show_png(b"")
        if words != self._shown:
            self._shown = words
            at = self.text.verticalScrollBar().value()
            self.text.setHtml(words)
            self.text.verticalScrollBar().setValue(at)

    def show_picture(self, png: bytes) -> None:
        """Show the last mask; nothing if there is none."""
        self.picture.show_png(png)


class _Picture(QLabel):
    """A picture in a square, in its own proportions; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("The last mask")
        self.setToolTip("The frame that was done last, with its masks.")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFixedSize(QSize(_PICTURE_PX, _PICTURE_PX))
        self._png = b""
        self.hide()

    def show_png(self, png: bytes) -> None:
        """Show another picture."""
        if png == self._png:
            return
        self._png = png
        pixmap = QPixmap()
        is_one = bool(png) and pixmap.loadFromData(png)
        if is_one:
            sharp = self.devicePixelRatioF()
            pixmap = pixmap.scaled(
                self.size() * sharp,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
            pixmap.setDevicePixelRatio(sharp)
        self.setPixmap(pixmap)
        self.setVisible(is_one)


def _words(row: MovieRow) -> str:
    """A row as marked text: what went wrong first."""
    parts = [f"<b>{html.escape(row.movie)}</b> – {html.escape(row.words)}"]
    if row.planned:
        parts[0] += f", {row.done} of {row.planned} frames"
    if row.left:
        parts[0] += f", about {row.left} left"
    if row.cause:
        parts.append(f"<b>{html.escape(row.cause)}</b>")
        parts.append(html.escape(row.hint))
    parts += [f"<i>{html.escape(name)}:</i> {html.escape(value)}" for name, value in row.details]
    return "<br>".join(part for part in parts if part)
