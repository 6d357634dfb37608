"""The box for the sentences: one line, one object, with the object's colour at its left."""

from __future__ import annotations

from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QResizeEvent, QTextCursor
from qtpy.QtWidgets import QTextEdit, QWidget

from napari_sa2va.gui.swatch import qcolor_of

_MARGIN_PX = 20
_SWATCH_PX = 10
_EXAMPLES = """One object per line, for example:
the bright cell on the left
the cell that divides
all the small cells"""


class SentenceEdit(QTextEdit):
    """Plain text, a coloured square before every line that is not empty."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        self.setAccessibleName("Sentences")
        self.setToolTip(
            "Say what to find, one object per line. Each line becomes one label with its own "
            "colour and name.\nA name of up to three words may stand before a colon: "
            "nucleus: the round bright thing.\nCtrl+Enter runs."
        )
        self.setViewportMargins(_MARGIN_PX, 0, 0, 0)
        self._first_id = 1
        self._margin = _Margin(self)
        self.textChanged.connect(self._margin.update)
        self.verticalScrollBar().valueChanged.connect(self._margin.update)

    def set_first_id(self, object_id: int) -> None:
        """Show the colours that objects get from this id on: 1, unless they join others."""
        if object_id != self._first_id:
            self._first_id = object_id
            self._margin.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the margin beside the text."""
        super().resizeEvent(event)
        inside = self.contentsRect()
        self._margin.setGeometry(
            QRect(inside.left(), inside.top(), _MARGIN_PX, self.viewport().height())
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show examples while there is no text; Qt's own placeholder has one line only."""
        super().paintEvent(event)
        if not self.document().isEmpty():
            return
        painter = QPainter(self.viewport())
        color = self.palette().color(QPalette.ColorRole.Text)
        color.setAlphaF(0.6)
        painter.setPen(color)
        inset = int(self.document().documentMargin())
        area = self.viewport().rect().adjusted(inset, inset, -inset, 0)
        wrapped = Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
        painter.drawText(area, wrapped, _EXAMPLES)
        painter.end()

    def swatches(self) -> list[tuple[int, QColor]]:
        """Vertical centre of every sentence's first line, in px of the viewport, with its colour."""
        places: list[tuple[int, QColor]] = []
        block = self.document().begin()
        while block.isValid():
            if block.text().strip():
                rect = self.cursorRect(QTextCursor(block))
                places.append((rect.center().y(), qcolor_of(self._first_id + len(places))))
            block = block.next()
        return places


class _Margin(QWidget):
    """Paints the squares."""

    def __init__(self, edit: SentenceEdit) -> None:
        super().__init__(edit)
        self._edit = edit
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint one square per sentence."""
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        left = (self.width() - _SWATCH_PX) // 2
        for center, color in self._edit.swatches():
            painter.setBrush(color)
            painter.drawRoundedRect(left, center - _SWATCH_PX // 2, _SWATCH_PX, _SWATCH_PX, 2, 2)
        painter.end()
