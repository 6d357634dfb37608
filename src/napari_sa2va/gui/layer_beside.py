"""Image layers whose intensities are measured besides those of the clip. No Qt.

What the model was shown is often not what is to be measured: a reporter channel lies in another layer,
or on another position of the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.analysis.measure import INTENSITY, Measurements
from napari_sa2va.analysis.shape import cut_out
from napari_sa2va.gui.layer_axes import read_axes
from napari_sa2va.gui.layer_frames import LayerFrames, frames_under

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Image

    from napari_sa2va.core.rle import Rle
    from napari_sa2va.gui.workspace import Workspace


@dataclass(frozen=True, eq=False)
class LayerBeside:
    """Make one with `beside`. May be read on any thread.

    Attributes
    ----------
    frames : LayerFrames
        Axes that the masks lie across are read whole: channels, and stacks of which the model saw a
        projection.
    channels : tuple of (tuple of str, or None)
        What the positions along each of those axes are called; None where the layer does not say
        that they are channels.
    """

    frames: LayerFrames
    channels: tuple[tuple[str, ...] | None, ...]

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.frames.name

    def means(
        self, f: int, table: Measurements, codes: Mapping[int, Rle], projection: object
    ) -> Measurements:
        """Mean intensities of the objects of a frame.

        Parameters
        ----------
        f : int
            Frame of the stack.
        table : Measurements
            Of that frame, see `analysis.measure`.
        codes : mapping of int to Rle
            Masks by object id.
        projection : object
            What the clip took of its planes, `Clip.z`: "max" and "mean" are taken here, too.

        Returns
        -------
        Measurements
            A column for each channel, named as those of `analysis.measure`.
        """
        picture, titles = self._picture(f, projection)
        means = np.empty((len(table["index"]), len(titles)))
        boxes = np.stack([table[f"bbox_{side}_px"] for side in ("y0", "x0", "y1", "x1")], axis=1)
        for row, (object_id, box) in enumerate(zip(table["index"].tolist(), boxes, strict=True)):
            y0, x0, y1, x1 = box.tolist()
            inside = cut_out(codes[object_id], (y0, x0, y1, x1))
            means[row] = picture[y0:y1, x0:x1][inside].mean(axis=0, dtype=np.float64)
        return {f"{INTENSITY}_{title}": means[:, c] for c, title in enumerate(titles)}

    def _picture(self, f: int, projection: object) -> tuple[np.ndarray, list[str]]:
        """A frame as (Y, X, C), and what its channels are called."""
        shape = [self.frames.data.shape[axis] for axis in self.frames.whole]
        # Of two axes that do not say what they are, nobody knows which one was projected.
        is_known = self.channels.count(None) == 1 and projection in ("max", "mean")
        project = [names is None and is_known for names in self.channels]
        titles = [self.name]
        for size, names, flat in zip(shape, self.channels, project, strict=True):
            if not flat:
                called = names or tuple(str(c) for c in range(size))
                titles = [f"{title}, {c}" for title in titles for c in called]
        picture = self.frames.read(f)
        for axis in reversed([2 + place for place, flat in enumerate(project) if flat]):
            picture = picture.max(axis) if projection == "max" else picture.mean(axis, np.float64)
        return picture.reshape(*picture.shape[:2], -1), titles


def beside(workspace: Workspace, layer: Any) -> LayerBeside | None:
    """How an image layer is measured with the masks of a workspace; reads no pixel.

    Parameters
    ----------
    workspace : Workspace
    layer : napari.layers.Image

    Returns
    -------
    LayerBeside or None
        None if it does not lie pixel on pixel under all frames, or is RGB.
    """
    if layer.rgb:
        return None
    frames = frames_under(workspace, layer)
    shape, axes = frames.data.shape, read_axes(layer)
    across = [dim for dim, letter in enumerate(frames.placement.dims) if letter == "1"]
    # A plane as thick as the stack lies in the middle of it, see `gui.placement.place`.
    whole = tuple(
        axis
        for axis, size in enumerate(shape)
        if size > 1 and any(np.isclose(frames.steps[axis, dim], size) for dim in across)
    )
    frames = replace(frames, whole=whole)
    last = frames.placement.stack_length - 1
    if not (frames.is_pixel_on_pixel and frames.covers(0) and frames.covers(last)):
        return None
    known = [axes.axis(axis) for axis in whole]
    names = [axis.names or tuple(str(c) for c in range(axis.size)) for axis in known]
    channels = tuple(
        called if axis.letter == "C" else None for axis, called in zip(known, names, strict=True)
    )
    return LayerBeside(frames, channels)


def layers_beside(workspace: Workspace) -> list[Image]:
    """Image layers that can be measured besides the clip, from the top of the list down.

    The clip's own layer is one of them only if it has more channels than were shown to the model.
    """
    from napari.layers import Image

    found: list[Image] = []
    for layer in reversed(workspace.view.viewer.layers):
        if not isinstance(layer, Image):
            continue
        measured = beside(workspace, layer)
        if measured is None:
            continue
        has_channels = any(names is not None for names in measured.channels)
        if layer.name != workspace.image_name or has_channels:
            found.append(layer)
    return found
