"""The dock "Measure objects over time": what the tab Measure does, in a dock of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.measure_panel import MeasurePanel
from napari_sa2va.gui.scrolling import scrolling

if TYPE_CHECKING:
    from napari.viewer import Viewer

_NARROWEST_PX = 300


class MeasureDock(QWidget):
    """Measures and scores the masks that are worked on.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.setObjectName("napari_sa2va_measure_dock")
        self.bench = Bench(napari_viewer)
        self.measure = MeasurePanel(self.bench)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(scrolling(self.measure))
        self.setMinimumWidth(_NARROWEST_PX)

    def event(self, event: QEvent) -> bool:
        """Let go when the dock is closed: napari then takes this widget out of its window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.measure.close_down()
                self.bench.unwatch()
                self.bench.take(None)
            else:
                self.measure.watch()
                self.bench.watch()
        return super().event(event)
