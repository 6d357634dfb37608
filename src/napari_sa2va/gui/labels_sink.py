"""Shows the masks of one run as a Labels layer while they come. The GUI's thread only.

The label image is a view of what the events say: a later frame overwrites its own plane and no
other, so paint on other frames stays.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.palette import color_of
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.gui.request import Failed, Message, Opened, Request
from napari_sa2va.pipeline.events import Answered, Finished, FrameMasks, KeyMasks, Planned

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap
    from napari.viewer import Viewer

    from napari_sa2va.pipeline.record import RunRecord

METADATA_KEY = "napari_sa2va"
"""Key of `layer.metadata` under which the run record lies, as JSON types."""

_IMAGE_KEY = f"{METADATA_KEY}_image"
_CLIP_KEY = f"{METADATA_KEY}_clip"
_FOLLOW_EVERY_S = 0.1


class LabelsSink:
    """Paints the masks of one run.

    The layer is made with the first masks, so a run that finds nothing leaves none behind.

    Parameters
    ----------
    viewer : napari.Viewer
    request : Request
    follow : bool
        Move the time slider to the frame just done, until the user moves it.

    Attributes
    ----------
    layer : napari.layers.Labels or None
    """

    def __init__(self, viewer: Viewer, request: Request, follow: bool = True) -> None:
        self._viewer = viewer
        self._request = request
        self._follow = follow
        self._followed_at = float("-inf")
        self._followed_to: float | None = None
        self._clip: dict[str, object] = {}
        self._shape = (0, 0, 0)
        self._stack: np.ndarray | None = None
        self._record: RunRecord | None = None
        self._planned: frozenset[int] = frozenset()
        self._rows = {
            p.object_id: {"index": p.object_id, "name": p.name, "found": False, "answer": ""}
            for p in request.prompts.objects
        }
        self.layer: Labels | None = None

    def take(self, message: Message) -> None:
        """Show what a message carries.

        Raises
        ------
        OutputError
            If the user removed the layer while the run went on.
        """
        match message:
            case Opened():
                clip = message.clip
                self._shape = (clip.num_frames, clip.height, clip.width)
                self._clip = clip.describe()
            case Planned():
                self._record = message.record
                self._planned = message.plan.frames
            case Answered():
                row = self._rows[message.object_id]
                row["found"], row["answer"] = message.found, message.answer
                self._show_names()
            case KeyMasks() if message.frame not in self._planned:
                return  # it conditions the tracker, and is not asked for
            case FrameMasks():  # key masks too: a preview, in most presets final already
                self._paint(message)
            case Finished():
                for entry in message.record.objects:
                    self._rows[entry.object_id]["frames"] = len(entry.frames_present)
                    score = entry.mean_score
                    self._rows[entry.object_id]["score"] = np.nan if score is None else score
                self._show_names()
                self._sign(message.record.model_dump(mode="json"))
            case Failed():
                if self._record is not None:
                    self._sign(self._record.model_dump(mode="json"))

    def _paint(self, masks: FrameMasks) -> None:
        layer = self._living_layer()
        assert self._stack is not None  # made together with the layer
        plane = np.zeros(self._shape[1:], self._stack.dtype)
        pairs = list(zip(masks.object_ids, masks.masks, strict=True))
        if self._request.settings.output.overlap == "first":
            pairs.reverse()
        for object_id, mask in pairs:
            plane[mask] = object_id
        self._stack[masks.frame] = plane
        if not self._moved_to(masks.frame, layer) and self._in_view(masks.frame, layer):
            layer.refresh()

    def _living_layer(self) -> Labels:
        """The layer, made now if these are the first masks."""
        if self.layer is None:
            self.layer = self._add_layer()
        elif self.layer not in self._viewer.layers:
            raise OutputError(
                f"The layer {self.layer.name!r} was removed, so the run was stopped.",
                "Press Run to begin again.",
            )
        return self.layer

    def _add_layer(self) -> Labels:
        highest = max(self._request.prompts.object_ids)
        # Zeros take no memory until they are written to.
        self._stack = np.zeros(self._shape, np.uint8 if highest < 256 else np.uint16)
        self._hide_earlier()
        layer = self._viewer.add_labels(
            self._request.placement.view(self._stack),
            name=f"{self._request.layer_name} – masks",
            colormap=colormap_of(self._request.prompts),
            features=self._features(),
            metadata={METADATA_KEY: self._unfinished(), _IMAGE_KEY: self._request.layer_name},
            **self._request.placement.transform,
        )
        return layer

    def _hide_earlier(self) -> None:
        """Hide the masks of earlier runs on the same image, which would shine through."""
        for layer in self._viewer.layers:
            if layer.metadata.get(_IMAGE_KEY) == self._request.layer_name:
                layer.visible = False

    def _features(self) -> dict[str, list[Any]]:
        rows = list(self._rows.values())
        return {key: [row[key] for row in rows] for key in rows[0]}

    def _show_names(self) -> None:
        if self._shown():
            self.layer.features = self._features()  # type: ignore[union-attr]

    def _sign(self, record: dict[str, Any]) -> None:
        if self._shown():
            layer = self.layer
            layer.metadata = {  # type: ignore[union-attr]
                **layer.metadata,  # type: ignore[union-attr]
                METADATA_KEY: record,
                _CLIP_KEY: self._clip,
            }

    def _shown(self) -> bool:
        return self.layer is not None and self.layer in self._viewer.layers

    def _unfinished(self) -> dict[str, Any]:
        """What is known while the run goes on; its record fills on another thread until the end."""
        return {
            "settings": self._request.settings.model_dump(mode="json"),
            "clip_name": self._clip.get("name", ""),
            "source": self._clip.get("source"),
            "clip_shape": list(self._shape),
            "objects": [
                {"object_id": p.object_id, "name": p.name, "text": p.text}
                for p in self._request.prompts.objects
            ],
            "finished": "",
        }

    def _in_view(self, frame: int, layer: Labels) -> bool:
        dim = self._request.placement.time_dim
        if dim is None or self._viewer.dims.ndisplay == 3:
            return True
        return round(float(layer.world_to_data(self._viewer.dims.point)[dim])) == frame

    def _moved_to(self, frame: int, layer: Labels) -> bool:
        """Move the slider along; whether that drew the frame anew."""
        dim = self._request.placement.time_dim
        dims = self._viewer.dims
        if not self._follow or dim is None:
            return False
        axis = dims.ndim - layer.ndim + dim
        if axis in dims.displayed:
            return False
        here = dims.point[axis]
        if self._followed_to is not None and not np.isclose(here, self._followed_to):
            self._follow = False  # the user took the slider
            return False
        now = perf_counter()
        if now - self._followed_at < _FOLLOW_EVERY_S:
            return False
        self._followed_at = now
        position = list(layer.world_to_data(dims.point))
        position[dim] = frame
        dims.set_point(axis, layer.data_to_world(position)[dim])
        self._followed_to = dims.point[axis]
        return not np.isclose(here, self._followed_to)


def colormap_of(prompts: PromptSet) -> DirectLabelColormap:
    """The objects' colours as a colormap; labels painted later are grey."""
    from napari.utils.colormaps import DirectLabelColormap

    colors: dict[int | None, Any] = {None: (0.6, 0.6, 0.6, 1.0), 0: (0.0, 0.0, 0.0, 0.0)}
    for object_id in prompts.object_ids:
        red, green, blue = color_of(object_id)
        colors[object_id] = (red / 255, green / 255, blue / 255, 1.0)
    return DirectLabelColormap(color_dict=colors)
