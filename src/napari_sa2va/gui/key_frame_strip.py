"""The strip of key frames in the dock: where they are in the clip, and what the model will see.

The marks stand on a bar of our own. napari's sliders are the place for them, but nothing can be drawn
there by its public interface.
"""

from __future__ import annotations

import base64
import html

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QHelpEvent, QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.gui.forms import quiet_label
from napari_sa2va.gui.frame_bar import FrameBar
from napari_sa2va.gui.key_frames import Chosen, Picture
from napari_sa2va.gui.request import Failed

_ICON_PX = 48


class KeyFrameStrip(QWidget):
    """Shows what a `KeyFrameLooker` says; at most 110 px high.

    A click on the bar or on a picture, or Enter, asks for a frame.
    """

    asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = FrameBar()
        self.pictures = _PictureList()
        self.words = quiet_label()
        self.words.setAccessibleName("What the model will see")
        self._icon = QLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._icon.hide()
        below = QHBoxLayout()
        below.addWidget(self._icon)
        below.addWidget(self.words, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.bar)
        layout.addWidget(self.pictures)
        layout.addLayout(below)
        self.bar.asked.connect(self.asked)
        self.pictures.itemClicked.connect(self._ask)
        self.pictures.itemActivated.connect(self._ask)
        self.take(None)

    def take(self, said: Chosen | Picture | Failed | None) -> None:
        """Show what is known now; None if there is nothing to look at."""
        self.setVisible(said is not None)
        match said:
            case Chosen():
                self._begin(said)
            case Picture():
                self.pictures.show_picture(said)
            case Failed():
                self._show_failure(said)

    def set_position(self, frame: int | None) -> None:
        """Show where the viewer stands."""
        self.bar.set_position(frame)
        self.pictures.select(frame)

    def _begin(self, chosen: Chosen) -> None:
        self.bar.set_frames(chosen.num_frames, chosen.frames)
        self.bar.setVisible(chosen.num_frames > 1)
        self.pictures.begin(chosen.frames)
        self.pictures.show()
        self._icon.hide()
        self.words.setText(chosen.words)
        self.words.setToolTip("")

    def _show_failure(self, failed: Failed) -> None:
        """Say what is wrong with the set-up, before anybody presses Run."""
        self.bar.hide()
        self.pictures.hide()
        size = self.fontMetrics().height()
        icon = self.style().standardIcon(QStyle.StandardPixmap.SP_MessageBoxWarning)
        self._icon.setPixmap(icon.pixmap(size, size))
        self._icon.show()
        self.words.setText(f"{failed.message} {failed.hint}".strip())
        self.words.setToolTip(failed.details)

    def _ask(self, item: QListWidgetItem) -> None:
        self.asked.emit(item.data(Qt.ItemDataRole.UserRole))


class _PictureList(QListWidget):
    """Pictures side by side, each with the number of its frame below."""

    def __init__(self) -> None:
        super().__init__()
        self._large: dict[int, bytes] = {}
        self.setAccessibleName("Key frames as the model will see them")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setIconSize(QSize(_ICON_PX, _ICON_PX))
        self.setSpacing(0)

    def begin(self, frames: tuple[int, ...]) -> None:
        """Make room for the pictures of these frames; those that are there stay until then."""
        if [item.data(Qt.ItemDataRole.UserRole) for item in self._items()] == list(frames):
            return
        self.clear()
        self._large = {}
        blank = QPixmap(_ICON_PX, _ICON_PX)
        blank.fill(Qt.GlobalColor.transparent)
        for t in frames:
            item = QListWidgetItem(QIcon(blank), str(t))
            item.setData(Qt.ItemDataRole.UserRole, t)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"Key frame {t}")
            item.setTextAlignment(Qt.AlignmentFlag.AlignHCenter)
            self.addItem(item)
        self.updateGeometry()

    def show_picture(self, picture: Picture) -> None:
        """Put a picture into its place."""
        for item in self._items():
            if item.data(Qt.ItemDataRole.UserRole) == picture.frame:
                height, width = picture.small.shape[:2]
                image = QImage(
                    picture.small.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
                )
                pixmap = QPixmap.fromImage(image)  # copies
                icon = QIcon(pixmap)
                # Or the colour of the selection would lie over what the model sees.
                icon.addPixmap(pixmap, QIcon.Mode.Selected)
                item.setIcon(icon)
                item.setToolTip(picture.words)
                item.setData(Qt.ItemDataRole.AccessibleDescriptionRole, picture.words)
                self._large[picture.frame] = picture.large

    def select(self, frame: int | None) -> None:
        """Mark the picture of a frame; none if it is no key frame."""
        self.clearSelection()
        for item in self._items():
            if item.data(Qt.ItemDataRole.UserRole) == frame:
                item.setSelected(True)

    def viewportEvent(self, event: QEvent) -> bool:
        """Show a picture in its full size beside what is said of it."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            item = self.itemAt(event.pos())
            if item is not None:
                QToolTip.showText(event.globalPos(), self.rich_tip(item), self)
                return True
        return bool(super().viewportEvent(event))

    def rich_tip(self, item: QListWidgetItem) -> str:
        """The tool tip of an item, with the picture."""
        words = html.escape(item.toolTip())
        large = self._large.get(item.data(Qt.ItemDataRole.UserRole))
        if large is None:
            return words
        code = base64.b64encode(large).decode("ascii")
        return f'<p>{words}</p><img src="data:image/png;base64,{code}">'

    def sizeHint(self) -> QSize:
        """As high as a row of pictures, with a scroll bar where one is needed."""
        row = self.sizeHintForRow(0) if self.count() else _ICON_PX
        needed = sum(self.sizeHintForIndex(self.indexFromItem(i)).width() for i in self._items())
        bar = self.horizontalScrollBar().sizeHint().height() if needed > self.width() else 0
        return QSize(120, row + bar + 2 * self.frameWidth())

    def minimumSizeHint(self) -> QSize:
        """May be narrow, not low."""
        return QSize(60, self.sizeHint().height())

    def resizeEvent(self, event: object) -> None:
        """A scroll bar that comes or goes changes the height."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self.updateGeometry()

    def _items(self) -> list[QListWidgetItem]:
        return [self.item(row) for row in range(self.count())]
