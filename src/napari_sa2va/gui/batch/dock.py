"""The dock "Batch over many movies": movies and how far they are, and a review of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_sa2va.gui.batch.panel import BatchPanel
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.docks_together import keep_together, place_of
from napari_sa2va.gui.review.panel import ReviewPanel
from napari_sa2va.gui.scrolling import scrolling

if TYPE_CHECKING:
    from napari.viewer import Viewer

_NARROWEST_PX, _USUAL_PX = 300, QSize(440, 720)


class BatchDock(QWidget):
    """Runs sentences over many movies, in programs of their own, and looks through what they found.

    Closing it, or napari, stops nothing.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.setObjectName("napari_sa2va_batch_dock")
        self._viewer = napari_viewer
        self.movies = BatchPanel(napari_viewer, self._find_dock)
        self.review = ReviewPanel(
            napari_viewer, lambda: self.movies.controller.path, self._open_dock
        )
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)  # a line above the tabs, in napari's style
        self.tabs.tabBar().setExpanding(True)
        for title, part, tip in (
            ("Movies", self.movies, "Which movies, what to find in them, and how far that is."),
            (
                "Review",
                scrolling(self.review),
                "Look through the results, and accept, redo or edit them.",
            ),
        ):
            self.tabs.addTab(part, title)
            self.tabs.setTabToolTip(self.tabs.count() - 1, tip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.tabs)
        self.setMinimumWidth(_NARROWEST_PX)
        self.movies.review_clicked.connect(self.begin_review)

    def begin_review(self) -> None:
        """Look through the results of the batch on show."""
        self.tabs.setCurrentIndex(1)
        if not self.review.controller.is_on:
            self.review.begin_or_end()

    def sizeHint(self) -> QSize:
        """Room for the table."""
        return _USUAL_PX

    def _find_dock(self) -> SentenceDock | None:
        """The dock in which sentences are typed, if it is open in this window."""
        top: Any = self
        while top.parentWidget() is not None:  # a dock that floats is a window, but not this one
            top = top.parentWidget()
        found: SentenceDock | None = top.findChild(SentenceDock)
        return found

    def _open_dock(self) -> SentenceDock:
        """The same; it is opened if it is not open."""
        dock = self._find_dock()
        if dock is None:
            dock = SentenceDock(self._viewer)
            self._viewer.window.add_dock_widget(dock, name="Segment by sentence", tabify=True)
        place = place_of(dock)
        if place is not None:
            place.raise_()  # it may lie behind this one
        return dock

    def event(self, event: QEvent) -> bool:
        """Let go when the dock is closed: napari then takes this widget out of its window."""
        keep_together(self, event)
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.movies.close_down()
                self.review.close_down()
            else:
                self.movies.watch()
                self.review.watch()
        return super().event(event)
