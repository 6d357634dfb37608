"""The dock "Segment by sentence": puts the parts together and turns clicks into steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakMethod

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeySequence, QResizeEvent, QShortcut
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.buttons import text_button
from napari_sa2va.gui.controller import Controller
from napari_sa2va.gui.correct_panel import CorrectPanel
from napari_sa2va.gui.docks_together import keep_together
from napari_sa2va.gui.find_panel import FindPanel
from napari_sa2va.gui.keep_panel import KeepPanel
from napari_sa2va.gui.measure_panel import MeasurePanel
from napari_sa2va.gui.request import Failed, JobRequest, messages_of
from napari_sa2va.gui.room import leave_room
from napari_sa2va.gui.run_panel import RunPanel
from napari_sa2va.gui.scrolling import scrolling
from napari_sa2va.gui.tenants import move_in, move_out
from napari_sa2va.gui.worker import Source, start_run
from napari_sa2va.gui.workspace import Workspace
from napari_sa2va.project.steps.run import Run

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sa2va.project.footage import Footage
    from napari_sa2va.project.steps.base import ModelStep

# Narrower, words would have to be cut; napari's own docks are about as wide.
_NARROWEST_PX = 300


class SentenceDock(QWidget):
    """Type sentences, press Run, get one named object per sentence; then look, and correct.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    source : callable
        What turns a request into messages on the worker thread; by default the pipeline.
    """

    def __init__(self, napari_viewer: Viewer, source: Source = messages_of) -> None:
        super().__init__()
        self.setObjectName("napari_sa2va_sentence_dock")
        self._viewer = napari_viewer
        self._workspace: Workspace | None = None
        self.bench = Bench(napari_viewer)
        self.finder = FindPanel(napari_viewer, self.bench)
        # What a person types and chooses is asked for often, also by tests.
        self.picker, self.sentences = self.finder.picker, self.finder.sentences
        self.settings = self.finder.settings
        self.panel = RunPanel()
        self.panel.below_buttons.addWidget(self.finder.preview.estimate)
        self.panel.running_changed.connect(self.finder.preview.pause)
        self.controller = Controller(
            self.panel, lambda request, on_message: start_run(request, on_message, source)
        )
        self.correct = CorrectPanel(
            self.bench, _free_to_go(self._run_on_bench), self.settings.value, self.finder.image
        )

        self.measure = MeasurePanel(self.bench)
        self.keep = KeepPanel(self.bench, self.finder.to_keep, self.finder.show_kept)

        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)  # a line above the tabs, in napari's style
        self.tabs.tabBar().setExpanding(True)
        self.tabs.setUsesScrollButtons(False)
        for title, part, tip in (
            ("Find", self.finder, "What to look in, what to find, and how."),
            ("Correct", self.correct, "Objects, corrections, locks, and carrying them on."),
            ("Measure", self.measure, "Area, speed, intensity and more over time; scores; tracks."),
            ("Keep", self.keep, "A project folder; what was done as a command or a script."),
        ):
            self.tabs.addTab(scrolling(part), title)
            self.tabs.setTabToolTip(self.tabs.count() - 1, tip)
        self.timeline_button = text_button(
            "Timeline",
            "Open the timeline below the canvas: what is where, and which frames are doubtful.",
        )
        self.timeline_button.clicked.connect(self.show_timeline)
        self.tabs.setCornerWidget(self.timeline_button)
        # Made last, it would come last with the Tab key too.
        QWidget.setTabOrder(self.tabs.tabBar(), self.timeline_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.panel)
        self.setMinimumWidth(_NARROWEST_PX)

        self.tabs.currentChanged.connect(self._show_tab)
        self.panel.run_clicked.connect(self.run)
        self.panel.continue_clicked.connect(self.continue_run)
        self.panel.cancel_clicked.connect(self.controller.cancel)
        self.correct.refused.connect(self.panel.show_error)
        self.keep.refused.connect(self.panel.show_error)
        self.keep.told.connect(self.panel.tell)
        self.bench.changed.connect(self._take_workspace)
        shortcut = QShortcut(QKeySequence("Ctrl+Return"), self.sentences)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.run)
        # Nobody reads the answers of a dock that is gone.
        self.destroyed.connect(self.controller.stop)

    # Runs

    def run(self) -> None:
        """Find what the sentences say, or show what is wrong with them."""
        if not self.controller.running:
            self._try(self._begin_run)

    def continue_run(self) -> None:
        """Go on where the last run on these masks was stopped."""
        workspace = self.bench.workspace
        if self.controller.running or workspace is None:
            return

        def begin() -> None:
            step = workspace.project.continuation()
            if step is None:
                raise RequestError("Nothing is missing.", "Press Run to find something else.")
            self._start(workspace, step)

        self._try(begin)

    def _begin_run(self) -> None:
        workspace, step, open_footage = self.finder.request()
        self._start(workspace, step, open_footage)
        if workspace.view.store.note:
            self.panel.show_note(workspace.view.store.note, "")
        self.finder.remember()
        self.bench.take(workspace)

    def show_timeline(self) -> None:
        """Open the timeline, if it is not open."""
        from napari_sa2va.gui.timeline_dock import TITLE, TimelineDock

        window = self.window()
        if window.findChild(TimelineDock) is None:
            timeline = TimelineDock(self._viewer)
            self._viewer.window.add_dock_widget(timeline, name=TITLE, area="bottom")

    def _run_on_bench(self, step: ModelStep) -> None:
        """Run a step on the masks that are worked on."""
        workspace = self.bench.workspace
        assert workspace is not None  # whoever made the step has seen to it
        if self.controller.running:
            raise RequestError("A run is on its way.", "Wait for its end, or cancel it.")
        self._start(workspace, step)

    def _start(
        self,
        workspace: Workspace,
        step: ModelStep,
        open_footage: Callable[[], Footage] | None = None,
    ) -> None:
        footage = workspace.project.footage
        if footage is not None:
            opened: Footage = footage
            open_footage = lambda: opened  # noqa: E731
        if open_footage is None:
            raise RequestError(
                "The movie of these masks is not at hand.", "Open it, and choose it under Find."
            )
        job = workspace.begin(step)
        workspace.view.follow(self.panel.follow_box.isChecked() and isinstance(step, Run))
        try:
            self.controller.run(JobRequest(job, open_footage), workspace)
        except BaseException:
            workspace.end()  # or nothing could ever be run on these masks again
            raise

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            failed = Failed.of(error)
            self.panel.show_error(failed.message, failed.hint, failed.details)

    # The workspace

    def _take_workspace(self, workspace: Workspace | None) -> None:
        old, self._workspace = self._workspace, workspace
        if old is not None:
            old.failed.disconnect(self._refuse, missing_ok=True)
            old.history_changed.disconnect(self._offer, missing_ok=True)
        if workspace is not None:
            workspace.failed.connect(self._refuse)
            workspace.history_changed.connect(self._offer)
        self._offer()

    def _show_tab(self, index: int) -> None:
        self.panel.show_answers(index == 0)
        # Room for other things, where nobody is about to press Run.
        leave_room(self.finder.preview.estimate, shown=index == 0)

    def _refuse(self, message: str, hint: str) -> None:
        self.panel.show_error(message, hint)

    def _offer(self) -> None:
        """Offer what can be done with these masks: continue, if something is missing, and add."""
        workspace = self.bench.workspace
        missing = workspace is not None and workspace.project.continuation() is not None
        self.panel.offer_to_continue(missing)
        self.finder.offer_masks()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share another height between the tabs and what is said below."""
        super().resizeEvent(event)
        self.panel.fit_into(event.size().height())

    def event(self, event: QEvent) -> bool:
        """Stop when the dock is closed: napari then takes this widget out of its window."""
        keep_together(self, event)
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.controller.stop()
                move_out(self)
                self.panel.set_running(False)
                self.finder.close_down()
                self.correct.close_down()
                self.measure.close_down()
                self.keep.close_down()
                self.bench.unwatch()
                self.bench.take(None)
            else:
                move_in(self)
                self.finder.watch()
                self.correct.watch()
                self.measure.watch()
                self.bench.watch()
        return super().event(event)


def _free_to_go(run: Callable[[ModelStep], None]) -> Callable[[ModelStep], None]:
    """Call a method of the dock without keeping the dock alive, whose parts are kept by Qt."""
    method = WeakMethod(run)

    def call(step: ModelStep) -> None:
        alive = method()
        if alive is not None:
            alive(step)

    return call
