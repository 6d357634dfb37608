"""The part of the dock that measures: numbers of the frame in view, a table, tracks, and scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.buttons import text_button
from napari_sa2va.gui.errand import Start
from napari_sa2va.gui.forms import heading, quiet_label
from napari_sa2va.gui.frame_table import FrameTable
from napari_sa2va.gui.layer_choice import LayerChoice
from napari_sa2va.gui.measured import measured_of
from napari_sa2va.gui.measurer import Measurer
from napari_sa2va.gui.message_box import MessageBox
from napari_sa2va.gui.score_panel import ScorePanel, changed_words
from napari_sa2va.gui.tracks_layer import show_tracks, tracks_layer_of
from napari_sa2va.gui.work_row import WorkRow
from napari_sa2va.gui.worker import start_work

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sa2va.gui.workspace import Workspace

_EMPTY = (
    "Here objects are measured: area, place, intensity, speed and shape on every frame, as a table, "
    "a plot over time and tracks, and scored against labels that are right. Run a sentence under "
    "Find, or select a Labels layer and take it over."
)
# A run, or a brush, changes masks faster than anybody reads numbers.
_REFRESH_MS = 150
# The slider has stopped; rows of the features are only moved then, as that takes a moment.
_SETTLED_MS = 300

AskPath = Callable[[QWidget, str], Path | None]


class MeasurePanel(QWidget):
    """Measures the workspace of a bench; implements `napari_sa2va.gui.errand.View`.

    Parameters
    ----------
    bench : Bench
    start : callable
        Starts work on another thread.
    ask_path : callable
        Asks where a table is to be saved, given a name; returns None if the user thinks better of
        it. A file that is there may be replaced once a path is returned.
    """

    def __init__(
        self,
        bench: Bench,
        start: Start = start_work,
        ask_path: AskPath | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._bench = bench
        self._ask_path = ask_path or ask_for_path
        self._workspace: Workspace | None = None
        self._sorted_for: int | None = None
        self._layer: Labels | None = None  # whose selected label is followed
        self.measurer = Measurer(self, start)

        self.empty = quiet_label()
        self.empty.setText(_EMPTY)
        self.layers = LayerChoice()
        self.work = WorkRow(
            "Measure", "Measure every object on all frames; later only what has changed."
        )
        self.note = quiet_label()
        self.table = FrameTable()
        self.save_button = text_button(
            "Save table …", "Save all objects on all frames as a CSV file.", self.save
        )
        self.tracks_button = text_button(
            "Tracks layer",
            "Show the ways of the objects as napari tracks, divisions included; again to bring the "
            "layer up to date.",
            self.show_tracks,
        )
        self.scores = ScorePanel(bench.viewer, start)
        self.message = MessageBox()
        self._lay_out()

        self._later = _timer(self, _REFRESH_MS, self.refresh)
        self._settled = _timer(self, _SETTLED_MS, self._sort_features)
        self.work.start_clicked.connect(self.measure)
        self.work.cancel_clicked.connect(self.measurer.cancel)
        self.layers.changed.connect(self.refresh)
        self.table.chosen.connect(self._choose)
        self.scores.chosen.connect(self._choose)
        # A window that closes deletes what is in it, without asking anybody to let go.
        self.destroyed.connect(self.measurer.stop)
        self.destroyed.connect(self.scores.scorer.stop)
        self.watch()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Intensity", self.layers)
        buttons = QHBoxLayout()
        buttons.addWidget(self.table.columns_button, 1)
        buttons.addWidget(self.save_button, 1)
        self.body = QWidget()
        inside = QVBoxLayout(self.body)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(6)
        inside.addWidget(heading("Measure"))
        inside.addLayout(form)
        inside.addWidget(self.work)
        inside.addWidget(self.message)
        inside.addWidget(self.note)
        inside.addWidget(self.table)
        inside.addLayout(buttons)
        inside.addWidget(self.tracks_button)
        inside.addWidget(self.scores)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 6, 0)
        layout.addWidget(self.empty)
        layout.addWidget(self.body)
        layout.addStretch(1)

    # What it works on

    def watch(self) -> None:
        """Follow the bench and the viewer from now on."""
        self._unhear()
        self._bench.changed.connect(self._take_workspace)
        self._bench.viewer.dims.events.current_step.connect(self._moved)
        self.scores.truth.watch()
        self._take_workspace(self._bench.workspace)

    def unwatch(self) -> None:
        """Hear nothing more of them, and stop what is on its way; what is done is kept."""
        self._unhear()
        self._take_workspace(None)

    def close_down(self) -> None:
        """Let go of everything: the dock is gone."""
        self.unwatch()

    def _unhear(self) -> None:
        self._bench.changed.disconnect(self._take_workspace, missing_ok=True)
        self._bench.viewer.dims.events.current_step.disconnect(self._moved)
        self.scores.truth.unwatch()

    def _take_workspace(self, workspace: Workspace | None) -> None:
        old, self._workspace = self._workspace, workspace
        if old is not workspace:
            self._stop()
        if old is not None:
            old.frames_changed.disconnect(self._changed, missing_ok=True)
            old.objects_changed.disconnect(self._objects_changed, missing_ok=True)
            old.job_changed.disconnect(self._changed, missing_ok=True)
        self._hear_layer(None)
        if workspace is not None:
            workspace.frames_changed.connect(self._changed)
            workspace.objects_changed.connect(self._objects_changed)
            workspace.job_changed.connect(self._changed)
        # What was measured besides is what is going to be measured again.
        names = () if workspace is None else measured_of(workspace).kind[1:]
        self.layers.set_workspace(workspace, names)
        self.table.set_workspace(workspace)
        self.scores.set_workspace(workspace)
        self.refresh()

    def _hear_layer(self, layer: Labels | None) -> None:
        """Follow the selected label; a layer is made when the first mask comes."""
        if layer is self._layer:
            return
        if self._layer is not None:
            self._layer.events.selected_label.disconnect(self._selected)
        self._layer = layer
        if layer is not None:
            layer.events.selected_label.connect(self._selected)

    def _stop(self) -> None:
        self._later.stop()
        self._settled.stop()
        self._sorted_for = None
        self.measurer.stop()
        self.set_running(False)
        self.work.say("")
        self.message.hide()

    # What is shown

    def refresh(self) -> None:
        """Show what is known now, and whether it still holds."""
        self._later.stop()
        workspace = self._workspace
        self.empty.setVisible(workspace is None)
        self.body.setVisible(workspace is not None)
        if workspace is None:
            return
        self._hear_layer(workspace.layer)
        if workspace.job is None:  # a run changes masks all the time: what holds is seen later
            stale = measured_of(workspace).changed(workspace.project.state)
            self.note.setText(self._note(workspace, int(stale.sum())))
            self.table.set_stale(stale)
            self.scores.refresh()
        self.layers.refresh()
        has_tracks = tracks_layer_of(workspace) is not None
        self.tracks_button.setText("Update tracks layer" if has_tracks else "Tracks layer")
        measured = bool(measured_of(workspace).num_done)
        self.save_button.setEnabled(measured and not self.measurer.running)
        self.table.refresh()

    def _note(self, workspace: Workspace, num_stale: int) -> str:
        measured, state = measured_of(workspace), workspace.project.state
        done, total = measured.num_done, state.num_frames
        if not done:
            return "Nothing has been measured yet."
        if done < total:
            lines = [f"{done} of {total} frames are measured: Measure goes on."]
        else:
            lines = [
                "The frame is measured." if total == 1 else f"All {total} frames are measured."
            ]
        lines.append(changed_words(num_stale, "Measure"))
        if measured.kind[1:] != tuple(layer.name for layer in self.layers.layers):
            lines.append("Other intensities are chosen now: Measure again.")
        return " ".join(line for line in lines if line)

    def _sort_features(self) -> None:
        """Bring the rows of the frame in view to where napari looks for them."""
        workspace = self._workspace
        if workspace is not None and workspace.frame_in_view != self._sorted_for:
            self._sorted_for = workspace.frame_in_view
            measured_of(workspace).show_features(workspace)

    def _moved(self, event: Any = None) -> None:
        if self._workspace is not None and isalive(self):
            self.table.refresh()
            self._settled.start()

    def _changed(self) -> None:
        if not isalive(self):
            return
        if not self.measurer.running:
            self.work.say("")
        if not self._later.isActive():
            self._later.start()

    def _objects_changed(self) -> None:
        if not isalive(self):
            return
        self._sorted_for = None  # names are other ones, or objects went
        self._settled.start()
        self._changed()

    def _selected(self, event: Any = None) -> None:
        if self._workspace is not None and isalive(self):
            self.table.select(self._workspace.selected)
            self.scores.select(self._workspace.selected)

    def _choose(self, object_id: int) -> None:
        if self._workspace is not None:
            self._workspace.select(object_id)

    # What a person does

    def measure(self) -> None:
        """Measure what was not measured yet, or has changed."""
        if self._workspace is not None:
            self.message.hide()
            self.measurer.measure(self._workspace, self.layers.layers)

    def save(self) -> None:
        """Ask for a file and write the table."""
        if self._workspace is None:
            return
        path = self._ask_path(self, f"{self._workspace.image_name}-measurements.csv")
        if path is not None:
            self.message.hide()
            self.measurer.save(self._workspace, path)

    def show_tracks(self) -> None:
        """Make the Tracks layer, or bring it up to date."""
        if self._workspace is None:
            return
        self.message.hide()
        try:
            show_tracks(self._workspace)
        except Sa2vaError as error:
            self.show_error(error.message, error.hint)
        self.refresh()

    # The measurer's view

    def set_running(self, running: bool) -> None:
        self.work.set_running(running)
        self.note.setVisible(not running)
        self.layers.setEnabled(not running)
        self.save_button.setEnabled(not running)

    def show_progress(self, done: int, total: int) -> None:
        self.work.show_progress(done, total)
        self.table.refresh()

    def show_outcome(self, text: str) -> None:
        self.work.say(text)

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        self.work.say("")
        self.message.show_error(message, hint, details)


def ask_for_path(parent: QWidget, name: str) -> Path | None:
    """Ask where a table is to be saved; asks again before a file is replaced."""
    dialog = QFileDialog(parent, "Save table", name, "Tables (*.csv)")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix("csv")
    return Path(dialog.selectedFiles()[0]) if dialog.exec() else None


def _timer(parent: QWidget, interval_ms: int, timed_out: Callable[[], None]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(interval_ms)
    timer.timeout.connect(timed_out)
    return timer
