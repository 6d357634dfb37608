"""A project and the Labels layer that shows it. All docks talk to it; it knows none of them.

The GUI's thread only, without Qt. The layer keeps its workspace alive, and a dock finds it with
`workspace_of(layer)`: through the layer itself, wherever it stands in the list and whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakValueDictionary

import numpy as np
from psygnal import Signal

from napari_sa2va.analysis.timeline import Timeline
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.masklet import Overlap
from napari_sa2va.gui.request import Failed, Opened
from napari_sa2va.gui.stroke import paint_of
from napari_sa2va.gui.timeline_keeper import TimelineKeeper
from napari_sa2va.pipeline.events import Answered, Finished, KeyMasks
from napari_sa2va.project.change import Change
from napari_sa2va.project.job import Drawn, Job
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.base import EditStep, ModelStep
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.run import Run
from napari_sa2va.project.steps.strokes import Strokes

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

    from napari_sa2va.gui.labels_view import LabelsView
    from napari_sa2va.gui.request import Message

METADATA_KEY = "napari_sa2va"
"""Key of `layer.metadata` under which provenance lies, as JSON types."""

WORKSPACE_KEY = f"{METADATA_KEY}_workspace"
STEPS_KEY = f"{METADATA_KEY}_steps"
"""Key of `layer.metadata` under which all steps lie, in words."""

IMAGE_KEY = f"{METADATA_KEY}_image"

_open: WeakValueDictionary[str, Workspace] = WeakValueDictionary()


def workspace_of(layer: Any) -> Workspace | None:
    """The workspace of a layer; None if it has none."""
    metadata = getattr(layer, "metadata", None)
    found = None if not metadata else _open.get(metadata.get(WORKSPACE_KEY, ""))
    if found is None or found.layer is None:  # as long as the layer is being made
        return found
    # A copy of a layer has its metadata, too.
    is_its_own = found.is_shown and found.layer.unique_id == layer.unique_id
    return found if is_its_own else None


def workspace_of_data(data: Any, metadata: Mapping[str, Any]) -> Workspace | None:
    """The workspace of a layer of which only data and metadata are at hand, as a writer has them."""
    found = _open.get(metadata.get(WORKSPACE_KEY, ""))
    layer = None if found is None else found.layer
    return found if layer is not None and layer.data is data else None


class Workspace:
    """See the module.

    Parameters
    ----------
    project : Project
    view : LabelsView
    image_name : str
        Of the image layer that the masks are of.
    image_key : str
        What tells that image from others by its content, see `gui.layer_identity`.
    overlap : {"last", "first"}
        Which of two overlapping objects is seen.

    Attributes
    ----------
    look : str
        How the model sees the image, see `layer_footage.look_of`; empty if nobody knows.
    frames_changed : Signal(set of int or None)
        Masks of these frames are other ones; None is all frames.
    objects_changed : Signal()
        Names, colours or answers are other ones, or objects came or went.
    history_changed : Signal()
    job_changed : Signal(bool)
        A job has begun (True) or ended.
    selected_changed : Signal()
        Another label is selected in the layer.
    failed : Signal(str, str)
        What a person did on the layer cannot be done: the message and a hint.
    """

    frames_changed = Signal(object)
    objects_changed = Signal()
    history_changed = Signal()
    job_changed = Signal(bool)
    selected_changed = Signal()
    failed = Signal(str, str)

    def __init__(
        self,
        project: Project,
        view: LabelsView,
        *,
        image_name: str,
        image_key: str = "",
        overlap: Overlap = "last",
    ) -> None:
        self.project = project
        self.view = view
        self.image_name = image_name
        self.image_key = image_key
        self.overlap: Overlap = overlap
        self.key = uuid4().hex
        self.look = ""
        self.job: Job | None = None
        self.is_being_saved = False
        self._keeps_features = False  # of a layer that was taken over
        self.curves: dict[str, Mapping[int, np.ndarray]] = {}
        self._timelines = TimelineKeeper(project.state)
        _open[self.key] = self
        view.on_paint = self._take_paint

    # What there is

    @property
    def layer(self) -> Labels | None:
        """The layer, if it has been made."""
        return self.view.layer

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.view.is_shown

    @property
    def frame_in_view(self) -> int | None:
        """The frame that the sliders stand on; None if they stand outside the clip."""
        return self.view.frame_in_view

    @property
    def selected(self) -> int | None:
        """The object whose label is selected in the layer; None if that is no object."""
        label = int(self.layer.selected_label) if self.layer is not None else 0
        return label if label in self.project.state.cards else None

    def select(self, object_id: int) -> None:
        """Select the label of an object in the layer."""
        if self.layer is not None:
            self.layer.selected_label = object_id

    def go_to(self, frame: int) -> None:
        """Move the sliders to a frame."""
        self.view.go_to(frame)

    # What a person does

    def do(self, step: EditStep) -> Change | None:
        """Do what needs no network, and show it.

        Raises
        ------
        RequestError
            If it cannot be done.
        """
        self._refuse_while_saving()
        change = self.project.do(step)
        if change is not None:
            try:
                self._check_room(change)
            except RequestError:
                self.project.undo()
                self.project.history.undone.clear()
                raise
            self._show_change(change)
        return change

    def _check_room(self, change: Change) -> None:
        """Refuse objects whose labels do not fit into the layer."""
        highest = self.view.highest_label
        if max(change.cards, default=0) > highest:
            raise RequestError(
                f"The array of this layer holds labels up to {highest} only.",
                "Begin again with a new layer.",
            )

    def undo(self) -> Change | None:
        """Take back the last thing that was done, and show it."""
        self._refuse_while_saving()
        change = self.project.undo()
        if change is not None:
            self._show_change(change)
        return change

    def redo(self) -> Change | None:
        """Do again what was undone last, and show it."""
        self._refuse_while_saving()
        change = self.project.redo()
        if change is not None:
            self._show_change(change)
        return change

    def _refuse_while_saving(self) -> None:
        if self.is_being_saved:  # on another thread, which reads what would be changed
            raise RequestError("The project is being saved.", "Try again in a moment.")

    # What the network does; a sink of the controller

    def begin(self, step: ModelStep) -> Job:
        """Begin what needs the network; its messages come to `take`.

        Raises
        ------
        RequestError
            If it cannot be done, or another job is on its way.
        """
        self._refuse_while_saving()
        job = self.project.begin(step)
        try:
            self._check_room(job.change)
        except RequestError:
            self.project.end(job, complete=False)
            raise
        self.job = job
        self.job_changed.emit(True)
        self.history_changed.emit()
        if self.layer is not None and self.job.change.cards:
            self._show_objects()
        return self.job

    def take(self, message: Message) -> None:
        """Show what a message carries.

        Raises
        ------
        OutputError
            If the user removed the layer while the run went on.
        """
        if isinstance(message, Opened):
            self.project.footage = message.footage
        if self.job is None:
            return
        if isinstance(message, Drawn) and self.is_shown:
            frame = message.event.frame
            if self.view.is_painted_on(frame):  # or what is drawn now would wipe the stroke out
                self._take_paint([frame])
        if not isinstance(message, Opened | Failed):
            self.job.take(message)
        match message:
            case Answered():
                self._timelines.touch(None)  # what is not found is known to be nowhere
                self._show_objects()
                self.frames_changed.emit(None)
            case Drawn():
                self._take_drawn(self.job, message)
            case Finished():
                self.end(complete=message.reason == "done")
            case Failed():
                self.end(complete=False)

    def end(self, *, complete: bool = False) -> None:
        """No more messages come of the job."""
        job, self.job = self.job, None
        if job is None:
            return
        self.project.end(job, complete=complete)
        if self.is_shown:
            self._show_objects()
            self._sign()
        self.job_changed.emit(False)
        self.history_changed.emit()

    def _take_drawn(self, job: Job, message: Drawn) -> None:
        frame = message.event.frame
        if not any((i, frame) in job.change.cells for i in message.event.object_ids):
            return
        if self.layer is None:
            self._open_layer()
        # Key frames come in the order of their distance to the frame in view: no place to go to.
        is_preview = isinstance(message.event, KeyMasks)
        plane = self.project.state.labels(frame, self.overlap)
        self.view.show(frame, plane, follow=not is_preview)
        self._timelines.touch({frame})
        self.frames_changed.emit({frame})

    # Painting

    def _take_paint(self, frames: list[int]) -> None:
        """Make of what is in the layer now what it means for the objects."""
        strokes: list[Paint] = []
        for frame in frames:
            try:
                step = paint_of(self.project.state, frame, self.view.read(frame), self.overlap)
            except RequestError as error:
                self._refuse_paint(frames=[frame], error=error)
                continue
            if step is not None:
                strokes.append(step)
        if not strokes:
            return
        try:
            self.do(strokes[0] if len(strokes) == 1 else Strokes(strokes=tuple(strokes)))
        except Exception as error:
            self._refuse_paint([stroke.frame for stroke in strokes], error)

    def _refuse_paint(self, frames: list[int], error: Exception) -> None:
        self._show_frames(frames)
        failed = Failed.of(error)
        self.failed.emit(failed.message, failed.hint)

    # Showing

    def adopt(self, layer: Labels) -> None:
        """Show the masks in a layer that is there already."""
        self.view.adopt(layer)
        self._keeps_features = len(layer.features.columns) > 0
        layer.metadata = {
            **layer.metadata,
            IMAGE_KEY: self.image_key or self.image_name,
            WORKSPACE_KEY: self.key,
        }
        self._listen()

    def open_layer(self) -> None:
        """Make the layer now, and show all there is."""
        if self.layer is None:
            self._open_layer()
        self.show_all()

    def show_all(self) -> None:
        """Paint every frame anew."""
        state = self.project.state
        self._show_frames(range(state.num_frames))
        self._show_objects()
        self._timelines.touch(None)
        self.frames_changed.emit(None)

    def timeline(self, plane: int = 0, *, most_masks: int | None = None) -> Timeline:
        """What is to be seen at a glance of the frames of a plane, which are counted from 0.

        For `most_masks` see `TimelineKeeper.timeline`.
        """
        return self._timelines.timeline(
            plane,
            key_frames=self.key_frames if plane == self._asked_plane else (),
            curves=self.curves,
            most_masks=most_masks,
        )

    def timeline_is_behind(self, plane: int = 0) -> bool:
        """Whether there are masks that the last timeline of a plane did not count."""
        return self._timelines.is_behind(plane)

    @property
    def _last_run(self) -> Run | None:
        """The last step that asked sentences of all frames; None if there is none."""
        runs = (step for step in reversed(self.project.steps) if isinstance(step, Run))
        return next(runs, None)

    @property
    def _asked_plane(self) -> int:
        """The plane that the last run asked its sentences of."""
        last = self._last_run
        return 0 if last is None else self.project.state.plane_of(max(last.begin_near, 0))

    @property
    def key_frames(self) -> tuple[int, ...]:
        """The frames that the language model saw in the last run."""
        job = self.job
        if job is not None and job.record is not None and isinstance(job.change.step, Run):
            return tuple(job.record.key_frames)
        last = self._last_run
        if last is None:
            return ()
        of_it = (record for record in reversed(self.project.records) if _is_of(record, last))
        newest = next(of_it, None)
        return () if newest is None else tuple(newest.get("key_frames", ()))

    def _open_layer(self) -> None:
        earlier = self._earlier()
        self.view.open(
            self.name,
            self._colors(),
            features=self._features(),
            metadata={IMAGE_KEY: self.image_key or self.image_name, WORKSPACE_KEY: self.key},
        )
        self._listen()
        # Making a layer takes long enough.
        self.view.soon(lambda: _hide(earlier))

    @property
    def name(self) -> str:
        """Name of the layer: the image's, and what was looked for in it."""
        names = [card.name for card in self.project.state.cards.values()]
        if not names:
            return f"{self.image_name} – masks"
        first = names[0] if len(names[0]) <= 32 else f"{names[0][:31].rstrip()}…"
        more = f" +{len(names) - 1}" if len(names) > 1 else ""
        return f"{self.image_name} – {first}{more}"

    def _earlier(self) -> list[Layer]:
        """Other masks on the same image, which would shine through."""
        key = self.image_key or self.image_name
        return [x for x in self.view.viewer.layers if x.metadata.get(IMAGE_KEY) == key]

    def _listen(self) -> None:
        """Hear which label is selected, and let undo and redo in this layer be the project's."""
        layer = self.layer
        assert layer is not None
        layer.events.selected_label.connect(lambda event: self.selected_changed.emit())
        layer.bind_key("Control-Z", lambda _: self._try(self.undo), overwrite=True)
        layer.bind_key("Control-Shift-Z", lambda _: self._try(self.redo), overwrite=True)

    def _try(self, action: Any) -> None:
        try:
            action()
        except Exception as error:
            failed = Failed.of(error)
            self.failed.emit(failed.message, failed.hint)

    def _show_change(self, change: Change) -> None:
        frames = change.frames
        if change.cards:
            self._show_objects()
        if self.is_shown:
            if frames is None:
                frames_shown = {frame for _, frame in change.cells} | self._frames_of(change)
                self._show_frames(frames_shown)
            elif frames:
                self._show_frames(frames)
            self._sign()
        self._timelines.touch(frames)
        self.frames_changed.emit(frames)
        self.history_changed.emit()

    def _frames_of(self, change: Change) -> set[int]:
        """Frames on which objects that came or went have masks."""
        state, frames = self.project.state, set()
        for object_id in change.cards:
            frames |= {f for f in range(state.num_frames) if state.peek(object_id, f).code}
        return frames

    def _show_frames(self, frames: Iterable[int]) -> None:
        state = self.project.state
        self.view.show_all(frames, lambda f: state.labels(f, self.overlap))

    def _show_objects(self) -> None:
        if self.is_shown and self.layer is not None:
            self.view.recolor(self._colors())
            # Measurements stay until they are made anew, and what somebody else wrote stays.
            if "frame" not in self.layer.features and not self._keeps_features:
                self.layer.features = self._features()
        self.objects_changed.emit()

    def _colors(self) -> dict[int, tuple[int, int, int]]:
        return {i: card.color for i, card in self.project.state.cards.items()}

    def rows(self) -> list[tuple[int, str, int, float, str]]:
        """Per object its id, name, number of frames, mean score (NaN if unknown), and a tip."""
        state, rows = self.project.state, []
        for object_id in sorted(state.cards):
            card, cells = state.cards[object_id], state.cells(object_id)
            frames = sum(cell.present for cell in cells)
            scores = [c.score for c in cells if c.final and c.score == c.score]
            score = float(np.mean(scores)) if scores else np.nan
            said = f"The model said: {card.answer}" if card.answer else ""
            words = card.text if card.text != card.name else ""
            tip = "\n".join(line for line in (f"{object_id}. {card.name}", words, said) if line)
            rows.append((object_id, card.name, frames, score, tip))
        return rows

    def _features(self) -> dict[str, list[Any]]:
        """One row per object, which napari finds by its `index`."""
        rows, cards = self.rows(), self.project.state.cards
        return {
            "index": [row[0] for row in rows],
            "name": [row[1] for row in rows],
            "found": [row[2] > 0 for row in rows],
            "answer": [cards[row[0]].answer for row in rows],
            "frames": [row[2] for row in rows],
            "score": [row[3] for row in rows],
        }

    def _sign(self) -> None:
        """Write down in the layer what its masks come from."""
        layer = self.layer
        assert layer is not None
        records = self.project.records
        layer.metadata = {
            **layer.metadata,
            METADATA_KEY: records[-1] if records else {},
            STEPS_KEY: [step.title for step in self.project.steps],
        }


def _hide(layers: list[Layer]) -> None:
    for layer in layers:
        layer.visible = False


def _is_of(record: dict[str, Any], run: Run) -> bool:
    """Whether a record is of a run of all frames; corrections are recorded as well."""
    told = {entry["object_id"]: entry["text"] for entry in record.get("objects", ())}
    asked = {sentence.object_id: sentence.text for sentence in run.sentences}
    sampling = run.settings.sampling.model_dump(mode="json")
    return told == asked and record["settings"]["sampling"] == sampling
