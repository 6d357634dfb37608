"""Shared libraries that must not meet in one process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def load_triton_apart() -> None:
    """Load triton's library so that it uses its own LLVM and no other.

    Mesa draws napari's canvas with an LLVM of its own where there is no better driver (a virtual
    machine, a remote desktop) and on AMD's cards, and makes its symbols global. triton, which torch
    brings on Linux and transformers imports, exports the same symbols; loaded later it would call
    Mesa's code, and the process ends with a segmentation fault on import. The same clash is told in
    tensorflow/tensorflow#124205.

    Does nothing where triton is missing or loaded already.
    """
    deep_bind = getattr(os, "RTLD_DEEPBIND", None)  # glibc only; so are triton's wheels
    spec = find_spec("triton") if "triton" not in sys.modules else None
    if deep_bind is None or spec is None:
        return
    for folder in spec.submodule_search_locations or ():
        library = Path(folder) / "_C" / "libtriton.so"
        if library.is_file():
            # What cannot be loaded here will be told better by whoever needs it.
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(library), mode=os.RTLD_NOW | deep_bind)
