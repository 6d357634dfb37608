"""Says under the Run button what the run will take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QStyle, QWidget

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.gui.forms import quiet_label
from napari_sa2va.gui.request import Failed
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.pipeline.estimate import Estimate


@dataclass(frozen=True)
class RunSize:
    """What is set up to be run, as far as it decides what that will take.

    Attributes
    ----------
    settings : RunSettings
    num_frames, height, width : int
        Of the clip; of a frame in px.
    num_sentences : int
        0 counts as one.
    planes : int
        How many planes are followed, each through all frames.
    """

    settings: RunSettings
    num_frames: int
    height: int
    width: int
    num_sentences: int = 1
    planes: int = 1


def estimates(size: RunSize, cancel: CancelToken) -> Iterator[Estimate]:
    """Estimate what a run will take: the source of a worker."""
    from napari_sa2va.pipeline.estimate import foretell

    yield foretell(
        size.settings,
        num_frames=size.num_frames,
        height=size.height,
        width=size.width,
        num_sentences=max(size.num_sentences, 1),
        planes=size.planes,
    )


class EstimateLabel(QWidget):
    """One or two lines; hidden while there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon = QLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        size = self.fontMetrics().height()
        icon = self.style().standardIcon(QStyle.StandardPixmap.SP_MessageBoxWarning)
        self._icon.setPixmap(icon.pixmap(size, size))
        self._words = quiet_label()
        self._words.setAccessibleName("What the run will take")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._icon)
        layout.addWidget(self._words, 1)
        self.hide()

    @property
    def warns(self) -> bool:
        """Whether something stands in the way of the run."""
        return not self._icon.isHidden()

    def text(self) -> str:
        """The words on show; empty while hidden."""
        return "" if self.isHidden() else self._words.text()

    def take(self, said: Estimate | Failed | None) -> None:
        """Show an estimate, or why there is none; None if nothing is set up."""
        if said is None:
            self.hide()
            return
        if isinstance(said, Failed):
            self._show(f"{said.message} {said.hint}".strip(), said.details, warns=True)
        elif said.shortage:
            self._show(f"{said.shortage} {said.hint}".strip(), said.words, warns=True)
        else:
            self._show(said.words, "", warns=False)

    def _show(self, words: str, tip: str, *, warns: bool) -> None:
        self._words.setText(words)
        self._words.setToolTip(tip)
        self._icon.setVisible(warns)
        self.show()
