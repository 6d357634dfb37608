"""What the marks of the timeline mean, shown by a small button with a question mark."""

from __future__ import annotations

from qtpy.QtCore import QBuffer, QByteArray, QEvent, QIODevice, QPoint, Qt
from qtpy.QtWidgets import QPushButton, QToolTip, QWidget

from napari_sa2va.gui.timeline_look import look_of, mark_pixmap

_MARKS = (
    ("warning", "doubtful: look here"),
    ("corrected", "corrected by you"),
    ("locked", "locked: never changes"),
    ("key", "key frame: the language model has seen it"),
    ("reviewed", "reviewed by you"),
)
_REST = (
    "The higher and fuller a bar, the surer the model is of the mask. A thin line: the object is "
    "absent. Hatched: no result yet. Where frames are narrower than a pixel, the worst is shown."
)
_KEYS = (
    ("Click, drag", "go to a frame"),
    ("Double click", "lock or unlock the object there"),
    ("Ctrl+wheel, +, −", "zoom; the wheel alone scrolls"),
    ("← →, Home, End", "step, first and last frame"),
    ("↑ ↓", "another object"),
    ("N, Shift+N", "next and previous doubtful frame"),
    ("R", "reviewed"),
    ("L", "lock"),
)
_SIDE_PX = 14


class LegendButton(QPushButton):
    """Tells the marks and the keys as its tool tip, and when it is pressed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText("?")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Marks and keys of the timeline")
        self.setAccessibleDescription(
            " ".join([f"{keys}: {does}." for keys, does in _KEYS] + [_REST])
        )
        self.clicked.connect(self._show)

    def event(self, event: QEvent) -> bool:
        """Tell it when the mouse rests here."""
        if event.type() == QEvent.Type.ToolTip:
            self._show()
            return True
        return bool(super().event(event))

    def legend(self) -> str:
        """Marks and keys as rich text, in the colours of the palette in use."""
        look = look_of(self.palette())
        marks = "".join(
            f"<tr><td><img src='{_data_url(name, look.ink if name != 'warning' else look.warning)}'>"
            f"</td><td>&nbsp;{words}</td></tr>"
            for name, words in _MARKS
        )
        keys = "".join(
            f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{d}</td></tr>" for key, d in _KEYS
        )
        return f"<table>{marks}</table><p>{_REST}<br></p><table>{keys}</table>"

    def _show(self) -> None:
        QToolTip.showText(self.mapToGlobal(QPoint(0, self.height())), self.legend(), self)


def _data_url(name: str, color: tuple[int, int, int]) -> str:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    mark_pixmap(name, color, side_px=_SIDE_PX).save(buffer, "PNG")
    buffer.close()
    return f"data:image/png;base64,{bytes(data.toBase64().data()).decode()}"
