"""The part of the dock that compares the masks with labels that are right. The scorer's view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.forms import heading, quiet_label
from napari_sa2va.gui.message_box import MessageBox
from napari_sa2va.gui.number_tree import Column, NumberTree, Row
from napari_sa2va.gui.scorer import Scored, Scorer, scored_of
from napari_sa2va.gui.truth_picker import TruthPicker
from napari_sa2va.gui.work_row import WorkRow

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sa2va.analysis.agreement import PairingRule, Scores
    from napari_sa2va.gui.errand import Start
    from napari_sa2va.gui.workspace import Workspace

_LINES = 6
_MOST_NAMED = 12  # of the labels that were missed
_PAIRINGS: tuple[tuple[str, PairingRule], ...] = (("by overlap", "overlap"), ("by id", "id"))
_COLUMNS = (
    Column("Label", "The label of the truth that stands for the object; – if none does."),
    Column("J", "Region accuracy: px in both by px in either, mean over the frames."),
    Column("F", "Contour accuracy: how well the outlines agree, mean over the frames."),
    Column("J&F", "The mean of J and F."),
    Column("Dice", "Twice the px in both by the sum of the px, mean over the frames."),
)


class ScorePanel(QWidget):
    """Implements `napari_sa2va.gui.errand.View`.

    Parameters
    ----------
    viewer : napari.Viewer
    start : callable
        Starts work on another thread.
    """

    chosen = Signal(int)  # object

    def __init__(self, viewer: Viewer, start: Start, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace: Workspace | None = None
        self.scorer = Scorer(self, start)
        self.truth = TruthPicker(viewer)
        self.pairing = ElidingCombo()
        self.pairing.setAccessibleName("Pairing")
        self.pairing.setToolTip(
            "Which label of the truth stands for which object: the one with which it shares most "
            "pixels, each label once, or the one of the same number."
        )
        self.pairing.addItems([words for words, _ in _PAIRINGS])
        self.work = WorkRow("Score", "Compare every object with the truth, on all frames of both.")
        self.message = MessageBox()
        self.note = quiet_label()
        self.tree = NumberTree(
            "Scores", "Mean scores of every object, from 0 to 1. A click selects it.", lines=_LINES
        )
        self.missed = quiet_label()

        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Truth", self.truth)
        form.addRow("Pair", self.pairing)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(heading("Score"))
        layout.addLayout(form)
        layout.addWidget(self.work)
        layout.addWidget(self.message)
        layout.addWidget(self.note)
        layout.addWidget(self.tree)
        layout.addWidget(self.missed)

        self.work.start_clicked.connect(self.score)
        self.work.cancel_clicked.connect(self.scorer.cancel)
        self.tree.chosen.connect(self.chosen)
        self.refresh()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Score another workspace; a comparison on its way is stopped."""
        if workspace is not self._workspace:
            self.stop()
        self._workspace = workspace
        self.truth.set_workspace(workspace)
        self.refresh()

    def score(self) -> None:
        """Compare with the layer that is chosen."""
        if self._workspace is not None:
            rule = _PAIRINGS[self.pairing.currentIndex()][1]
            self.message.hide()
            self.scorer.score(self._workspace, self.truth.layer, rule)

    def stop(self) -> None:
        """Stop a comparison on its way."""
        self.scorer.stop()
        self.set_running(False)
        self.work.say("")
        self.message.hide()

    def refresh(self) -> None:
        """Show what is known of the workspace, and whether it still holds."""
        workspace = self._workspace
        scored = None if workspace is None else scored_of(workspace)
        for widget in (self.note, self.tree, self.missed):
            widget.setVisible(scored is not None)
        if workspace is None or scored is None:
            return
        self.note.setText(_note(scored, scored.num_changed(workspace)))
        cards = workspace.project.state.cards
        rows = [
            Row(i, cards[i].name, _values(label, scores), cards[i].color)
            for i, label, scores in scored.rows()
            if i in cards
        ]
        if len(rows) > 1:
            rows.append(Row(None, "Mean", _values("", scored.agreement.mean)))
        self.tree.show_rows(_COLUMNS, rows)
        self.tree.select(workspace.selected)
        missed = scored.agreement.pairing.missed
        self.missed.setText(_missed(missed))
        self.missed.setVisible(bool(missed))

    def select(self, object_id: int | None) -> None:
        """Show which object is selected."""
        self.tree.select(object_id)

    # The scorer's view

    def set_running(self, running: bool) -> None:
        self.work.set_running(running)
        self.truth.setEnabled(not running)
        self.pairing.setEnabled(not running)

    def show_progress(self, done: int, total: int) -> None:
        self.work.show_progress(done, total)

    def show_outcome(self, text: str) -> None:
        self.work.say(text)

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        self.work.say("")
        self.message.show_error(message, hint, details)


def _values(label: int | str | None, scores: Scores) -> tuple[str, ...]:
    numbers = (scores.j, scores.f, scores.j_and_f, scores.dice)
    words = ("–" if number != number else f"{number:.2f}" for number in numbers)
    return ("–" if label is None else str(label), *words)


def _note(scored: Scored, num_changed: int) -> str:
    done = len(scored.agreement.frames)
    how_many = f"{done} of {scored.num_wanted}" if done < scored.num_wanted else str(done)
    frames = "frame" if scored.num_wanted == 1 else "frames"
    words = f"Compared with {scored.truth!r} on {how_many} {frames}."
    return f"{words} {changed_words(num_changed, 'Score')}".rstrip()


def changed_words(number: int, button: str) -> str:
    """That masks have changed since, and which button to press; empty if none have."""
    if not number:
        return ""
    frames = "1 frame has" if number == 1 else f"{number} frames have"
    return f"{frames} changed since: {button} again."


def _missed(labels: Sequence[int]) -> str:
    named = ", ".join(map(str, labels[:_MOST_NAMED]))
    more = len(labels) - _MOST_NAMED
    named += f" and {more} more" if more > 0 else ""
    what = "the label" if len(labels) == 1 else "the labels"
    return f"No object stands for {what} {named} of the truth."
