"""OME-Zarr stores for tests, written by ome-zarr-py, or by hand where it would not write such a store."""

from __future__ import annotations

import http.server
import io
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def write_ngff(
    path: Path,
    pixels: np.ndarray,
    axes: str = "tyx",
    *,
    version: str = "0.5",
    scale: Mapping[str, float] | None = None,
    levels: int = 1,
    omero: Mapping[str, Any] | None = None,
    chunks: Sequence[int] | None = None,
) -> Path:
    """An image as ome-zarr-py writes it; `scale` is in seconds and micrometers."""
    from ome_zarr.format import format_from_version
    from ome_zarr.writer import write_image

    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    write_image(
        pixels,
        group,
        axes=list(axes),
        fmt=format_from_version(version),
        scale=dict.fromkeys(axes, 1.0) | dict(scale or {}),
        axes_units={a: UNITS[a] for a in axes if a in UNITS},
        scale_factors=[2**i for i in range(1, levels)],
        storage_options={
            "chunks": tuple(chunks or (*(1,) * (pixels.ndim - 2), *pixels.shape[-2:]))
        },
        **({"omero": omero} if omero else {}),
    )
    return path


def metadata(
    axes: str = "tyx",
    *,
    version: str = "0.5",
    paths: Sequence[str] = ("0",),
    scale: Sequence[float] | None = None,
    units: Mapping[str, str] = UNITS,
    **more: Any,
) -> dict[str, Any]:
    """Attributes of an image group, as the specification has them."""
    image = {
        "axes": [
            {"name": a, "type": TYPES[a]} | ({"unit": units[a]} if a in units else {}) for a in axes
        ],
        "datasets": [
            {
                "path": path,
                "coordinateTransformations": [
                    {"type": "scale", "scale": list(scale or [1.0] * len(axes))}
                ],
            }
            for path in paths
        ],
    }
    if version == "0.5":
        return {"ome": {"version": "0.5", "multiscales": [image], **more}}
    return {"multiscales": [image | {"version": version}], **more}


def write_by_hand(
    path: Path,
    pixels: np.ndarray,
    attributes: Mapping[str, Any],
    *,
    zarr_format: int = 3,
    **array: Any,
) -> Path:
    """A group with these attributes and an array "0"."""
    group = zarr.open_group(str(path), mode="a", zarr_format=zarr_format)
    group.attrs.update(attributes)
    made = group.create_array("0", shape=pixels.shape, dtype=pixels.dtype, **array)
    made[...] = pixels
    return path


def write_hollow(path: Path, shape: Sequence[int], chunks: Sequence[int]) -> Path:
    """A movie (T, Y, X) of uint8 of any size, of whose pixels nothing is on the disk."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.attrs.update(metadata(version="0.4", units={}))
    group.create_array("0", shape=tuple(shape), chunks=tuple(chunks), dtype="u1")
    return path


def write_plate(
    path: Path, wells: Mapping[str, Sequence[np.ndarray]], version: str = "0.5"
) -> Path:
    """A plate with the fields of view (T, Y, X) of wells such as "A/1", by hand."""
    zarr_format = 3 if version == "0.5" else 2

    def group(at: Path, what: str, content: Mapping[str, Any]) -> None:
        made = zarr.open_group(str(at), mode="a", zarr_format=zarr_format)
        newer = {"ome": {"version": "0.5", what: content}}
        made.attrs.update(newer if version == "0.5" else {what: {"version": version, **content}})

    group(path, "plate", {"wells": [{"path": well} for well in wells]})
    for well, fields in wells.items():
        zarr.open_group(str((path / well).parent), mode="a", zarr_format=zarr_format)
        images = [{"path": str(number)} for number in range(len(fields))]
        group(path / well, "well", {"images": images})
        for number, pixels in enumerate(fields):
            attributes = metadata(version=version)
            write_by_hand(path / well / str(number), pixels, attributes, zarr_format=zarr_format)
    return path


def zipped(store: Path, path: Path, prefix: str = "") -> Path:
    """A folder as a ZIP archive, not compressed."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(store.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(store).as_posix())
    return path


class _Server(http.server.SimpleHTTPRequestHandler):
    """Files and parts of them, as object stores serve them; what is absent may be "forbidden"."""

    is_secretive = False

    def log_message(self, *_: object) -> None:
        pass

    def list_directory(self, _: object) -> None:
        self.send_error(404)

    def send_error(self, code: int, *more: Any) -> None:
        super().send_error(403 if code == 404 and self.is_secretive else code, *more)

    def send_head(self) -> Any:
        file = Path(self.translate_path(self.path))
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not (wanted and file.is_file()):
            return super().send_head()
        content = file.read_bytes()
        start, stop = wanted.groups()
        first = int(start) if start else len(content) - int(stop)
        last = min(int(stop), len(content) - 1) if start and stop else len(content) - 1
        part = content[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        return io.BytesIO(part)


class _SecretiveServer(_Server):
    is_secretive = True


@contextmanager
def served(folder: Path, *, is_secretive: bool = False) -> Iterator[str]:
    """The address of a folder, served on this machine while it is needed."""
    handler = partial(_SecretiveServer if is_secretive else _Server, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
