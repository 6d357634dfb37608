"""Where the masks of a clip lie in the space of the image layer they were made from.

No Qt and no viewer: sizes, and the transform of the result, worked out once before a run, so that
the image layer may change or vanish while the run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes

if TYPE_CHECKING:
    from napari_sa2va.core.region_box import Box

_STACKED = "ZTYX"


@dataclass(frozen=True)
class Placement:
    """How a stack of label images (F, Y, X) becomes the data of a Labels layer.

    Frame f of the stack is frame t of a movie, or, where every plane of it is followed on its own,
    frame t of plane z: f = z * num_frames + t.

    Attributes
    ----------
    dims : str
        One letter per dim of the Labels layer: "T" plays, "Z" counts planes that are followed on
        their own, "Y" and "X" are the frame's, and "1" is a dim of the image of which nothing was
        kept; it has the length 1.
    num_frames : int
        Frames that play, T; 1 for a single picture.
    planes : int
        Planes that are followed on their own, Z; 1 if there is no such dim.
    transform : dict
        `scale`, `translate`, `rotate`, `shear`, `affine`, and `units` and `axis_labels` where
        the image layer has them: keyword arguments of a layer.
    """

    dims: str
    num_frames: int = 1
    planes: int = 1
    transform: dict[str, Any] = field(default_factory=dict)

    @property
    def time_dim(self) -> int | None:
        """Dim of the Labels layer that plays."""
        return self._dim("T")

    @property
    def plane_dim(self) -> int | None:
        """Dim of the Labels layer that counts planes which are followed on their own."""
        return self._dim("Z")

    @property
    def stack_length(self) -> int:
        """Number of frames in the stack, F = Z * T."""
        return self.planes * self.num_frames

    def view(self, stack: Any) -> Any:
        """The data of the layer.

        Parameters
        ----------
        stack : ndarray, shape (F, Y, X), or array on disk
            What NumPy can turn is turned. A zarr array cannot be, so it has to have been made in
            the layer's order (see `layer_shape`), and is given back as it is.

        Returns
        -------
        ndarray or array on disk
            Shares the memory of `stack`.

        Raises
        ------
        ShapeMismatch
            If it has not as many frames as the clip, or is on disk in another order.
        """
        if not isinstance(stack, np.ndarray):
            fixed = {"T": self.num_frames, "Z": self.planes, "1": 1}
            shape = tuple(int(n) for n in stack.shape)
            if len(shape) != len(self.dims) or any(
                fixed.get(letter, n) != n for letter, n in zip(self.dims, shape, strict=True)
            ):
                raise ShapeMismatch(
                    f"An array on disk of shape {shape} has not the layer's dims {self.dims}.",
                    "Make it with the shape that `layer_shape` tells.",
                )
            return stack
        self._check_length(stack.shape)
        return self.turned(stack.reshape(self.planes, self.num_frames, *stack.shape[1:]))

    def turned(self, apart: Any) -> Any:
        """An array (Z, T, Y, X) or (Z, T, Y, X, C) in the dims of the layer, C still the last.

        Parameters
        ----------
        apart : ndarray or dask.array.Array

        Returns
        -------
        ndarray or dask.array.Array
            Shares the memory of `apart`.
        """
        kept = apart[tuple(slice(None) if letter in self.dims else 0 for letter in _STACKED)]
        letters = [letter for letter in _STACKED if letter in self.dims]
        order = [letters.index(letter) for letter in self.dims if letter != "1"]
        turned = kept.transpose([*order, *range(len(order), kept.ndim)])
        return turned[tuple(None if letter == "1" else slice(None) for letter in self.dims)]

    def layer_shape(self, stack_shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the layer's data for a stack of shape (F, Y, X).

        Raises
        ------
        ShapeMismatch
            If the stack has not as many frames as the clip.
        """
        self._check_length(stack_shape)
        _, height, width = stack_shape
        sizes = {"T": self.num_frames, "Z": self.planes, "Y": height, "X": width, "1": 1}
        return tuple(sizes[letter] for letter in self.dims)

    def plane_index(self, f: int) -> tuple[int | slice, ...]:
        """Where frame `f` of the stack lies in the layer's data, of NumPy as of zarr.

        `data[plane_index(f)] = to_layer(plane)` writes it and `from_layer(data[plane_index(f)])`
        reads it: of a layer whose x comes before y, the part is (X, Y).

        Raises
        ------
        RequestError
            If there is no such frame.
        """
        z, t = self._apart(f)
        at: dict[str, int | slice] = {"T": t, "Z": z, "Y": slice(None), "X": slice(None), "1": 0}
        return tuple(at[letter] for letter in self.dims)

    def to_layer(self, plane: np.ndarray) -> np.ndarray:
        """A label image (Y, X) in the order of the layer's y and x; shares its memory."""
        return plane.T if self.dims.index("X") < self.dims.index("Y") else plane

    def from_layer(self, part: np.ndarray) -> np.ndarray:
        """A part of the layer's data at a `plane_index` as a label image (Y, X)."""
        return self.to_layer(part)  # turning twice is not turning

    def frame_of(self, point: Sequence[float]) -> int | None:
        """The frame of the stack at a point.

        Parameters
        ----------
        point : sequence of float
            In data coordinates of the Labels layer: `layer.world_to_data(viewer.dims.point)`.

        Returns
        -------
        int or None
            None if the point lies before the first or behind the last frame or plane.
        """
        here = {"T": 0, "Z": 0}
        for letter, count in (("T", self.num_frames), ("Z", self.planes)):
            dim = self._dim(letter)
            if dim is not None:
                here[letter] = int(np.rint(point[dim]))
                if not 0 <= here[letter] < count:
                    return None
        return here["Z"] * self.num_frames + here["T"]

    def point_of(self, f: int, near: Sequence[float] | None = None) -> tuple[float, ...]:
        """A point on frame `f` of the stack, in data coordinates of the Labels layer.

        Parameters
        ----------
        f : int
        near : sequence of float, optional
            The point to keep where frames and planes do not matter; by default the origin.

        Raises
        ------
        RequestError
            If there is no such frame.
        """
        z, t = self._apart(f)
        point = [float(v) for v in near] if near is not None else [0.0] * len(self.dims)
        for letter, position in (("T", t), ("Z", z)):
            dim = self._dim(letter)
            if dim is not None:
                point[dim] = float(position)
        return tuple(point)

    def _dim(self, letter: str) -> int | None:
        return self.dims.index(letter) if letter in self.dims else None

    def _apart(self, f: int) -> tuple[int, int]:
        """Plane and time of a frame of the stack."""
        if not 0 <= f < self.stack_length:
            raise RequestError(
                f"There is no frame {f} in a stack of {self.stack_length} frames.",
                f"Choose 0 to {self.stack_length - 1}.",
            )
        return divmod(f, self.num_frames)

    def _check_length(self, stack_shape: Sequence[int]) -> None:
        if len(stack_shape) != 3 or stack_shape[0] != self.stack_length:
            raise ShapeMismatch(
                f"A stack of shape {tuple(stack_shape)} is not (F, Y, X) with "
                f"F = {self.planes} planes x {self.num_frames} frames.",
                "Give the masks of the whole clip.",
            )


