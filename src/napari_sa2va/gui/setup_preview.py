"""What is set up, said before a run: pictures of the key frames, and what the run will take.

It listens to whatever decides that (layer, axes, contrast, settings, sentences), and lets worker
threads find it out; see `napari_sa2va.gui.latest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive

from napari_sa2va.core.clip import make_clip
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.estimate_label import EstimateLabel, RunSize, estimates
from napari_sa2va.gui.key_frame_strip import KeyFrameStrip
from napari_sa2va.gui.key_frames import Chosen, KeyFrameLooker, Picture, Scene
from napari_sa2va.gui.latest import LatestOnly
from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes, planes_in_view
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.gui.request import Failed, sentences_in

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sa2va.core.clip import Clip
    from napari_sa2va.gui.layer_picker import LayerPicker
    from napari_sa2va.gui.sentence_edit import SentenceEdit
    from napari_sa2va.gui.settings_panel import SettingsPanel
    from napari_sa2va.pipeline.estimate import Estimate


class SetupPreview:
    """Keeps a strip of key frames and an estimate up to date.

    Parameters
    ----------
    viewer : napari.Viewer
    picker : LayerPicker
    sentences : SentenceEdit
    settings : SettingsPanel

    Attributes
    ----------
    strip : KeyFrameStrip
    estimate : EstimateLabel
        To be put into the dock, which owns them from then on.
    """

    def __init__(
        self,
        viewer: Viewer,
        picker: LayerPicker,
        sentences: SentenceEdit,
        settings: SettingsPanel,
    ) -> None:
        self._viewer = viewer
        self._picker = picker
        self._sentences = sentences
        self._settings = settings
        self._layers: tuple[Image, ...] = ()
        self._scene: Scene | None = None
        self._watches = False
        self.strip = KeyFrameStrip()
        self.estimate = EstimateLabel()
        self._looker = KeyFrameLooker()
        self._pictures: LatestOnly[Scene, Chosen | Picture] = LatestOnly(
            self._read_scene, self._looker, self._show_pictures, self.strip
        )
        self._estimates: LatestOnly[RunSize, Estimate] = LatestOnly(
            self._read_size, estimates, self._show_estimate, self.estimate
        )
        self._wrong = ""  # what the strip says of the set-up
        self.strip.asked.connect(self.go_to)

    # What the dock calls

    def watch(self) -> None:
        """Follow the viewer and the dock from now on."""
        if self._watches:
            return
        self._watches = True
        self._picker.look_changed.connect(self._look_again)
        self._picker.changed.connect(self._take_layer)
        self._settings.changed.connect(self.refresh)
        self._sentences.textChanged.connect(self._estimates.soon)
        self._pictures.start()
        self._estimates.start()
        self._take_layer()

    def unwatch(self) -> None:
        """Hear nothing more, and let go of the layers: the dock is gone."""
        if not self._watches:
            return
        self._watches = False
        if isalive(self._picker):
            self._picker.look_changed.disconnect(self._look_again)
            self._picker.changed.disconnect(self._take_layer)
            self._settings.changed.disconnect(self.refresh)
            self._sentences.textChanged.disconnect(self._estimates.soon)
        self._listen_to(())
        self._pictures.stop()
        self._estimates.stop()
        self._looker.forget()
        self._scene = None

    def refresh(self) -> None:
        """Something has changed of what is set up."""
        self._pictures.soon()
        self._estimates.soon()

    def pause(self, running: bool) -> None:
        """Leave the machine to a run; afterwards more is known of how fast it is."""
        self._pictures.pause(running)
        self._estimates.pause(running)
        if not running:
            self._estimates.again()

    def go_to(self, frame: int) -> None:
        """Move the viewer's slider to a frame."""
        found = self._chosen()
        plays = None if found is None else found[2].plays
        if found is None or plays is None:
            return
        layer, dims = found[0], self._viewer.dims
        place = list(layer.world_to_data(dims.point))
        place[plays] = frame
        dims.set_point(dims.ndim - layer.ndim + plays, layer.data_to_world(place)[plays])

    # What there is

    def _chosen(self) -> tuple[Image, LayerAxes, AxisChoice] | None:
        """What the picker says; None without a layer, or with one that is no image."""
        if self._picker.layer is None:
            return None
        try:
            return self._picker.chosen()
        except Sa2vaError:
            return None  # the picker says so itself

    def _read_scene(self) -> Scene | None:
        found = self._chosen()
        if found is None:
            return None
        layer, axes, choice = found
        arguments = clip_arguments(layer, axes, choice, self._picker.box())
        subject = (
            *((id(one), id(one.data)) for one in (layer, *choice.beside)),
            choice.plays,
            choice.rests,
            planes_in_view(axes, choice),
            arguments,
        )
        settings = self._settings.value()
        if self._scene is not None and self._scene.subject == subject:
            # The same pixels: no need to lay out the frames of a long movie once more.
            self._scene = Scene(subject, self._scene.open_clip, settings)
            return self._scene
        recording = to_recording(layer, axes, choice)

        def open_clip() -> Clip:
            return make_clip(recording, **arguments)

        self._scene = Scene(subject, open_clip, settings)
        return self._scene

    def _read_size(self) -> RunSize | None:
        found = self._chosen()
        if found is None:
            return None
        _, axes, choice = found
        box = self._picker.box()
        height, width = axes.shape[axes.y], axes.shape[axes.x]
        return RunSize(
            self._settings.value(),
            num_frames=1 if choice.plays is None else axes.shape[choice.plays],
            height=height if box is None else box.height,
            width=width if box is None else box.width,
            num_sentences=len(sentences_in(self._sentences.toPlainText())),
            planes=1 if choice.every is None else axes.shape[choice.every],
        )

    # What happens

    def _take_layer(self) -> None:
        """Listen to the layers that are chosen now; the picker does not tell of other pixels."""
        found = self._chosen()
        self._listen_to(() if found is None else (found[0], *found[2].beside))
        self._look_again()

    def _listen_to(self, layers: tuple[Image, ...]) -> None:
        for layer in self._layers:
            layer.events.data.disconnect(self._look_again)
        self._layers = layers
        for layer in layers:
            layer.events.data.connect(self._look_again)

    def _look_again(self, event: Any = None) -> None:
        """The slider was moved, or the frames look otherwise."""
        if isalive(self.strip):
            self._mark_position()
            self.refresh()

    def _mark_position(self) -> None:
        found = self._chosen()
        plays = None if found is None else found[2].plays
        self.strip.set_position(
            None if found is None or plays is None else found[2].position(plays)
        )

    def _show_pictures(self, said: Chosen | Picture | Failed | None) -> None:
        if said is None:
            self._looker.forget()
            self._scene = None
        self.strip.take(said)
        if isinstance(said, Chosen):
            self._mark_position()
        if not isinstance(said, Picture):
            self._wrong = said.message if isinstance(said, Failed) else ""
            if self._wrong and self.estimate.text().startswith(self._wrong):
                self.estimate.take(None)

    def _show_estimate(self, said: Estimate | Failed | None) -> None:
        """Show an estimate, or why there is none unless the strip says the same."""
        is_said = isinstance(said, Failed) and said.message == self._wrong
        self.estimate.take(None if is_said else said)
