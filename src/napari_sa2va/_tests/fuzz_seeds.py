"""Sound small files of every format and many of their variants, to be damaged.

The contract's example of each reader comes first: a new format is fuzzed as soon as it is on the list.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from napari_sa2va._tests.made_dicom import write_slices
from napari_sa2va._tests.movies import write_movie
from napari_sa2va._tests.nd2_files import write_nd2
from napari_sa2va._tests.ngff_stores import write_ngff
from napari_sa2va._tests.test_readers_contract import EXAMPLES
from napari_sa2va._tests.test_readers_tiff_instruments import (
    write_lsm,
    write_mmstack,
    write_ndtiff,
    write_stk,
)
from napari_sa2va._tests.test_readers_tiff_ome import write_set

Seed = Callable[[Path], Path]

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 4000, (3, 24, 32)).astype(np.uint16)
FIVE = RNG.integers(0, 4000, (2, 2, 2, 24, 32)).astype(np.uint16)
COLOUR = RNG.integers(0, 255, (3, 24, 32, 3)).astype(np.uint8)


def _tiff(folder: Path, pixels: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(folder / "a.tif", pixels, **options)
    return folder / "a.tif"


def _ome_tiff(folder: Path, *, series: int = 1) -> Path:
    path = folder / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for _ in range(series):
            metadata = {"axes": "TZCYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
            file.write(FIVE, metadata=metadata, compression="lzw", predictor=True)
    return path


def _pyramid(folder: Path) -> Path:
    path = folder / "a.ome.tif"
    large = RNG.integers(0, 255, (2, 64, 64)).astype(np.uint8)
    with tifffile.TiffWriter(path, ome=True) as file:
        options = {"tile": (16, 16), "compression": "zlib"}
        file.write(large, subifds=1, metadata={"axes": "TYX"}, **options)
        file.write(large[:, ::2, ::2], subfiletype=1, **options)
    return path


def _movie(folder: Path, name: str, codec: str, pix_fmt: str) -> Path:
    return write_movie(folder / name, 4, codec=codec, pix_fmt=pix_fmt)


def _gif(folder: Path) -> Path:
    first, *others = (Image.fromarray(frame) for frame in COLOUR)
    first.save(folder / "a.gif", save_all=True, append_images=others, duration=40)
    return folder / "a.gif"


def _dicom(folder: Path, name: str) -> Path:
    from pydicom.data import get_testdata_file

    return Path(shutil.copy(str(get_testdata_file(name, download=False)), folder / "a.dcm"))


def _npz(folder: Path, save: Callable[..., None]) -> Path:
    save(folder / "a.npz", movie=GREY, times=np.arange(3.0))
    return folder / "a.npz"


def _hdf5(folder: Path, **options: object) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w", libver=("latest" if options else "earliest")) as file:
        dataset = file.create_dataset("volume/data", data=GREY, **options)
        dataset.attrs["axes"] = "tyx"
        dataset.attrs["element_size_um"] = (1.0, 0.5, 0.5)
        for dim, length in zip(dataset.dims, GREY.shape, strict=True):
            name = f"scale{length}"
            file[name] = np.arange(float(length))
            file[name].make_scale(name)
            dim.attach_scale(file[name])
    return folder / "a.h5"


def _nd2(folder: Path, pixels: np.ndarray, axes: str, *, is_packed: bool = False) -> Path:
    channels = (("DAPI", 0xFF0000), ("GFP", 0x00FF00))[: 2 if "C" in axes else 1]
    return write_nd2(folder / "a.nd2", pixels, axes, channels=channels, is_packed=is_packed)


def _czi(folder: Path, pixels: np.ndarray, compression: str) -> Path:
    from pylibCZIrw.czi import create_czi

    with create_czi(str(folder / "a.czi"), compression_options=compression) as file:
        for t, plane in enumerate(pixels):
            file.write(plane if plane.ndim == 3 else plane[..., np.newaxis], plane={"T": t})
            file.write(plane[:8, :8] if plane.ndim == 3 else plane[:8, :8, np.newaxis], scene=1)
    return folder / "a.czi"


def _ndtiff(folder: Path) -> Path:
    (folder / "run").mkdir()
    return write_ndtiff(folder / "run")


def _slices(folder: Path) -> Path:
    write_slices(folder / "series", FIVE[:, :, 0])
    return folder / "series"


def _disc(folder: Path) -> Path:
    """Files of one patient out of pydicom's tests, and the DICOMDIR that names them among others."""
    from pydicom.data import get_testdata_file

    example = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    disc = example.parent / "dicomdirtests"
    shutil.copytree(disc / "98892003", folder / "98892003")
    shutil.copy(disc / "DICOMDIR", folder)
    return folder / "DICOMDIR"


def _ngff(folder: Path, version: str) -> Path:
    return write_ngff(folder / "a.ome.zarr", FIVE, "tczyx", version=version, levels=2)