def place(layer: Any, axes: LayerAxes, choice: AxisChoice, box: Box | None = None) -> Placement:
    """Work out where the result of a run on `layer` goes.

    An axis of which one plane was taken gets one plane at the same place. An axis that was
    projected, or shown as colours, gets one plane as thick as the whole stack, so that the masks
    are seen at each of its positions; so does an axis of channels, as objects are not in one of
    them.

    Parameters
    ----------
    layer : napari.layers.Image
    axes : LayerAxes
    choice : AxisChoice
    box : Box, optional
        The masks are of this part of the frame, and the Labels layer lies over it. By default it
        is as large as the image.
    """
    ndim = len(axes.shape)
    letters = {choice.plays: "T", choice.every: "Z", axes.y: "Y", axes.x: "X"}
    offset = np.zeros(ndim)
    thickness = np.ones(ndim)
    if box is not None:
        offset[axes.y], offset[axes.x] = box.y0, box.x0
    for axis in axes.others:
        if axis.dim in letters:
            continue
        if choice.rests.get(axis.dim, "view") == "view" and axis.letter != "C":
            offset[axis.dim] = min(max(choice.position(axis.dim), 0), axis.size - 1)
        else:
            offset[axis.dim] = (axis.size - 1) / 2
            thickness[axis.dim] = axis.size
    transform: dict[str, Any] = {
        "scale": np.array(layer.scale, dtype=float) * thickness,
        "translate": np.array(layer.translate, dtype=float) + _linear(layer) @ offset,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": np.array(layer.affine.affine_matrix),
    }
    for name in ("units", "axis_labels"):
        value = getattr(layer, name, None)
        if value is not None:
            transform[name] = tuple(value)
    return Placement(
        dims="".join(letters.get(dim, "1") for dim in range(ndim)),
        num_frames=1 if choice.plays is None else axes.shape[choice.plays],
        planes=1 if choice.every is None else axes.shape[choice.every],
        transform=transform,
    )


def _linear(layer: Any) -> np.ndarray:
    """Scale, shear and rotation of a layer as one matrix, without its extra affine."""
    from napari.utils.transforms import Affine

    affine = Affine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear, ndim=layer.ndim)
    return np.asarray(affine.linear_matrix)
