"""Shows the masks of one answer as a Labels layer while they come. The GUI's thread only.

The label image is a view of what the events say: a later frame overwrites its own plane and no
other, so paint on other frames stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.palette import color_of
from napari_sa2va.gui.labels_view import LabelsView
from napari_sa2va.gui.request import Failed, Message, Opened, Request
from napari_sa2va.gui.workspace import IMAGE_KEY, METADATA_KEY
from napari_sa2va.pipeline.events import Answered, Finished, FrameMasks, KeyMasks, Planned

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_sa2va.pipeline.record import RunRecord

_CLIP_KEY = f"{METADATA_KEY}_clip"


class LabelsSink:
    """Paints the masks of one answer.

    The layer is made with the first masks, so an answer that points at nothing leaves none behind.

    Parameters
    ----------
    viewer : napari.Viewer
    request : Request
    """

    def __init__(self, viewer: Viewer, request: Request) -> None:
        self._viewer = viewer
        self._request = request
        self._clip: dict[str, object] = {}
        self._view: LabelsView | None = None
        self._record: RunRecord | None = None
        self._planned: frozenset[int] = frozenset()
        self._rows = {
            p.object_id: {"index": p.object_id, "name": p.name, "found": False, "answer": ""}
            for p in request.prompts.objects
        }

    @property
    def layer(self) -> Labels | None:
        """The layer, once there are masks."""
        return None if self._view is None else self._view.layer

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
                shape = clip.num_frames, clip.height, clip.width
                self._view = LabelsView(self._viewer, self._request.placement, shape)
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

    def end(self) -> None:
        """No more messages come; what came is kept."""

    def _paint(self, masks: FrameMasks) -> None:
        view = self._view
        assert view is not None  # the clip was opened before anything is drawn on it
        if view.layer is None:
            self._open(view)
        plane = np.zeros(view.shape[1:], np.uint16)
        pairs = list(zip(masks.object_ids, masks.masks, strict=True))
        if self._request.settings.output.overlap == "first":
            pairs.reverse()
        for object_id, mask in pairs:
            plane[mask] = object_id
        view.show(masks.frame, plane)

    def _open(self, view: LabelsView) -> None:
        for layer in self._viewer.layers:  # earlier masks on the same image would shine through
            if layer.metadata.get(IMAGE_KEY) == self._request.layer_name:
                layer.visible = False
        view.open(
            f"{self._request.layer_name} – masks",
            {i: color_of(i) for i in self._request.prompts.object_ids},
            features=self._features(),
            metadata={METADATA_KEY: self._unfinished(), IMAGE_KEY: self._request.layer_name},
        )

    def _features(self) -> dict[str, list[Any]]:
        rows = list(self._rows.values())
        return {key: [row[key] for row in rows] for key in rows[0]}

    def _show_names(self) -> None:
        if self._view is not None and self._view.is_shown and self.layer is not None:
            self.layer.features = self._features()

    def _sign(self, record: dict[str, Any]) -> None:
        if self._view is not None and self._view.is_shown and self.layer is not None:
            layer = self.layer
            layer.metadata = {**layer.metadata, METADATA_KEY: record, _CLIP_KEY: self._clip}

    def _unfinished(self) -> dict[str, Any]:
        """What is known while the run goes on; its record fills on another thread until the end."""
        assert self._view is not None
        return {
            "settings": self._request.settings.model_dump(mode="json"),
            "clip_name": self._clip.get("name", ""),
            "source": self._clip.get("source"),
            "clip_shape": list(self._view.shape),
            "objects": [
                {"object_id": p.object_id, "name": p.name, "text": p.text}
                for p in self._request.prompts.objects
            ],
            "finished": "",
        }
