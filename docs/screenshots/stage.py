"""A viewer with the docks in it, as on a laptop, and what a person does there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from screenshots.pictures import save, save_widget

if TYPE_CHECKING:
    from napari.layers import Layer
    from qtpy.QtWidgets import QWidget

    from napari_sa2va.gui.correct_panel import CorrectPanel
    from napari_sa2va.gui.measure_panel import MeasurePanel
    from napari_sa2va.gui.timeline_view import TimelineView
    from napari_sa2va.gui.worker import Source
    from napari_sa2va.gui.workspace import Workspace

SIZE = (1366, 768)
PATIENCE_S = 900
_TIMELINE_PX = 190  # of height: room for four lanes


class Stage:
    """A viewer, the dock "Segment by sentence", and the timeline once it is asked for.

    Parameters
    ----------
    source : callable, optional
        What turns a request into messages; by default the pipeline.
    theme : {"dark", "light"}
    """

    def __init__(self, source: Source | None = None, theme: str = "dark") -> None:
        import napari

        from napari_sa2va.gui.dock import SentenceDock
        from napari_sa2va.gui.request import messages_of

        self.viewer = napari.Viewer()
        self.viewer.theme = theme
        self.window: Any = self.viewer.window._qt_window
        self.dock = SentenceDock(self.viewer, source or messages_of)
        self.viewer.window.add_dock_widget(self.dock, name="Segment by sentence", area="right")
        self.window.resize(*SIZE)
        settle()

    # What there is

    @property
    def workspace(self) -> Workspace:
        """The masks that are worked on."""
        found = self.dock.bench.workspace
        assert found is not None
        return found

    @property
    def correct(self) -> CorrectPanel:
        """The tab "Correct"."""
        return self.dock.correct

    @property
    def measure(self) -> MeasurePanel:
        """The tab "Measure"."""
        return self.dock.measure

    @property
    def timeline(self) -> TimelineView:
        """The timeline, brought up to date."""
        from napari_sa2va.gui.timeline_dock import TimelineDock

        found = self.window.findChild(TimelineDock)
        found.refresh()
        return found.view

    @property
    def frame(self) -> int | None:
        """The frame in view."""
        return self.workspace.frame_in_view

    # What a person does

    def open_sample(self) -> None:
        """Open the generated movie by its place in the menu."""
        self.viewer.open_sample("napari-sa2va", "generated_movie")
        settle()

    def open_timeline(self, height: int = _TIMELINE_PX) -> None:
        """Open the timeline by the button, and drag its upper edge."""
        from qtpy.QtCore import Qt
        from qtpy.QtWidgets import QDockWidget

        self.dock.timeline_button.click()
        settle()
        place: Any = self.timeline
        while not isinstance(place, QDockWidget):
            place = place.parentWidget()
        self.window.resizeDocks([place], [height], Qt.Orientation.Vertical)
        settle()
        self.viewer.reset_view()

    def show_tab(self, title: str) -> None:
        """Open a tab of the dock."""
        tabs = self.dock.tabs
        titles = [tabs.tabText(i) for i in range(tabs.count())]
        tabs.setCurrentIndex(titles.index(title))
        settle()

    def go_to(self, frame: int) -> None:
        """Move the slider."""
        self.viewer.dims.set_current_step(0, frame)
        settle()

    def choose(self, *names: str) -> None:
        """Click on objects in the list, all but the first with Ctrl held."""
        tree = self.correct.objects
        items = {tree.topLevelItem(i).text(0): i for i in range(tree.topLevelItemCount())}
        tree.clearSelection()
        tree.setCurrentItem(tree.topLevelItem(items[names[0]]))
        for name in names:
            tree.topLevelItem(items[name]).setSelected(True)
        settle()

    def ask(self, sentence: str) -> None:
        """Ask for the chosen object by another sentence."""
        self.correct.words.setText(sentence)
        self.correct.ask_button.click()
        self.wait_for_run()

    def add_mark(self, data: Sequence[float]) -> None:
        """Click with the tool that is on: (frame, y, x)."""
        marks: Any = self.viewer.layers.selection.active
        marks.add(np.array([data], float))
        self.wait_for_run()

    def drag_box(self, frame: int, y0: float, x0: float, y1: float, x1: float) -> None:
        """Drag a box with the tool that is on."""
        corners = [[frame, y0, x0], [frame, y0, x1], [frame, y1, x1], [frame, y1, x0]]
        shapes: Any = self.viewer.layers.selection.active
        shapes.add_rectangles(np.array(corners, float))
        settle()
        self.wait_for_run()

    def press_key(self, key: Any, *, shift: bool = False) -> None:
        """Press a key in the timeline."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        held = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        QTest.keyClick(self.timeline, key, held)
        settle()

    def wait_for_run(self) -> None:
        """Wait until nothing runs, and see to it that nothing went wrong."""
        wait(lambda: not self.dock.controller.running)
        settle()
        message = self.dock.panel.message.text()
        check(not message, f"a run would say nothing, but said: {message}")

    # What is to be seen

    def iou(self, object_id: int, frame: int, truth: np.ndarray) -> float:
        """Overlap J of an object with what is true, bool (Y, X)."""
        mask = self.workspace.project.state.mask(object_id, frame)
        return float((mask & truth).sum() / max((mask | truth).sum(), 1))

    def layer(self, name: str) -> Layer:
        """A layer by its name."""
        return self.viewer.layers[name]

    def take(self, name: str) -> None:
        """Save a picture of the whole window."""
        settle()
        save(Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)), name)

    def take_part(self, widget: QWidget, name: str) -> None:
        """Save a picture of a part of the window."""
        settle()
        save_widget(widget, name)


def check(so: bool, words: str) -> None:
    """Stop with a message if the documentation would not be true."""
    if not so:
        raise SystemExit(f"The documentation is not true: {words}")


def settle() -> None:
    """Let everything be laid out and drawn, timers of a moment too."""
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        _process_events()
        time.sleep(0.005)


def wait(until: Callable[[], bool]) -> None:
    """Let the viewer live until something is so."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not until():
        if time.monotonic() > give_up_at:
            raise SystemExit("It takes too long.")
        _process_events()
        time.sleep(0.01)


def _process_events() -> None:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
