"""Imports what readers use, once, before processes are forked that read damaged files."""

import av
import dask.array
import h5py
import imagecodecs
import nd2
import pydicom
import tifffile
import zarr
from pylibCZIrw import czi

LIBRARIES = (av, czi, dask.array, h5py, imagecodecs, nd2, pydicom, tifffile, zarr)
# The first computation imports more.
dask.array.zeros(1).compute(scheduler="synchronous")
