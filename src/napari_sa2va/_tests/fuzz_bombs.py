"""Files of a few bytes whose headers promise more than any machine has, one or more per format."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from napari_sa2va._tests.movies import write_movie
from napari_sa2va._tests.nd2_files import write_nd2

Bomb = Callable[[Path], Path]
_LONG = 4
_SMALL = np.zeros((2, 8, 8), np.uint8)


def _tiff(folder: Path, **changes: tuple[int, int]) -> Path:
    """One page of 8 x 8 px; values of tags (type and value, or count) as told."""
    tags = {"width": (256, 1, 8), "length": (257, 1, 8), "bits": (258, 1, 8),
            "compression": (259, 1, 1), "photometric": (262, 1, 1), "offset": (273, 1, 8),
            "samples": (277, 1, 1), "rows": (278, 1, 8), "counts": (279, 1, 64)}  # fmt: skip
    for name, (count, value) in changes.items():
        tags[name] = tags[name][0], count, value
    entries = b"".join(
        struct.pack("<HHII", code, _LONG, count, value) for code, count, value in tags.values()
    )
    data = struct.pack("<2sHI", b"II", 42, 72) + bytes(64)
    data += struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    (folder / "a.tif").write_bytes(data)
    return folder / "a.tif"


def _endless_tiff(folder: Path) -> Path:
    """A page whose next page is itself."""
    path = _tiff(folder)
    path.write_bytes(path.read_bytes()[:-4] + struct.pack("<I", 72))
    return path


def _bigtiff(folder: Path) -> Path:
    """A directory with 2 ** 60 tags."""
    data = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + struct.pack("<Q", 2**60) + bytes(200)
    (folder / "a.tif").write_bytes(data)
    return folder / "a.tif"


def _ome_tiff(folder: Path) -> Path:
    """OME-XML that speaks of 2 * 10 ** 15 planes beside the two that are there."""
    import tifffile

    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="8" SizeY="8" SizeC="1" '
        'SizeZ="1000000" SizeT="2000000000"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        "<TiffData/></Pixels></Image></OME>"
    )
    tifffile.imwrite(folder / "a.ome.tif", _SMALL, description=xml, metadata=None)
    return folder / "a.ome.tif"


def _png(folder: Path) -> Path:
    """A picture of 2 ** 31 - 1 px squared."""
    (folder / "images").mkdir()

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    side = 2**31 - 1
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    for t in range(2):
        (folder / "images" / f"{t}.png").write_bytes(data)
    return folder / "images"


def _jpeg(folder: Path) -> Path:
    """Pictures of 65500 px squared."""
    from PIL import Image

    (folder / "images").mkdir()
    path = folder / "images" / "0.jpg"
    Image.fromarray(_SMALL[0]).save(path)
    whole = path.read_bytes()
    at = whole.index(b"\xff\xc0") + 5
    whole = whole[:at] + struct.pack(">HH", 65500, 65500) + whole[at + 4 :]
    for t in range(2):
        (folder / "images" / f"{t}.jpg").write_bytes(whole)
    return folder / "images"


def _gif(folder: Path) -> Path:
    """A screen of 65535 px squared."""
    from PIL import Image

    path = folder / "a.gif"
    frames = [
        Image.fromarray(frame) for frame in _SMALL + np.arange(2, dtype=np.uint8)[:, None, None]
    ]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    whole = path.read_bytes()
    path.write_bytes(whole[:6] + b"\xff\xff\xff\xff" + whole[10:])
    return path


def _mp4(folder: Path, box: bytes, skip: int, value: bytes) -> Path:
    """A movie with a value written over a field of a box."""
    path = write_movie(folder / "a.mp4", 3)
    whole = path.read_bytes()
    at = whole.index(box) + 4 + skip
    path.write_bytes(whole[:at] + value + whole[at + len(value) :])
    return path


def _dicom(folder: Path, name: str, **values: object) -> Path:
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    dataset = dcmread(str(get_testdata_file(name, download=False)))
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(folder / "a.dcm")
    return folder / "a.dcm"


def _npy(folder: Path, shape: tuple[int, ...]) -> Path:
    np.save(folder / "a.npy", _SMALL)
    whole = (folder / "a.npy").read_bytes()
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    (folder / "a.npy").write_bytes(whole[:10] + header.encode() + whole[128:])
    return folder / "a.npy"


def _npz(folder: Path) -> Path:
    """A member that says it unpacks to a petabyte."""
    whole = _npy(folder, (10**5, 10**5, 10**5)).read_bytes()
    with ZipFile(folder / "a.npz", "w", ZIP_DEFLATED) as archive:
        archive.writestr("movie.npy", whole)
        archive.filelist[0].file_size = 10**15 + 128
    return folder / "a.npz"


def _hdf5(folder: Path, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("data", shape, "u2", chunks=chunks, compression="gzip")
    return folder / "a.h5"


def _nd2(folder: Path, field: str) -> Path:
    path = write_nd2(folder / "a.nd2", _SMALL, "TYX")
    whole = path.read_bytes()
    at = whole.rindex(f"{field}\0".encode("utf-16-le")) + 2 * len(field) + 2
    path.write_bytes(whole[:at] + struct.pack("<I", 2**32 - 1) + whole[at + 4 :])
    return path


def _czi(folder: Path) -> Path:
    """Two tiles far from each other."""
    from pylibCZIrw.czi import create_czi

    with create_czi(str(folder / "a.czi")) as file:
        for far in (0, 2 * 10**9):
            file.write(_SMALL[0][..., np.newaxis], location=(far, far))
    return folder / "a.czi"


def _zarr(folder: Path, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Path:
    """An OME-Zarr image without any chunk."""
    import zarr

    group = zarr.create_group(folder / "a.ome.zarr", zarr_format=2)
    group.attrs["multiscales"] = [{
        "version": "0.4",
        "axes": [{"name": a, "type": "time" if a == "t" else "space"} for a in "tyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [
            {"type": "scale", "scale": [1, 1, 1]}]}],
    }]  # fmt: skip
    group.create_array("0", shape=(2, 8, 8), chunks=(1, 8, 8), dtype="u1")
    path = folder / "a.ome.zarr" / "0" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": shape, "chunks": chunks}))
    return folder / "a.ome.zarr"


BOMBS: dict[str, Bomb] = {
    "tiff-wide": partial(_tiff, width=(1, 2**31 - 1), length=(1, 2**31 - 1), rows=(1, 2**31 - 1)),
    "tiff-samples": partial(_tiff, samples=(1, 65535), width=(1, 65535), length=(1, 65535)),
    "tiff-strips": partial(_tiff, offset=(2**32 - 1, 8), counts=(2**32 - 1, 8)),
    "tiff-many-tags": _bigtiff,
    "tiff-endless": _endless_tiff,
    "tiff-ome": _ome_tiff,
    "frame_folder-png": _png,
    "frame_folder-jpeg": _jpeg,
    "video-gif": _gif,
    "video-samples": partial(_mp4, box=b"stsz", skip=8, value=b"\xff\xff\xff\xff"),
    "video-times": partial(_mp4, box=b"stts", skip=4, value=b"\xff\xff\xff\xff"),
    "dicom-frames": partial(_dicom, name="MR_small.dcm", Rows=65535, Columns=65535,
                            NumberOfFrames=2**31 - 1),
    "dicom-packed": partial(_dicom, name="SC_rgb_rle_2frame.dcm", Rows=65535, Columns=65535),
    "dicom-count": partial(_dicom, name="SC_rgb_rle_2frame.dcm", NumberOfFrames=2**31 - 1),
    "numpy_file-npy": partial(_npy, shape=(10**5, 10**5, 10**5)),
    "numpy_file-npz": _npz,
    "hdf5-wide": partial(_hdf5, shape=(2, 10**8, 10**8), chunks=(1, 64, 64)),
    "hdf5-long": partial(_hdf5, shape=(10**15, 8, 8), chunks=(1, 8, 8)),
    "hdf5-deep": partial(_hdf5, shape=(2**20, 64, 64), chunks=(2**18, 64, 64)),
    "nd2-wide": partial(_nd2, field="uiHeight"),
    "nd2-long": partial(_nd2, field="uiCount"),
    "czi-wide": _czi,
    "ome_zarr-wide": partial(_zarr, shape=(2, 10**8, 10**8), chunks=(1, 10**8, 10**8)),
    "ome_zarr-long": partial(_zarr, shape=(10**15, 8, 8), chunks=(1, 8, 8)),
    "ome_zarr-many-chunks": partial(_zarr, shape=(2, 10**9, 10**9), chunks=(1, 64, 64)),
}  # fmt: skip
