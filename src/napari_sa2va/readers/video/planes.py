"""The source of a movie's frames that dask carries: one decoder per file and process, found anew."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from napari_sa2va.readers.video.decoder import Decoder

if TYPE_CHECKING:
    import numpy as np
    from av.video.frame import VideoFrame

    from napari_sa2va.readers.video.index import VideoIndex

_decoders: WeakValueDictionary[tuple[Any, ...], Decoder] = WeakValueDictionary()
_decoders_lock = threading.Lock()


class VideoPlanes:
    """Frames of a movie by number; can be pickled, the decoder is found again on arrival."""

    def __init__(self, path: str, index: VideoIndex) -> None:
        self.path = path
        self.index = index
        self._decoder: Decoder | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "index": self.index, "_decoder": None}

    @property
    def decoder(self) -> Decoder:
        """The decoder of this file in this process."""
        if self._decoder is None:
            self._decoder = _shared_decoder(self.path, self.index)
        return self._decoder

    def frame(self, t: int) -> VideoFrame:
        """Decode frame `t`."""
        return self.decoder.frame(t)

    def read(self, index: int) -> np.ndarray:
        """Frame `index` as an array, (Y, X, 3) or (Y, X)."""
        return self.decoder.read(index)


def _shared_decoder(path: str, index: VideoIndex) -> Decoder:
    stat = Path(path).stat()
    real = os.path.realpath(path)
    key = (os.getpid(), real, stat.st_mtime_ns, stat.st_size, index.stream, index.how)
    with _decoders_lock:
        decoder = _decoders.get(key)
        if decoder is None:
            decoder = _decoders[key] = Decoder(path, index)
        return decoder
