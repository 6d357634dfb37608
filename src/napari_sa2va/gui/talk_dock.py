"""The dock "Ask about it": a conversation about the movie or the frame in view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Prompt
from napari_sa2va.gui.collapsible import Collapsible
from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.fitting_scroll import FittingScroll
from napari_sa2va.gui.labels_sink import LabelsSink
from napari_sa2va.gui.layer_axes import planes_in_view
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.gui.layer_marks import marks_in
from napari_sa2va.gui.layer_picker import LayerPicker
from napari_sa2va.gui.model_tasks import need_of
from napari_sa2va.gui.placement import place
from napari_sa2va.gui.region_picker import RegionPicker
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.settings_panel import SettingsPanel
from napari_sa2va.gui.talk_controller import TalkController
from napari_sa2va.gui.talk_panel import TalkPanel
from napari_sa2va.gui.talk_request import Talker, TalkRequest, Task
from napari_sa2va.gui.tenants import move_in, move_out
from napari_sa2va.gui.worker import start_work

if TYPE_CHECKING:
    from napari.viewer import Viewer

_NARROWEST_PX = 300
_HIGHEST_PX = 280  # of the settings, so that what was said stays in view on a laptop's screen
_MOVIE, _FRAME = "the whole movie", "the frame in view"


class TalkDock(QWidget):
    """Ask, and get answers whose phrases are labels.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    talker : Talker, optional
        Who answers; by default the model that is chosen in the dock.
    """

    def __init__(self, napari_viewer: Viewer, talker: Talker | None = None) -> None:
        super().__init__()
        self.setObjectName("napari_sa2va_talk_dock")
        self._viewer = napari_viewer
        self._talker = talker or Talker()
        self.picker = picker = LayerPicker(napari_viewer, every_plane=False)
        self.about = ElidingCombo()
        self.about.addItems([_MOVIE, _FRAME])
        self.about.setAccessibleName("What it is about")
        self.about.setToolTip("A frame is seen in more detail than those of a movie.")
        self.regions = RegionPicker(napari_viewer)
        self.settings = SettingsPanel(lambda settings: need_of(settings, picker.chosen(), ""))
        self.how = Collapsible(
            "Model and settings", self.settings, "Who answers, and how the masks are carried."
        )
        self.track = QCheckBox("Carry masks through the movie")
        self.track.setChecked(True)
        self.caption_button = QPushButton("Describe the frame")
        self.caption_button.setToolTip("A caption of the frame in view, each thing with its mask.")
        self.describe_button = QPushButton("Describe regions")
        self.describe_button.setToolTip("What each region of the chosen layer shows.")
        self.panel = TalkPanel()
        self.controller = _connected(napari_viewer, self.panel, self._talker)

        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("About", self.about)
        form.addRow("Regions", self.regions)
        shortcuts = QHBoxLayout()
        shortcuts.addWidget(self.caption_button)
        shortcuts.addWidget(self.describe_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addWidget(self.picker)
        layout.addLayout(form)
        layout.addWidget(self.track)
        layout.addWidget(FittingScroll(self.how, highest_px=_HIGHEST_PX))
        layout.addLayout(shortcuts)
        layout.addWidget(self.panel, 1)
        self.setMinimumWidth(_NARROWEST_PX)

        self.panel.asked.connect(self.say)
        self.panel.cancelled.connect(self.controller.cancel)
        self.panel.restarted.connect(self._talker.forget)
        self.panel.restarted.connect(self.controller.forget)
        self.regions.currentIndexChanged.connect(self._offer_about)
        self.panel.phrase_clicked.connect(self.select)
        self.caption_button.clicked.connect(lambda: self._ask("caption", "Describe the frame."))
        self.describe_button.clicked.connect(lambda: self._ask("describe", "Describe the regions."))
        self._offer_about()
        self.destroyed.connect(self.controller.stop)

    def say(self, text: str) -> None:
        """Ask a question, or for the masks of what the text names."""
        self._ask("say", text)

    def select(self, number: int, object_id: int) -> None:
        """Select the label of a phrase: `object_id` in the layer of answer `number`."""
        sink = self.controller.sinks.get(number)
        layer = None if sink is None else sink.layer
        if layer is None or layer not in self._viewer.layers:
            self.panel.show_note("The layer of this answer is not there any more.", "Ask again.")
            return
        layer.visible = True
        layer.selected_label = object_id
        self._viewer.layers.selection.active = layer

    def _ask(self, task: Task, text: str) -> None:
        if self.controller.busy:
            return
        try:
            request = self._request(task, text)
        except Exception as error:
            failed = Failed.of(error)
            self.panel.show_error(failed.message, failed.hint, failed.details)
            return
        self.controller.ask(request)

    def _request(self, task: Task, text: str) -> TalkRequest:
        """Read everything off the layers now: the worker must not touch them."""
        layer, axes, choice = self.picker.chosen()
        box = self.picker.box()
        marking = self.regions.layer
        if task == "describe" and marking is None:
            raise RequestError(
                "No layer of regions is chosen.",
                "Paint labels, draw shapes or click points in a layer and choose it as Regions.",
            )
        # Regions, and captions with masks, are of a single frame.
        is_frame = task != "say" or marking is not None or self.about.currentText() == _FRAME
        frame = None
        if is_frame:
            frame = 0 if choice.plays is None else choice.position(choice.plays)
        marks: tuple[Prompt, ...] = ()
        if marking is not None:
            marks = tuple(marks_in(marking, layer, axes, choice, frame or 0, box))
        settings = self.settings.value()
        marked = tuple((m.points, None if m.mask is None else m.mask.tobytes()) for m in marks)
        arguments = clip_arguments(layer, axes, choice, box)
        # Whatever decides what the model sees; the data by identity, which the conversation keeps.
        subject = (
            *((one, id(one.data)) for one in (layer, *choice.beside)),
            choice.plays, tuple(choice.rests.items()),
            tuple(planes_in_view(axes, choice).items()), tuple(arguments.items()), frame, marked,
            settings.model, settings.sampling, settings.view,
        )  # fmt: skip
        return TalkRequest(
            task=task,
            text=text,
            frame=frame,
            marks=marks,
            subject=subject,
            recording=to_recording(layer, axes, choice),
            clip_arguments=arguments,
            settings=settings,
            placement=place(layer, axes, choice, box),
            layer_name=layer.name,
            through_movie=self.track.isChecked(),
        )

    def _offer_about(self) -> None:
        """Regions are of the frame in view."""
        marked = self.regions.layer is not None
        if marked:
            self.about.setCurrentText(_FRAME)
        self.about.setEnabled(not marked)

    def event(self, event: QEvent) -> bool:
        """Stop when the dock is closed: napari then takes this widget out of its window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.controller.stop()
                move_out(self)
                self.panel.set_busy(False)
                self.settings.end()
                self._talker.forget()
                self.picker.unwatch()
                self.regions.unwatch()
            else:
                move_in(self)
                self.picker.watch()
                self.regions.watch()
        return super().event(event)


def _connected(viewer: Viewer, panel: TalkPanel, talker: Talker) -> TalkController:
    """A controller that knows the panel but not the dock, which must be free to go."""
    return TalkController(
        panel,
        lambda request, on_message: start_work(request, on_message, talker),
        lambda request: LabelsSink(viewer, request),
    )
