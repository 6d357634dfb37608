"""Where the masks of a clip lie in a label image of NGFF: its axes, sizes, levels and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_sa2va.core.axes import PROJECTIONS
from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.ngff import multiscale_of

if TYPE_CHECKING:
    import zarr

    from napari_sa2va.core.zarr_tree import ZarrTree
    from napari_sa2va.writers.result import Result

VERSIONS = ("0.4", "0.5")
_SMALLEST_CHUNK_PX, _LARGEST_CHUNK_PX = 256, 2048
# A picture of this size is drawn without a smaller copy.
_SMALLEST_LEVEL_PX = 512
_TYPES = {"T": "time", "Z": "space", "Y": "space", "X": "space"}
_UNITS = {"T": "second", "Z": "micrometer", "Y": "micrometer", "X": "micrometer"}

Transformations = list[dict[str, Any]]


@dataclass(frozen=True)
class LabelPlan:
    """A label image that is to be written.

    Attributes
    ----------
    version : str
        Of NGFF: "0.4" or "0.5".
    zarr_format : {2, 3}
    axes : list of dict
        As the metadata have them.
    letters : str
        One out of "TZYX" per axis.
    shapes : tuple of tuple of int
        Of the levels, the largest first.
    scales : tuple of Transformations
        Of the levels.
    scale_of_all : Transformations
        What comes after them; may be empty.
    chunk_yx : tuple of int
        Rows and columns of a chunk, which holds one plane or a part of it.
    corner_zyx : tuple of int
        Where the first plane, row and column of the clip lie.
    source : str
        Path of the image from the label image; empty for a label image by itself.
    """

    version: str
    zarr_format: Literal[2, 3]
    axes: list[Any]
    letters: str
    shapes: tuple[tuple[int, ...], ...]
    scales: tuple[Transformations, ...]
    scale_of_all: Transformations
    chunk_yx: tuple[int, int]
    corner_zyx: tuple[int, int, int]
    source: str = ""


def plan_inside(tree: ZarrTree, image: str, result: Result) -> LabelPlan:
    """The label image of an image: its full canvas, with its levels, without its channels.

    The masks of a crop, or of one plane, lie where they belong on that canvas. Those of a projection
    have one plane as thick as the stack.

    Parameters
    ----------
    tree : ZarrTree
        The store.
    image : str
        Path of the image in it.
    result : Result

    Raises
    ------
    OutputError
        If the image is of another NGFF version, or the masks do not fit on it.
    ClipError
        If the image is damaged.
    """
    attributes = tree.attributes(image)
    entry = attributes["multiscales"][0]
    known = multiscale_of(attributes)
    version = str(attributes.get("version") or entry.get("version"))
    if version not in VERSIONS:
        raise OutputError(
            f"{tree.place.address} is of NGFF version {version}, and labels are put into "
            f"{' and '.join(VERSIONS)}.",
            "Convert it, or write the labels to a store of their own.",
        )
    arrays = [tree.array(f"{image}/{path}" if image else path) for path in known.paths]
    letters = _letters(known.axes, result)
    if not set("YX") <= set(letters) or any(array.ndim != len(letters) for array in arrays):
        raise OutputError(
            f"{tree.place.address}: the arrays do not have the axes {letters} that the metadata name.",
            "Let the writer's validator look at this store.",
        )
    kept = [i for i, letter in enumerate(letters) if letter in "TZYX"]
    shapes = [[int(array.shape[i]) for i in kept] for array in arrays]
    scales = [_kept(d.get("coordinateTransformations", []), kept) for d in entry["datasets"]]
    kept_letters = "".join(letters[i] for i in kept)
    if result.clip.z in PROJECTIONS and "Z" in kept_letters:
        z = kept_letters.index("Z")
        for shape, scale in zip(shapes, scales, strict=True):
            _thicken(scale, z, shape[z])
            shape[z] = 1
    plan = LabelPlan(
        version,
        arrays[0].metadata.zarr_format,
        [entry["axes"][i] for i in kept],
        kept_letters,
        tuple(tuple(shape) for shape in shapes),
        tuple(scales),
        _kept(entry.get("coordinateTransformations", []), kept),
        _chunk(arrays[0], letters),
        _corner(result),
        "../../",
    )
    _check_fits(tree.place.address, plan, result)
    return plan


def plan_alone(result: Result) -> LabelPlan:
    """A label image by itself, of the size of the clip; a crop is moved to where it lies."""
    clip = result.clip
    has_z = clip.time_axis == "Z" or result.num_planes > 1
    letters = ("T" if clip.time_axis == "T" else "") + ("Z" if has_z else "") + "YX"
    y, x = clip.pixel_size_um or (None, None)
    steps = {"T": clip.frame_interval_s, "Z": clip.z_step_um, "Y": y, "X": x}
    sizes = {"T": result.num_times, "Z": result.num_z, "Y": clip.height, "X": clip.width}
    scale = [steps[a] or 1.0 for a in letters]
    corner = dict(zip("TZYX", (0, *_corner(result)), strict=True))
    moved = [corner[a] * step for a, step in zip(letters, scale, strict=True)]
    shapes, scales = [], []
    factor = 1
    while factor == 1 or max(clip.height, clip.width) * 2 > _SMALLEST_LEVEL_PX * factor:
        shape = [max(sizes[a] // (factor if a in "YX" else 1), 1) for a in letters]
        wider = [step * sizes[a] / n for a, step, n in zip(letters, scale, shape, strict=True)]
        shapes.append(tuple(shape))
        scales.append([{"type": "scale", "scale": wider}])
        if any(moved):
            scales[-1].append({"type": "translation", "translation": moved})
        factor *= 2
    axes = [
        {"name": a.lower(), "type": _TYPES[a]} | ({"unit": _UNITS[a]} if steps[a] else {})
        for a in letters
    ]
    side = _SMALLEST_CHUNK_PX * 4
    chunk_yx = min(side, clip.height), min(side, clip.width)
    return LabelPlan("0.5", 3, axes, letters, tuple(shapes), tuple(scales), [], chunk_yx, (0, 0, 0))


def _letters(axes: str, result: Result) -> str:
    """What the axes are, unless they were named anew when the clip was opened."""
    given = str(result.clip.opened_with.get("axes", "")).strip().upper()
    return given if len(given) == len(axes) else axes


def _corner(result: Result) -> tuple[int, int, int]:
    clip = result.clip
    z = clip.z if isinstance(clip.z, int) else 0
    return (z, clip.box.y0, clip.box.x0) if clip.box else (z, 0, 0)


def _chunk(array: zarr.Array, letters: str) -> tuple[int, int]:
    """Of the image, if that is neither so small nor so large that it would be a nuisance."""
    y, x = (
        min(max(int(array.chunks[letters.index(a)]), _SMALLEST_CHUNK_PX), _LARGEST_CHUNK_PX)
        for a in "YX"
    )
    height, width = (int(array.shape[letters.index(a)]) for a in "YX")
    return min(y, height), min(x, width)


def _kept(given: Sequence[Mapping[str, Any]], kept: Sequence[int]) -> Transformations:
    """Scales and translations of the axes that stay."""
    return [
        {"type": step["type"], step["type"]: [step[step["type"]][i] for i in kept]}
        for step in given
        if isinstance(step.get(step["type"]), list) and len(step[step["type"]]) > max(kept)
    ]


def _thicken(scale: Transformations, axis: int, planes: int) -> None:
    """Make one plane of all planes of an axis; its middle lies in the middle of the stack."""
    steps = {step["type"]: step[step["type"]] for step in scale}
    if "scale" not in steps:
        return
    thin = steps["scale"][axis]
    steps["scale"][axis] = thin * planes
    if "translation" not in steps:
        steps["translation"] = [0.0] * len(steps["scale"])
        scale.append({"type": "translation", "translation": steps["translation"]})
    steps["translation"][axis] += thin * (planes - 1) / 2


def _check_fits(address: str, plan: LabelPlan, result: Result) -> None:
    there = dict(zip(plan.letters, plan.shapes[0], strict=True))
    clip = result.clip
    z, y, x = plan.corner_zyx
    wanted = {
        "T": result.num_times,
        "Z": z + result.num_z,
        "Y": y + clip.height,
        "X": x + clip.width,
    }
    # An image that is still being acquired may have grown since.
    fits = all(n <= there.get(a, 1) for a, n in wanted.items())
    is_whole = clip.box is not None or all(there[a] == wanted[a] for a in "YX")
    if not (fits and is_whole):
        raise OutputError(
            f"The masks have {_said(wanted)}, and the image {address} has {_said(there)}.",
            "Write them into the image that they were made from.",
        )


def _said(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis}={n}" for axis, n in sizes.items())
