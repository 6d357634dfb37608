"""The button that takes over the Labels layer that is active, if its masks are nobody's yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.adopt import Adoption, Looked
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.worker import RunHandle, start_work
from napari_sa2va.gui.workspace import workspace_of
from napari_sa2va.project.steps.given import Given

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes

_WIDEST_PX = 220


class AdoptButton(QPushButton):
    """Is there only while there is something to take over.

    Parameters
    ----------
    bench : Bench
        Takes what was taken over.
    image : callable
        Returns the image that is chosen, with its axes and what plays; None if there is none.
    """

    refused = Signal(str, str)  # message, hint

    def __init__(
        self, bench: Bench, image: Callable[[], tuple[Image, LayerAxes, AxisChoice] | None]
    ) -> None:
        super().__init__()
        self._bench = bench
        self._image = image
        self._work: RunHandle | None = None
        self.setToolTip("Make objects of the labels of this layer, to correct them.")
        self.clicked.connect(self.adopt)
        self.hide()

    def watch(self) -> None:
        """Follow the active layer from now on."""
        self.unwatch()
        self._bench.viewer.layers.selection.events.active.connect(self._offer)
        self._offer()

    def unwatch(self) -> None:
        """Hear nothing more of the viewer."""
        self._bench.viewer.layers.selection.events.active.disconnect(self._offer)

    def close_down(self) -> None:
        """Stop reading, and hear nothing more."""
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self.unwatch()

    def adopt(self) -> None:
        """Take over the Labels layer that is active."""
        layer = self._bench.viewer.layers.selection.active
        if not isinstance(layer, Labels) or self._work is not None:
            return
        try:
            adoption = Adoption(self._bench.viewer, layer, self._image())
        except Sa2vaError as error:
            self.refused.emit(error.message, error.hint)
            return
        self._work = start_work(adoption, self._take, _read)

    def _take(self, message: Looked | tuple[Adoption, Given] | Failed) -> None:
        if not isalive(self) or self._work is None:
            return
        if isinstance(message, Looked):
            self.setText(f"Reading frame {message.done} of {message.total} …")
            return
        self._work = None
        if isinstance(message, Failed):
            self.refused.emit(message.message, message.hint)
        else:
            adoption, step = message
            try:
                self._bench.take_adopted(adoption.finish(step))
            except Exception as error:
                failed = Failed.of(error)
                self.refused.emit(failed.message, failed.hint)
        self._offer()

    def _offer(self, event: Any = None) -> None:
        layer = self._bench.viewer.layers.selection.active
        can = isinstance(layer, Labels) and workspace_of(layer) is None
        self.setVisible(can)
        if can and layer is not None:
            text = f"Take over {layer.name!r}".replace("&", "&&")  # or it would mark a key
            elide = Qt.TextElideMode.ElideMiddle
            self.setText(self.fontMetrics().elidedText(text, elide, _WIDEST_PX))


def _read(adoption: Adoption, cancel: CancelToken) -> Iterator[Looked | tuple[Adoption, Given]]:
    """Read the layer, on the worker's thread."""
    for message in adoption.read(cancel):
        yield message if isinstance(message, Looked) else (adoption, message)
