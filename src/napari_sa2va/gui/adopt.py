"""Taking over a Labels layer that came from elsewhere, so that it can be corrected and looked through.

The layer stays where it is and is painted on; its labels become objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core import pixels, rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.labels_frames import names_of, place_labels
from napari_sa2va.gui.labels_view import LabelsView
from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes
from napari_sa2va.gui.layer_footage import footage_opener, look_of
from napari_sa2va.gui.placement import place
from napari_sa2va.gui.workspace import Workspace, workspace_of
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.given import Given, GivenObject

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer

MOST_OBJECTS = 500
"""More labels than this are no objects that a person looks through one by one."""


@dataclass(frozen=True)
class Looked:
    """One frame has been read."""

    done: int
    total: int


class Adoption:
    """What is needed of the layers, taken off them on the thread that owns them.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Labels
    image : (Image, LayerAxes, AxisChoice) or None
        The image that the labels are of, if there is one.

    Raises
    ------
    RequestError
        If the layer is a pyramid or write-protected, which cannot be painted on.
    AxesError
        If it has fewer than two dims.
    """

    def __init__(
        self, viewer: Viewer, layer: Labels, image: tuple[Image, LayerAxes, AxisChoice] | None
    ) -> None:
        if layer.multiscale:
            raise RequestError(
                f"{layer.name!r} is a pyramid, which cannot be painted on.",
                "Take a layer of its finest level.",
            )
        self._viewer = viewer
        self.layer = layer
        self.placement, size = place_labels(layer)
        self._shape = self.placement.stack_length, *size
        self._image = image
        self._data: Any = layer.data
        if isinstance(self._data, np.ndarray) and not self._data.flags.writeable:
            raise RequestError(
                f"{layer.name!r} cannot be written to.",
                "Take over a copy of it, or save and open it.",
            )
        self._was_painted = False
        layer.events.paint.connect(self._note_paint)

    def read(self, cancel: CancelToken) -> Iterator[Looked | Given]:
        """Read every frame; on any thread.

        Yields
        ------
        Looked
            After each frame.
        Given
            The step that takes the objects over, at the end.

        Raises
        ------
        RequestError
            If there are too many labels.
        """
        masks: dict[int, dict[int, rle.Rle]] = {}
        total = self._shape[0]
        for f in range(total):
            if cancel.cancelled:
                return
            part = pixels.read(self._data[self.placement.plane_index(f)])
            plane = self.placement.from_layer(part)
            for label in np.unique(plane):
                if label > 0:
                    masks.setdefault(int(label), {})[f] = rle.encode(plane == label)
            if len(masks) > MOST_OBJECTS or max(masks, default=0) > np.iinfo(np.uint16).max:
                raise RequestError(
                    f"{self.layer.name!r} has more than {MOST_OBJECTS} labels, or labels beyond "
                    f"{np.iinfo(np.uint16).max}.",
                    "Take over a layer with the objects that you want to look through.",
                )
            yield Looked(f + 1, total)
        nothing = rle.empty(*self._shape[1:])
        names = names_of(self.layer.features)
        yield Given(
            source=repr(self.layer.name),
            objects=tuple(
                GivenObject(
                    object_id=label,
                    name=names.get(label, f"object {label}"),
                    masks={f: of.get(f, nothing) for f in range(total)},
                )
                for label, of in sorted(masks.items())
            ),
        )

    def finish(self, step: Given) -> Workspace:
        """Make the workspace; on the thread that owns the layers.

        Raises
        ------
        RequestError
            If the layer is not as it was when it was read.
        """
        known = workspace_of(self.layer)
        if known is not None:  # taken over from another dock meanwhile
            return known
        is_there = self.layer in self._viewer.layers and self.layer.data is self._data
        if not is_there or self._was_painted:
            raise RequestError(
                f"{self.layer.name!r} was changed while it was read.", "Take it over once more."
            )
        view = LabelsView(self._viewer, self.placement, self._shape)
        project = Project(self._shape, self.placement.planes)
        name, key = self.layer.name, ""
        if self._image is not None:
            image, axes, choice = self._image
            name, key = image.name, str(image.unique_id)
            placement = place(image, axes, choice)
            same = placement.stack_length == self._shape[0]
            size = axes.shape[axes.y], axes.shape[axes.x]
            if same and placement.planes == self.placement.planes and size == self._shape[1:]:
                project.footage = footage_opener(image, axes, choice)()
        workspace = Workspace(project, view, image_name=name, image_key=key)
        if self._image is not None:
            workspace.look = look_of(*self._image)
        workspace.adopt(self.layer)
        workspace.do(step)
        return workspace

    def _note_paint(self, event: object) -> None:
        self._was_painted = True
