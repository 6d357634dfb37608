"""The pixels of any layer under the frames of a workspace: a truth, or a channel of its own. No Qt.

Such layers come with another dtype, on disk, with fewer axes or others, cropped, or at another
resolution. They are met where they are seen, in the coordinates of the viewer, as the nearest pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core import pixels
from napari_sa2va.core.errors import ShapeMismatch

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sa2va.gui.placement import Placement
    from napari_sa2va.gui.workspace import Workspace

_SMALL = 1e-6  # px; less is rounding


@dataclass(frozen=True, eq=False)
class LayerFrames:
    """Make one with `frames_under`. May be read on any thread.

    Attributes
    ----------
    name : str
        Of the layer, as it was.
    data : array
        NumPy, dask, zarr or anything with shape, dtype and slicing; M axes.
    placement : Placement
        Of the workspace; its dims are N.
    size : tuple of int
        (Y, X) of a frame of the workspace.
    origin : ndarray of float, shape (M,)
        Index of the data where the workspace's Labels layer has the index 0 along all dims.
    steps : ndarray of float, shape (M, N)
        How far the index moves by one step along each dim of the Labels layer.
    whole : tuple of int
        Axes of the data that are read from end to end, and come last in what is read.
    """

    name: str
    data: Any
    placement: Placement
    size: tuple[int, int]
    origin: np.ndarray
    steps: np.ndarray
    whole: tuple[int, ...] = ()

    def covers(self, f: int) -> bool:
        """Whether the layer has pixels under a whole frame; a pixel's width may be missing."""
        slack = [bool(moves.any()) for moves in self._moves]
        return all(
            -int(loose) <= place.min() and place.max() < size + int(loose)
            for axis, (place, size, loose) in enumerate(
                zip(self._places(f), self.data.shape, slack, strict=True)
            )
            if axis not in self.whole
        )

    @property
    def frames(self) -> list[int]:
        """The frames of the stack that the layer has pixels under."""
        return [f for f in range(self.placement.stack_length) if self.covers(f)]

    @property
    def is_pixel_on_pixel(self) -> bool:
        """Whether each pixel of a frame is one of the layer, in the same order, and none is missing."""
        turned = np.sort(np.abs(self._moves), axis=0)
        at = self._at(0)[self._moves.any(axis=1)]
        inside = all(
            place.min() >= 0 and place.max() < size
            for place, size in zip(self._places(0), self.data.shape, strict=True)
            if place.ndim
        )
        return bool(
            inside
            and np.allclose(turned[-1], 1, atol=_SMALL)
            and np.allclose(turned[:-1], 0, atol=_SMALL)
            and self._moves.min() >= -_SMALL
            and np.allclose(at, np.rint(at), atol=1e-3)
        )

    @property
    def has_size(self) -> bool:
        """Whether it has as many rows and columns as a frame, wherever they lie."""
        y, x = np.abs(self._moves).argmax(axis=0)
        return (self.data.shape[y], self.data.shape[x]) == self.size

    def read(self, f: int) -> np.ndarray:
        """The pixels under a frame, (Y, X), followed by the axes of `whole`; in their own dtype.

        Only the block of the data that holds them is read. Where a pixel's width is missing at the
        border, the outermost pixels stand for it.
        """
        block_index: list[int | slice] = []
        inside: list[np.ndarray] = []
        last: list[int] = []  # axes of the block that are read whole
        for axis, (place, size) in enumerate(zip(self._places(f), self.data.shape, strict=True)):
            if axis in self.whole:
                last.append(sum(isinstance(part, slice) for part in block_index))
                block_index.append(slice(None))
            elif not place.ndim:
                block_index.append(int(place))
            else:
                place = np.clip(place, 0, size - 1)
                low, high = int(place.min()), int(place.max())
                block_index.append(slice(low, high + 1))
                inside.append(place - low)
        block = pixels.read(self.data[tuple(block_index)])
        block = np.moveaxis(block, last, range(block.ndim - len(last), block.ndim))
        return block[tuple(inside)]

    @property
    def _moves(self) -> np.ndarray:
        """How far the index moves by a step along y and along x, (M, 2)."""
        dims = self.placement.dims
        return self.steps[:, [dims.index("Y"), dims.index("X")]]

    def _at(self, f: int) -> np.ndarray:
        """Index of the upper left pixel of a frame, float (M,)."""
        at: np.ndarray = self.origin + self.steps @ np.array(self.placement.point_of(f))
        return at

    def _places(self, f: int) -> list[np.ndarray]:
        """Index along each axis; () where it is the same in a frame, else it broadcasts to (Y, X)."""
        y, x = np.arange(self.size[0])[:, np.newaxis], np.arange(self.size[1])[np.newaxis]
        places = []
        for at, (down, right) in zip(self._at(f), self._moves, strict=True):
            place = np.asarray(at)
            place = place + down * y if down else place
            place = place + right * x if right else place
            # Halves are rounded up, all of them: else pixels of twice the size had uneven shares.
            places.append(np.floor(place + (0.5 + _SMALL)).astype(np.intp))
        return places


