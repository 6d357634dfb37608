"""Type a sentence, get that object's masks through a whole video.

>>> from napari_sa2va import open_clip, segment
>>> result = segment(open_clip("movie.tif"), "the bright cell")  # doctest: +SKIP
>>> result.labels.shape  # (T, Y, X)  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Masklet
    from napari_sa2va.core.prompt import Point, Prompt, PromptSet
    from napari_sa2va.pipeline.conversation import Conversation, converse
    from napari_sa2va.pipeline.run import run
    from napari_sa2va.pipeline.segment import Result, segment
    from napari_sa2va.presets import preset
    from napari_sa2va.readers.open import open_clip
    from napari_sa2va.settings import RunSettings

try:
    __version__ = version("napari-sa2va")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "unknown"

# Public name -> module. Loaded when first used, so that importing the package costs nothing.
_PUBLIC = {
    "CancelToken": "napari_sa2va.core.cancel",
    "Clip": "napari_sa2va.core.clip",
    "Conversation": "napari_sa2va.pipeline.conversation",
    "Masklet": "napari_sa2va.core.masklet",
    "Point": "napari_sa2va.core.prompt",
    "Prompt": "napari_sa2va.core.prompt",
    "PromptSet": "napari_sa2va.core.prompt",
    "Result": "napari_sa2va.pipeline.segment",
    "RunSettings": "napari_sa2va.settings",
    "converse": "napari_sa2va.pipeline.conversation",
    "open_clip": "napari_sa2va.readers.open",
    "preset": "napari_sa2va.presets",
    "run": "napari_sa2va.pipeline.run",
    "segment": "napari_sa2va.pipeline.segment",
}

__all__ = [
    "CancelToken", "Clip", "Conversation", "Masklet", "Point", "Prompt", "PromptSet", "Result",
    "RunSettings", "__version__", "converse", "open_clip", "preset", "run", "segment",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