def _images(folder: Path, suffix: str) -> Path:
    (folder / "images").mkdir()
    for t, frame in enumerate(COLOUR):
        Image.fromarray(frame).save(folder / "images" / f"{t}{suffix}")
    return folder / "images"


# Names with "-set" are of several files that lie beside each other.
SEEDS: dict[str, Seed] = dict(EXAMPLES) | {
    "tiff-big": partial(_tiff, pixels=GREY, bigtiff=True, compression="zstd"),
    "tiff-imagej": partial(_tiff, pixels=FIVE, imagej=True, metadata={"axes": "TZCYX", "fps": 5.0}),
    "tiff-tiled": partial(_tiff, pixels=COLOUR, tile=(16, 16), compression="deflate"),
    "tiff-jpeg": partial(_tiff, pixels=COLOUR, photometric="rgb", compression="jpeg"),
    "tiff-jpeg2000": partial(_tiff, pixels=GREY, compression="jpeg2000"),
    "tiff-packbits": partial(_tiff, pixels=COLOUR, photometric="rgb", compression="packbits"),
    "tiff-ome": _ome_tiff,
    "tiff-ome-series": partial(_ome_tiff, series=2),
    "tiff-pyramid": _pyramid,
    "tiff-lsm": lambda folder: write_lsm(folder / "a.lsm", "lzw"),
    "tiff-stk": lambda folder: write_stk(folder / "a.stk", 1000, [0, 1000, 2000]),
    "tiff-mmstack": lambda folder: write_mmstack(folder / "a.tif"),
    "tiff-ndtiff": _ndtiff,
    "tiff-ome-set": partial(write_set, companion=False),
    "tiff-companion-set": partial(write_set, companion=True),
    "video-mkv": partial(_movie, name="a.mkv", codec="libx264", pix_fmt="yuv420p"),
    "video-webm": partial(_movie, name="a.webm", codec="libvpx", pix_fmt="yuv420p"),
    "video-avi": partial(_movie, name="a.avi", codec="mpeg4", pix_fmt="yuv420p"),
    "video-mjpeg": partial(_movie, name="a.mov", codec="mjpeg", pix_fmt="yuvj420p"),
    "video-mpg": partial(_movie, name="a.mpg", codec="mpeg2video", pix_fmt="yuv420p"),
    "video-ffv1": partial(_movie, name="a.mkv", codec="ffv1", pix_fmt="gray"),
    "video-gif": _gif,
    "dicom-implicit": partial(_dicom, name="MR_small_implicit.dcm"),
    "dicom-big-endian": partial(_dicom, name="MR_small_bigendian.dcm"),
    "dicom-palette": partial(_dicom, name="examples_palette.dcm"),
    "dicom-frames": partial(_dicom, name="rtdose.dcm"),
    "dicom-rle": partial(_dicom, name="SC_rgb_rle_2frame.dcm"),
    "dicom-jpeg": partial(_dicom, name="SC_rgb_jpeg_gdcm.dcm"),
    "dicom-jpeg-ls": partial(_dicom, name="MR_small_jpeg_ls_lossless.dcm"),
    "dicom-jpeg2000": partial(_dicom, name="MR_small_jp2klossless.dcm"),
    "dicom-slices": _slices,
    "dicom-disc-set": _disc,
    "ome_zarr-0.4": partial(_ngff, version="0.4"),
    "ome_zarr-0.5": partial(_ngff, version="0.5"),
    "numpy_file-npz": partial(_npz, save=np.savez),
    "numpy_file-packed": partial(_npz, save=np.savez_compressed),
    "hdf5-chunked": partial(_hdf5, chunks=(1, 12, 16), compression="gzip", shuffle=True),
    "hdf5-old": _hdf5,
    "nd2-channels": partial(_nd2, pixels=FIVE, axes="TZCYX"),
    "nd2-positions": partial(_nd2, pixels=FIVE[:, :, 0], axes="TPYX"),
    "nd2-packed": partial(_nd2, pixels=COLOUR, axes="TYXS", is_packed=True),
    "czi-packed": partial(_czi, pixels=GREY, compression="zstd1:ExplicitLevel=1"),
    "czi-colour": partial(_czi, pixels=COLOUR, compression="zstd0:ExplicitLevel=1"),
    "frame_folder-jpeg": partial(_images, suffix=".jpg"),
    "frame_folder-tiff": partial(_images, suffix=".tif"),
}


def copied(name: str, sound: Path, folder: Path) -> tuple[Path, list[Path]]:
    """A copy of a sound file with all that belongs to it.

    Parameters
    ----------
    name : str
        Of the seed.
    sound : Path
    folder : Path
        Where to; what it held is gone.

    Returns
    -------
    path : Path
        What is to be opened.
    files : list of Path
        Those that may be damaged.
    """
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / sound.name
    if sound.is_dir():
        shutil.copytree(sound, path)
    elif name.endswith("-set"):
        shutil.copytree(sound.parent, folder)
    else:
        folder.mkdir()
        return path, [Path(shutil.copy(sound, path))]
    return path, sorted(file for file in folder.rglob("*") if file.is_file())
