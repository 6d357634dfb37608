"""CZI, the format of Zeiss' ZEN, read with Zeiss' own library.

The file is opened for each plane, so that planes can be read by several threads and processes: its
directory takes 0.2 ms per thousand tiles.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.extras import need
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.czi.facts import read_facts, scene_names
from napari_sa2va.readers.damage import as_clip_error
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.series import choose

if TYPE_CHECKING:
    from pylibCZIrw.czi import CziReader

EXTENSIONS = (".czi",)
FORMAT = ReadFormat(
    title="CZI of ZEN",
    extensions=EXTENSIONS,
    axes="TZCYXS",
    magic=((0, b"ZISRAWFILE"),),
    facts="pixel size, z step, frame interval, channel names and colours, limits",
    lazy="one plane, put together from its tiles",
    tested_with="pylibCZIrw's writer",
    extra="czi",
)
_DTYPES = {
    "Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32",
    "Bgr24": "uint8", "Bgr48": "uint16", "Bgr96Float": "float32",
}  # fmt: skip
# Dimensions that are neither played nor shown: phases, views, rotations, illuminations, blocks.
_OTHER_DIMS = {"H": "phases", "V": "views", "R": "rotations", "I": "illuminations", "B": "blocks"}


def accepts(path: Path) -> bool:
    """Whether the name or the first ten bytes say CZI."""
    return FORMAT.fits(path)


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a file; reads its directory and metadata, not its pixels.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Which of several scenes, by number or name.

    Returns
    -------
    Recording
        Tiles of a mosaic are put together; where there is none, pixels are 0.

    Raises
    ------
    SeriesError
        If there are several scenes and none was chosen.
    ClipError
        If the file is damaged or truncated.
    MissingPackage
        Without pylibCZIrw.
    """
    need("pylibCZIrw.czi", "czi", "read CZI files")
    with as_clip_error(path, "read as CZI", "Is it complete, and really a CZI file?"):
        reader = _opened(path)
        try:
            return _recording(path, reader, series)
        finally:
            reader.close()


def _opened(path: str | Path) -> CziReader:
    from pylibCZIrw.czi import CziReader, ReaderFileInputTypes

    return CziReader(str(path), ReaderFileInputTypes.Standard)


def _recording(path: Path, reader: CziReader, series: int | str | None) -> Recording:
    box = reader.total_bounding_box
    lead = {axis: box[axis][1] - box[axis][0] for axis in "TZC"}
    types = [reader.get_channel_pixel_type(c) for c in range(min(lead["C"], 2**10))]
    unknown = sorted(set(types) - set(_DTYPES))
    if unknown or len({name.startswith("Bgr") for name in types}) != 1:
        raise ClipError(
            f"{path} has pixels of the types {', '.join(sorted(set(types)))}, which do not go together.",
            "Export the channel of interest as a file of its own.",
        )
    dtypes = [np.dtype(_DTYPES[name]) for name in types]
    dtype = np.result_type(*dtypes)
    is_color = types[0].startswith("Bgr")
    xml = reader.raw_metadata
    scene, rectangle = _scene(path, reader, xml, lead, series)
    x, y, width, height = rectangle
    kept = {axis: n for axis, n in lead.items() if n > 1} or {"T": 1}
    source = CziPlanes(str(path), kept, (x, y, width, height), scene, dtype)
    shape = (*kept.values(), height, width, *((3,) if is_color else ()))
    axes = "".join(kept) + "YX" + ("S" if is_color else "")
    facts = read_facts(xml, [] if is_color else dtypes)
    return Recording(
        lazy_planes(source, shape, dtype, len(kept), "czi"),
        axes,
        name=path.stem,
        source=str(path),
        notes=tuple(
            f"Of {box[dim][1]} {word} the first is read."
            for dim, word in _OTHER_DIMS.items()
            if dim in box and box[dim][1] > 1
        ),
        **facts,
    )


def _scene(
    path: Path, reader: CziReader, xml: str, lead: dict[str, int], series: int | str | None
) -> tuple[int | None, tuple[int, int, int, int]]:
    """Number and rectangle (x, y, width, height) in px of the scene that is meant."""
    scenes = reader.scenes_bounding_rectangle_no_pyramid
    told = ", ".join(f"{axis}={n}" for axis, n in lead.items())
    if not scenes:
        rectangle = reader.total_bounding_rectangle_no_pyramid
        choose(path, [(0, "the only scene")], series, noun="scenes")
        return None, tuple(rectangle)
    numbers = sorted(scenes)
    names = scene_names(xml)
    choices: list[tuple[int | str, str]] = [
        (n, f"{names.get(n, f'scene {n}')}: {told}, Y={scenes[n].h}, X={scenes[n].w}")
        for n in numbers
    ]
    named = [n for n in numbers if isinstance(series, str) and names.get(n) == series]
    number = numbers[choose(path, choices, named[0] if len(named) == 1 else series, noun="scenes")]
    return number, tuple(scenes[number])


class CziPlanes:
    """Planes of one scene.

    Parameters
    ----------
    path : str
    lead : dict
        Axes along which planes are counted, with their lengths.
    rectangle : tuple of int
        Of the scene: x, y, width, height in px.
    scene : int or None
        None where the file has no scenes.
    dtype : numpy.dtype
        One that holds all channels.
    """

    def __init__(
        self,
        path: str,
        lead: dict[str, int],
        rectangle: tuple[int, int, int, int],
        scene: int | None,
        dtype: np.dtype,
    ) -> None:
        self.path = path
        self.lead = lead
        self.rectangle = rectangle
        self.scene = scene
        self.dtype = dtype

    def read(self, index: int) -> np.ndarray:
        """Plane `index` of shape (Y, X) or (Y, X, S)."""
        at = np.unravel_index(index, tuple(self.lead.values()))
        place = {axis: int(i) for axis, i in zip(self.lead, at, strict=True)}
        hint = "The file is damaged there, or was it moved?"
        with as_clip_error(self.path, f"read at {place}", hint):
            reader = _opened(self.path)
            try:
                samples = reader.read(roi=self.rectangle, plane=place, scene=self.scene)
            finally:
                reader.close()
        plane = samples[..., 0] if samples.shape[-1] == 1 else samples[..., ::-1]  # blue first
        return np.ascontiguousarray(plane, self.dtype)
