"""A part of the dock that is as high as what it holds, up to a limit, and scrolls beyond it."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget


class FittingScroll(QScrollArea):
    """Parts one below the other; takes no room while all of them are hidden.

    Parameters
    ----------
    *parts : QWidget
    highest_px : int
        Beyond this height it scrolls.
    """

    def __init__(self, *parts: QWidget, highest_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts = parts
        self._highest_px = highest_px
        self._inside = QWidget()
        self._layout = QVBoxLayout(self._inside)
        self._layout.setContentsMargins(0, 0, 6, 0)
        for part in parts:
            self._layout.addWidget(part)
        self._layout.addStretch(1)
        self.setWidget(self._inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        # The widget inside asks for another layout whenever a part changes its words or hides.
        self._inside.installEventFilter(self)

    def set_highest(self, highest_px: int) -> None:
        """Scroll beyond another height."""
        if highest_px != self._highest_px:
            self._highest_px = highest_px
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """As high as the parts need at this width."""
        width = max(self.viewport().width(), 1)
        return QSize(super().sizeHint().width(), min(self._height_at(width), self._highest_px))

    def minimumSizeHint(self) -> QSize:
        """Narrow, and a few lines high."""
        return QSize(60, min(self.sizeHint().height(), 4 * self.fontMetrics().lineSpacing()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrapped words need another height at another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take another height when the parts do."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def _height_at(self, width: int) -> int:
        if all(part.isHidden() for part in self._parts):
            return 0
        # A theme's style sheet may put a frame around what has none.
        frame = self.contentsMargins().top() + self.contentsMargins().bottom()
        if self._layout.hasHeightForWidth():
            return int(self._layout.totalHeightForWidth(width)) + frame
        return int(self._layout.sizeHint().height()) + frame
