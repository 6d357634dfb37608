"""Files in, recordings out: one format per file.

A reader is a module with

* `FORMAT`: what it is called and what it can tell (see `format.py`);
* `accepts(path: Path) -> bool`: a cheap look at the name and the first bytes;
* `read(path: Path, *, series: int | str | None = None) -> Recording`: opens nothing but headers;
  pixels are read one plane at a time when a frame is computed.

One whose files can be read while they are written has `read_growing(path, *, series)`, which leaves
out what is not complete. One that also reads addresses has `accepts_url(url: str) -> bool` and
`read_url(url, *, series)`. One of which folders may hold several movies has
`is_one_movie(folder: Path) -> bool`. One whose files say that they were written to their end has
`is_complete(path: Path) -> bool`, which is False wherever that is not sure.

To add one, write the module and put it on this list. The first reader whose `FORMAT.magic` a file
begins with reads it, or else the first that accepts the path.
"""

from __future__ import annotations

from types import ModuleType

from napari_sa2va.readers import (
    czi,
    dicom,
    frame_folder,
    hdf5,
    nd2,
    numpy_file,
    ome_zarr,
    tiff,
    video,
)

READERS: tuple[ModuleType, ...] = (
    ome_zarr, dicom, tiff, nd2, czi, hdf5, video, numpy_file, frame_folder,
)  # fmt: skip
REMOTE_READERS: tuple[ModuleType, ...] = (ome_zarr,)