def frames_under(workspace: Workspace, layer: Any) -> LayerFrames:
    """How a layer lies under the frames of a workspace; reads no pixel.

    An axis that the layer has not, it has all along. A layer with as many axes as the masks really
    have, (T, Y, X) say, where the image has one more of which one plane was taken, is taken to have
    those: lined up from the last axis, as napari does, its time would lie along that plane's.

    Parameters
    ----------
    workspace : Workspace
    layer : napari.layers.Labels or napari.layers.Image
        Not RGB. Read on the thread that owns it.
    """
    placement = workspace.view.placement
    labels = workspace.layer if workspace.layer is not None else _stand_in(workspace)
    ndim = len(placement.dims)
    data = layer.data[0] if layer.multiscale else layer.data
    corners = np.vstack([np.zeros(ndim), np.eye(ndim)])
    world = np.array([labels.data_to_world(corner) for corner in corners])  # (N + 1, N)
    beyond = len(data.shape) - ndim
    if beyond > 0:
        here = np.asarray(workspace.view.viewer.dims.point, dtype=float)[-len(data.shape) :][
            :beyond
        ]
        world = np.hstack([np.tile(here, (ndim + 1, 1)), world])
    else:
        world = world[:, _meant(placement, tuple(data.shape))]
    at = np.array([layer.world_to_data(position) for position in world])  # (N + 1, M)
    steps = (at[1:] - at[0]).T
    steps[np.abs(steps) < _SMALL] = 0.0
    return LayerFrames(layer.name, data, placement, workspace.view.shape[1:], at[0], steps)


def truth_under(workspace: Workspace, layer: Any) -> LayerFrames:
    """A Labels layer whose labels are taken for the truth about the masks of a workspace.

    Raises
    ------
    ShapeMismatch
        If it does not lie on the image.
    """
    frames = frames_under(workspace, layer)
    size, image = frames.size, workspace.image_name
    if frames.has_size and not frames.is_pixel_on_pixel:
        raise ShapeMismatch(
            f"{layer.name!r} has {size[0]} × {size[1]} px like {image!r}, but lies elsewhere.",
            "Give it the image's scale, units and place: layer.scale = image.scale, and so on.",
        )
    if not frames.frames:
        raise ShapeMismatch(
            f"{layer.name!r}, of shape {tuple(frames.data.shape)}, does not lie on the frames of "
            f"{image!r}.",
            "Choose labels of the same movie that cover whole frames of it.",
        )
    return frames


def _meant(placement: Placement, shape: tuple[int, ...]) -> list[int]:
    """The dims of the masks that the axes of a layer are, which has no more of them."""
    dims = placement.dims
    last = list(range(len(dims) - len(shape), len(dims)))
    own = [dim for dim, letter in enumerate(dims) if letter != "1"]
    time = placement.time_dim
    if time is None or time in last or len(own) != len(shape):
        return last
    return own if shape[own.index(time)] == placement.num_frames else last


def _stand_in(workspace: Workspace) -> Labels:
    """A layer without pixels where that of the workspace is going to be."""
    from napari.layers import Labels

    placement = workspace.view.placement
    shape = placement.layer_shape(workspace.view.shape)
    return Labels(np.broadcast_to(np.zeros((), np.uint8), shape), **placement.transform)
