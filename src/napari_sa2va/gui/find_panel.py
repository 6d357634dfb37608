"""The part of the dock that finds: what to look in, what to find, and how."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QVBoxLayout, QWidget

from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.forms import heading
from napari_sa2va.gui.labels_view import LabelsView, load_ahead
from napari_sa2va.gui.layer_footage import footage_opener, look_of
from napari_sa2va.gui.layer_picker import LayerPicker
from napari_sa2va.gui.mask_store import make_store
from napari_sa2va.gui.model_tasks import need_of
from napari_sa2va.gui.placement import place
from napari_sa2va.gui.preferences import preferences
from napari_sa2va.gui.recent_button import RecentButton
from napari_sa2va.gui.request import prompts_in
from napari_sa2va.gui.sentence_edit import SentenceEdit
from napari_sa2va.gui.settings_panel import SettingsPanel
from napari_sa2va.gui.setup_preview import SetupPreview
from napari_sa2va.gui.workspace import Workspace
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.run import Run, Sentence
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes
    from napari_sa2va.project.footage import Footage

_LINES = 5
_NEW = "a new layer"


class FindPanel(QWidget):
    """Implements the tab "Find".

    Parameters
    ----------
    viewer : napari.Viewer
    bench : Bench
    """

    def __init__(self, viewer: Viewer, bench: Bench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        load_ahead()  # and not in the middle of the first run
        self._viewer = viewer
        self._bench = bench
        self.picker = picker = LayerPicker(viewer)
        self.sentences = sentences = SentenceEdit()
        self.settings = SettingsPanel(
            lambda settings: need_of(settings, picker.chosen(), sentences.toPlainText())
        )
        self.recent = RecentButton(sentences)
        self.preview = SetupPreview(viewer, picker, sentences, self.settings)
        self.into = ElidingCombo()
        self.into.setAccessibleName("Masks go to")
        self.into.setToolTip("Make a new layer of masks, or add objects to the one that is there.")
        self._into_form = QFormLayout()
        self._into_form.setContentsMargins(0, 0, 0, 0)
        self._into_form.addRow("Masks go to", self.into)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 6, 0)
        layout.setSpacing(6)
        layout.addWidget(self.picker)
        layout.addWidget(self.preview.strip)
        what = heading("What to find")
        what.setBuddy(self.sentences)
        above = QHBoxLayout()
        above.addWidget(what, 1)
        above.addWidget(self.recent)
        layout.addLayout(above)
        layout.addWidget(self.sentences)
        layout.addLayout(self._into_form)
        layout.addWidget(self.settings)
        layout.addStretch(1)
        # The dock puts it under its Run button.
        layout.addWidget(self.preview.estimate)
        self.sentences.setFixedHeight(_LINES * self.sentences.fontMetrics().lineSpacing() + 12)
        bench.changed.connect(self.offer_masks)
        picker.changed.connect(self.offer_masks)
        # Not when a run has ended: what it found keeps the colours in which it was asked for.
        self.into.activated.connect(self._show_colors)
        sentences.textChanged.connect(self._show_colors)
        self.offer_masks()

    def request(self) -> tuple[Workspace, Run, Callable[[], Footage]]:
        """Read everything off the layer now: the worker must not touch it.

        Returns
        -------
        workspace : Workspace
            Where the masks go, a new one or the one chosen.
        step : Run
        open_footage : callable
            Opens the pixels, on any thread.

        Raises
        ------
        Sa2vaError
            If something is missing or does not fit.
        """
        layer, axes, choice = self.picker.chosen()
        prompts = prompts_in(self.sentences.toPlainText())
        settings = self.settings.value()
        workspace = self.into.currentData()
        if workspace is None or not self._fits(workspace):
            placement = place(layer, axes, choice)
            shape = placement.stack_length, axes.shape[axes.y], axes.shape[axes.x]
            store = make_store(placement, shape, above_mb=preferences().disk_above_mb)
            workspace = Workspace(
                Project(shape, placement.planes),
                LabelsView(self._viewer, placement, shape, store),
                image_name=layer.name,
                image_key=str(layer.unique_id),
                overlap=settings.output.overlap,
            )
            workspace.look = look_of(layer, axes, choice)
        next_id = workspace.project.state.next_id
        box = self.picker.box()
        step = Run(
            sentences=tuple(
                Sentence(object_id=number, name=prompt.name, text=prompt.text)
                for number, prompt in enumerate(prompts, next_id)
            ),
            settings=settings,
            begin_near=-1 if workspace.frame_in_view is None else workspace.frame_in_view,
            region=None if box is None else tuple(box.to_json()),
        )
        return workspace, step, footage_opener(layer, axes, choice)

    def image(self) -> tuple[Image, LayerAxes, AxisChoice] | None:
        """The image that is chosen, with its axes and what plays; None if there is none."""
        return None if self.picker.layer is None else self.picker.chosen()

    def to_keep(self) -> tuple[str, dict[str, Any]]:
        """What stands in the box of sentences, and the settings as JSON types.

        Raises
        ------
        RequestError
            If a setting is not allowed.
        """
        return self.sentences.toPlainText(), self.settings.value().model_dump(mode="json")

    def show_kept(self, sentences: str, settings: dict[str, Any]) -> None:
        """Show what `to_keep` said once; settings of another version stay as they are."""
        self.sentences.setPlainText(sentences)
        with suppress(ValidationError):
            if settings:
                self.settings.set_value(RunSettings.model_validate(settings))

    def remember(self) -> None:
        """A run has begun with what is in the box."""
        self.recent.keep()

    def watch(self) -> None:
        """Follow the viewer from now on."""
        self.picker.watch()
        self.preview.watch()

    def close_down(self) -> None:
        """Let go of everything: the dock is gone."""
        self.preview.unwatch()
        self.settings.end()
        self.picker.unwatch()

    def _fits(self, workspace: Workspace) -> bool:
        """Whether objects of the image that is chosen, as the model is to see it, can be added to it:
        corrections and a replay look at all objects of a layer in one way."""
        layer = self.picker.layer
        if layer is None or not workspace.is_shown:
            return False
        layer, axes, choice = self.picker.chosen()
        placement = place(layer, axes, choice)
        return (
            workspace.image_key == str(layer.unique_id)
            and workspace.view.placement.dims == placement.dims
            and workspace.view.placement.stack_length == placement.stack_length
            and workspace.look in ("", look_of(layer, axes, choice))
        )

    def _show_colors(self) -> None:
        """Show the colours that the objects will get."""
        workspace = self.into.currentData()
        self.sentences.set_first_id(1 if workspace is None else workspace.project.state.next_id)

    def offer_masks(self, *ignored: object) -> None:
        """Offer to add objects to the masks that are worked on, if they are of this image."""
        workspace = self._bench.workspace
        fits = workspace is not None and self._fits(workspace)
        chosen = self.into.currentData()
        self.into.clear()
        self.into.addItem(_NEW, None)
        if workspace is not None and fits and workspace.layer is not None:
            self.into.addItem(f"add to {workspace.layer.name}", workspace)
            if chosen is workspace:
                self.into.setCurrentIndex(1)
        self.into.setVisible(fits)
        label = self._into_form.labelForField(self.into)
        if label is not None:
            label.setVisible(fits)
