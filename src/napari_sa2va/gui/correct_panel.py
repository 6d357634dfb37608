"""The part of the dock that corrects: objects, the frame in view, and carrying what is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.adopt_button import AdoptButton
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.buttons import text_button
from napari_sa2va.gui.corrector import Corrector
from napari_sa2va.gui.forms import heading, quiet_label
from napari_sa2va.gui.marking import Marking, Marks
from napari_sa2va.gui.object_list import ObjectList
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.timeline_words import tip_markup
from napari_sa2va.project.steps.base import ModelStep
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes
    from napari_sa2va.gui.workspace import Workspace
    from napari_sa2va.project.steps.carry import Direction

# Five digits and two buttons. Qt asks for more, for which there is no room beside a scroll bar.
_FRAME_BOX_PX = 76
_ROWS = 4  # of the list of objects, before it scrolls
_EMPTY = "Masks are corrected here. Run a sentence under Find, or select a Labels layer and take it over."


@dataclass(frozen=True)
class _Mark:
    """Points or a box, for an object or for a new one of that name."""

    workspace: Workspace
    object_id: int | None
    name: str
    click: Callable[[Corrector, int | None, str], int]


class CorrectPanel(QWidget):
    """Everything a person does to masks that are there.

    Parameters
    ----------
    bench : Bench
    run : callable
        Starts a model step of the bench's workspace.
    settings : callable
        Returns the settings that the dock shows.
    image : callable
        Returns the image that is chosen, with its axes and what plays; None if there is none.
    """

    refused = Signal(str, str)  # message, hint

    def __init__(
        self,
        bench: Bench,
        run: Callable[[ModelStep], None],
        settings: Callable[[], RunSettings],
        image: Callable[[], tuple[Image, LayerAxes, AxisChoice] | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._bench = bench
        self._run = run
        self._settings = settings
        self._workspace: Workspace | None = None
        self._waiting: _Mark | None = None  # for the end of a job
        self._marked_id: int | None = None  # the object that the points on the layer are for
        self.marking = Marking(self._clicked, self._boxed)
        self._new_name = ""  # of an object that the next click makes

        self.empty = quiet_label()
        self.empty.setText(_EMPTY)
        self.adopt_button = AdoptButton(bench, image)
        self.adopt_button.refused.connect(self.refused)
        self.objects = ObjectList()
        height = self.objects.fontMetrics().lineSpacing() + 6
        self.objects.setFixedHeight((_ROWS + 1) * height + 8)
        self.add_button = QToolButton()
        self.add_button.setText("Add")
        self.add_button.setToolTip("Add an object: empty, to be painted, or by clicks or a box.")
        self.add_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.add_button)
        menu.addAction("Empty, to paint …", self.add_empty)
        menu.addAction("By clicks …", lambda: self._add_marked("on"))
        menu.addAction("By a box …", lambda: self._add_marked("box"))
        self.add_button.setMenu(menu)
        self.more_button = QToolButton()
        self.more_button.setText("More")
        self.more_button.setToolTip("Rename, recolour, split, mark a division, remove.")
        self.more_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more = QMenu(self.more_button)
        more.addAction("Rename", self._rename_current)
        more.addAction("Change the colour …", self.objects.pick_color)
        more.addAction("Split into its parts on this frame", self.split)
        more.addAction("It divides into its parts on this frame", self.split_division)
        more.addAction("Mark as mother and daughters", self.divide)
        more.addAction("Undo its division", self.undo_division)
        more.addSeparator()
        more.addAction("Remove", self.remove)
        self.more_button.setMenu(more)
        self.merge_button = text_button("Merge", "Join the selected objects into one.", self.merge)
        self.undo_button = _small_button("↶", "Undo", self.undo)
        self.redo_button = _small_button("↷", "Redo", self.redo)

        self.frame_title = heading("This frame")
        self.lock_button = text_button(
            "Lock",
            "The mask is right here: nothing may change it any more. (L in the timeline)",
            self.lock,
        )
        self.lock_button.setCheckable(True)
        self.absent_button = text_button(
            "Not there", "The selected objects are not on this frame.", self.absent
        )
        self.paint_button = text_button(
            "Paint", "Paint or erase with napari's tools, in the selected object's label.",
            self.paint,
        )  # fmt: skip
        self.on_button = self._mark_button("+ Point", "on", "Click on the object. (Alt+1)", "Alt+1")
        self.off_button = self._mark_button(
            "− Point", "off", "Click where the object is not. (Alt+2)", "Alt+2"
        )
        self.box_button = self._mark_button(
            "Box", "box", "Drag a box around the object. (Alt+3)", "Alt+3"
        )
        self.words = QLineEdit()
        self.words.setPlaceholderText("Another sentence for it …")
        self.words.setAccessibleName("Another sentence for the selected object")
        self.words.setToolTip("Asked of this frame only; the mask here is drawn anew. (Enter)")
        self.words.returnPressed.connect(self.reword)
        self.ask_button = text_button("Ask", "Draw the object by this sentence.", self.reword)

        self.first = _frame_box("First frame of the range")
        self.last = _frame_box("Last frame of the range")
        self.backward_button = text_button(
            "◀ Back", "Carry this frame's mask back to the first frame of the range.",
            lambda: self.carry("backward"),
        )  # fmt: skip
        self.both_button = text_button(
            "◀ Both ▶", "Carry this frame's mask over the whole range.",
            lambda: self.carry("both"),
        )  # fmt: skip
        self.forward_button = text_button(
            "On ▶", "Carry this frame's mask on to the last frame of the range.",
            lambda: self.carry("forward"),
        )  # fmt: skip
        self.range_lock_button = text_button(
            "Lock range", "Lock the selected objects on all frames of the range.",
            lambda: self.lock_range(True),
        )  # fmt: skip
        self.range_unlock_button = text_button(
            "Unlock", "Unlock the selected objects on all frames of the range.",
            lambda: self.lock_range(False),
        )  # fmt: skip
        self.range_absent_button = text_button(
            "Not there", "The selected objects are on no frame of the range.", self.absent_range
        )
        self._lay_out()

        self.objects.renamed.connect(lambda i, name: self._try(lambda c: c.rename(i, name)))
        self.objects.recolored.connect(lambda i, color: self._try(lambda c: c.recolor(i, color)))
        self.objects.chosen.connect(self._chosen)
        bench.changed.connect(self._take_workspace)
        self._take_workspace(bench.workspace)

    def _lay_out(self) -> None:
        objects = QHBoxLayout()
        for button in (self.add_button, self.more_button, self.merge_button):
            objects.addWidget(button)
        objects.addStretch(1)
        objects.addWidget(self.undo_button)
        objects.addWidget(self.redo_button)
        frame = QGridLayout()
        frame.setSpacing(4)
        for column, button in enumerate((self.lock_button, self.absent_button, self.paint_button)):
            frame.addWidget(button, 0, column)
        for column, button in enumerate((self.on_button, self.off_button, self.box_button)):
            frame.addWidget(button, 1, column)
        asking = QHBoxLayout()
        asking.addWidget(self.words, 1)
        asking.addWidget(self.ask_button)
        reach = QHBoxLayout()
        reach.addWidget(QLabel("Frames"))
        reach.addWidget(self.first, 1)
        reach.addWidget(QLabel("to"))
        reach.addWidget(self.last, 1)
        carry = QGridLayout()
        carry.setSpacing(4)
        for column, button in enumerate(
            (self.backward_button, self.both_button, self.forward_button)
        ):
            carry.addWidget(button, 0, column)
        for column, button in enumerate(
            (self.range_lock_button, self.range_unlock_button, self.range_absent_button)
        ):
            carry.addWidget(button, 1, column)
        self.body = QWidget()
        inside = QVBoxLayout(self.body)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(6)
        inside.addWidget(heading("Objects"))
        inside.addWidget(self.objects)
        inside.addLayout(objects)
        inside.addWidget(self.frame_title)
        inside.addLayout(frame)
        inside.addLayout(asking)
        inside.addWidget(heading("Carry to other frames"))
        inside.addLayout(reach)
        inside.addLayout(carry)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 6, 0)
        layout.addWidget(self.empty)
        layout.addWidget(self.adopt_button)
        layout.addWidget(self.body)
        layout.addStretch(1)

    # What it works on

    def watch(self) -> None:
        """Follow the viewer's slider from now on."""
        self.unwatch()
        self._bench.viewer.dims.events.current_step.connect(self._refresh_frame)
        self.adopt_button.watch()

    def unwatch(self) -> None:
        """Hear nothing more of the viewer."""
        self._bench.viewer.dims.events.current_step.disconnect(self._refresh_frame)
        self.adopt_button.unwatch()

    def close_down(self) -> None:
        """Let go of everything: the dock is gone."""
        self.adopt_button.close_down()
        self.marking.end()
        self.unwatch()
        self._take_workspace(None)

    def _take_workspace(self, workspace: Workspace | None) -> None:
        old, self._workspace = self._workspace, workspace
        self._waiting = None
        if old is not None:
            old.objects_changed.disconnect(self._refresh, missing_ok=True)
            old.history_changed.disconnect(self._refresh, missing_ok=True)
            old.frames_changed.disconnect(self._frames_changed, missing_ok=True)
            old.job_changed.disconnect(self._job_changed, missing_ok=True)
            old.selected_changed.disconnect(self._label_selected, missing_ok=True)
        if workspace is not None:
            workspace.objects_changed.connect(self._refresh)
            workspace.history_changed.connect(self._refresh)
            workspace.frames_changed.connect(self._frames_changed)
            workspace.job_changed.connect(self._job_changed)
            workspace.selected_changed.connect(self._label_selected)
            count = workspace.project.state.frames_per_plane
            for box in (self.first, self.last):
                box.setRange(0, count - 1)
            self.first.setValue(0)
            self.last.setValue(count - 1)
        self._refresh()

    def _refresh(self) -> None:
        workspace = self._workspace
        self.empty.setVisible(workspace is None)
        self.body.setVisible(workspace is not None)
        self.objects.show_objects(workspace)
        if workspace is None:
            return
        self.objects.select(workspace.selected)
        history, busy = workspace.project.history, workspace.job is not None
        can_undo = bool(history.done) and not history.done[-1].is_open
        self.undo_button.setEnabled(can_undo)
        self.redo_button.setEnabled(bool(history.undone) and not busy)
        for button, changes, word in (
            (self.undo_button, history.done, "Undo"),
            (self.redo_button, history.undone, "Redo"),
        ):
            keys = "Ctrl+Z" if word == "Undo" else "Ctrl+Shift+Z"
            what = f": {changes[-1].title}" if changes else ""
            button.setToolTip(tip_markup(f"{word}{what} ({keys} in the masks layer)"))
        for needing in (
            self.backward_button, self.both_button, self.forward_button, self.ask_button,
        ):  # fmt: skip
            needing.setEnabled(not busy)
        self._refresh_frame()

    def _refresh_frame(self, event: Any = None) -> None:
        workspace = self._workspace
        if workspace is None:
            return
        frame = workspace.frame_in_view
        state = workspace.project.state
        t = None if frame is None else frame % state.frames_per_plane
        self.frame_title.setText("This frame" if t is None else f"Frame {t}")
        ids = self._ids()
        locked = frame is not None and bool(ids) and all(state.cell(i, frame).locked for i in ids)
        self.lock_button.setChecked(locked)
        self.lock_button.setText("Locked" if locked else "Lock")

    def _frames_changed(self, frames: set[int] | None) -> None:
        workspace = self._workspace
        if workspace is not None and (frames is None or workspace.frame_in_view in frames):
            self._refresh_frame()

    def _job_changed(self, begun: bool) -> None:
        self._refresh()
        if not begun:
            waiting, self._waiting = self._waiting, None
            if waiting is not None:  # a click that was made while the one before was drawn
                QTimer.singleShot(0, lambda: self._draw_marked(waiting))

    def _label_selected(self) -> None:
        if self._workspace is not None:
            selected, marked = self._workspace.selected, self._marked_id
            if None not in (selected, marked) and selected != marked:
                self._begin_anew()
            self.objects.select(self._workspace.selected)
            self._refresh_frame()

    def _chosen(self, object_id: int) -> None:
        if self._workspace is not None:
            self._workspace.select(object_id)
            self._refresh_frame()

    def _ids(self) -> list[int]:
        """The selected objects, or the one of the selected label."""
        workspace = self._workspace
        if workspace is None:
            return []
        # The list may still show what has gone.
        there = [i for i in self.objects.selected_ids if i in workspace.project.state.cards]
        return there or ([] if workspace.selected is None else [workspace.selected])

    def _one(self) -> int:
        ids = self._ids()
        if len(ids) != 1:
            raise RequestError(
                f"{len(ids)} objects are selected." if ids else "No object is selected.",
                "Select one in the list of objects.",
            )
        return ids[0]

    def corrector(self) -> Corrector:
        """What acts on the workspace.

        Raises
        ------
        RequestError
            If there is none.
        """
        if self._workspace is None:
            raise RequestError("There are no masks to correct.", "Run a sentence first.")
        return Corrector(self._workspace, self._run, self._settings)

    def _try(self, action: Callable[[Corrector], Any]) -> Any:
        """Do something, and say what is wrong if it cannot be done."""
        try:
            return action(self.corrector())
        except Exception as error:
            failed = Failed.of(error)
            self.refused.emit(failed.message, failed.hint)
            self._refresh()
            return None

    # Objects

    def add_empty(self) -> None:
        """Add an object and let the user paint it."""
        name, agreed = QInputDialog.getText(self, "A new object", "Its name:")
        if agreed and name.strip():
            self._try(lambda c: c.add(" ".join(name.split())))
            self.paint()

    def _add_marked(self, marks: Marks) -> None:
        name, agreed = QInputDialog.getText(self, "A new object", "Its name:")
        if agreed and name.strip():
            self._new_name = " ".join(name.split())
            self._begin_anew()
            self._begin_marking(marks)

    def _begin_anew(self) -> None:
        """The next clicks are for another object than those before."""
        self._marked_id = None
        self.marking.begin_anew()

    def _rename_current(self) -> None:
        item = self.objects.currentItem()
        if item is not None:
            self.objects.editItem(item, 0)

    def merge(self) -> None:
        """Join the selected objects."""
        self._try(lambda c: c.merge(self._ids()))

    def split(self) -> None:
        """Make objects of the parts of the selected one."""
        self._try(lambda c: c.split(self._one()))

    def split_division(self) -> None:
        """Make daughters of the parts of the selected object, which was one before."""
        self._try(lambda c: c.split(self._one(), divides=True))

    def remove(self) -> None:
        """Take the selected objects away."""
        self._try(lambda c: c.remove(self._ids()))

    def divide(self) -> None:
        """Mark that of the selected objects, the one that came first divided into the others."""
        self._try(lambda c: c.mark_division(self._ids()))

    def undo_division(self) -> None:
        """Take the links from the selected object to its daughters away."""
        self._try(lambda c: c.divide(self._one(), ()))

    def undo(self) -> None:
        """Take back the last thing that was done."""
        self._try(lambda c: c.workspace.undo())

    def redo(self) -> None:
        """Do again what was undone last."""
        self._try(lambda c: c.workspace.redo())

    # This frame

    def lock(self) -> None:
        """Lock the selected objects on the frame in view, or unlock them."""
        locked = self.lock_button.isChecked()
        self._try(lambda c: c.lock(self._ids(), Span.of(c.here), locked=locked))
        self._refresh_frame()

    def absent(self) -> None:
        """Say that the selected objects are not on the frame in view."""
        self._try(lambda c: c.absent(self._ids(), Span.of(c.here)))

    def paint(self) -> None:
        """Let the user paint with napari's brush."""
        self._end_marking()
        workspace = self._workspace
        if workspace is None:
            return
        if workspace.layer is None:
            workspace.open_layer()
        assert workspace.layer is not None
        workspace.view.viewer.layers.selection.active = workspace.layer
        workspace.layer.mode = "paint"

    def reword(self) -> None:
        """Draw the selected object by another sentence."""
        self._try(lambda c: c.reword(self._one(), self.words.text()))

    def _mark_button(self, text: str, marks: Marks, tip: str, keys: str) -> QPushButton:
        made = text_button(text, tip, lambda: self._begin_marking(marks))
        made.setCheckable(True)
        made.setShortcut(keys)
        return made

    def _begin_marking(self, marks: Marks) -> None:
        workspace = self._workspace
        if workspace is None:
            return
        if self.marking.marks == marks and not self._new_name:
            self._end_marking()
            return
        if workspace.layer is None:
            workspace.open_layer()
        self.marking.begin(workspace, marks)
        self._show_marking()

    def _end_marking(self) -> None:
        self.marking.end()
        self._new_name, self._marked_id = "", None
        self._show_marking()

    def _show_marking(self) -> None:
        for button, marks in (
            (self.on_button, "on"), (self.off_button, "off"), (self.box_button, "box"),
        ):  # fmt: skip
            button.setChecked(self.marking.marks == marks)

    def _clicked(self, frame: int, points: list[tuple[float, float, bool]]) -> None:
        self._mark(lambda c, i, name: c.click(i, frame, points, name=name))

    def _boxed(self, frame: int, box: tuple[float, float, float, float]) -> None:
        # Later, as the shape is still being drawn.
        QTimer.singleShot(0, self._end_marking_keeping_name)
        self._mark(lambda c, i, name: c.click(i, frame, box=box, name=name))

    def _end_marking_keeping_name(self) -> None:
        name = self._new_name
        self._end_marking()
        self._new_name = name

    def _mark(self, click: Callable[[Corrector, int | None, str], int]) -> None:
        """Draw what was marked, for the object that is selected now, or for a new one."""
        workspace, earlier = self._workspace, self._waiting
        if workspace is None:
            return

        def begin(corrector: Corrector) -> None:
            # A second click on an object that is still to be made goes with the first.
            name = self._new_name or ("" if earlier is None else earlier.name)
            mark = _Mark(workspace, None if name else self._one(), name, click)
            self._marked_id, self._new_name = mark.object_id, ""
            if workspace.job is None:
                self._draw_marked(mark)
            else:
                self._waiting = mark

        self._try(begin)

    def _draw_marked(self, mark: _Mark) -> None:
        if mark.workspace is not self._workspace:
            return

        def draw(corrector: Corrector) -> None:
            self._marked_id = mark.click(corrector, mark.object_id, mark.name)
            if mark.name:
                corrector.workspace.select(self._marked_id)

        self._try(draw)

    # Ranges

    def carry(self, direction: Direction) -> None:
        """Carry the masks of the selected objects from the frame in view."""
        self._try(lambda c: c.carry(self._ids(), self._span(c), direction))

    def lock_range(self, locked: bool) -> None:
        """Lock the selected objects on the range, or unlock them."""
        self._try(lambda c: c.lock(self._ids(), self._span(c), locked=locked))

    def absent_range(self) -> None:
        """Say that the selected objects are not on the range."""
        self._try(lambda c: c.absent(self._ids(), self._span(c)))

    def _span(self, corrector: Corrector) -> Span:
        begin = corrector.plane_span().first
        first, last = self.first.value(), self.last.value()
        if first > last:
            raise RequestError(
                f"The range begins at frame {first} and ends at frame {last}.",
                "Choose a first frame that is not after the last.",
            )
        return Span(first=begin + first, last=begin + last)


def _small_button(sign: str, name: str, clicked: Callable[[], Any]) -> QToolButton:
    button = QToolButton()
    button.setText(sign)
    button.setAccessibleName(name)
    button.clicked.connect(lambda checked=False: clicked())
    return button


def _frame_box(name: str) -> QSpinBox:
    box = QSpinBox()
    box.setMinimumWidth(_FRAME_BOX_PX)
    box.setAccessibleName(name)
    box.setToolTip(f"{name}; both ends are included.")
    return box
