"""The networks this process keeps, so that a second run does not load again."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.models.jobs import Job, now_and_then
from napari_sa2va.pipeline.events import Fetching
from napari_sa2va.pipeline.native_libraries import load_triton_apart
from napari_sa2va.settings import ModelSettings

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA

# One network at a time: two published ones rarely fit one machine together.
_kept: tuple[ModelSettings, Sa2VA] | None = None
_lock = threading.Lock()


def load(settings: ModelSettings) -> Sa2VA:
    """Return the network of these settings, loading it if it is not the one kept.

    Parameters
    ----------
    settings : ModelSettings

    Raises
    ------
    ModelError
        If the model is unknown, not on this machine, or damaged.
    """
    global _kept
    with _lock:
        if _kept is not None and _kept[0] == settings:
            return _kept[1]
        _kept = None
        load_triton_apart()
        from napari_sa2va.models.sa2va.model import Sa2VA
        from napari_sa2va.models.zoo import resolve

        entry = resolve(settings.name)
        assert entry.folder is not None  # resolve raises if there is none
        network = Sa2VA.load(
            entry.folder,
            device=settings.device,
            dtype=settings.dtype,
            vision_dtype=settings.vision_dtype,
            quantise_language=settings.quantise_language,
            quantise_vision=settings.quantise_vision,
            sam2_decoder=settings.sam2_decoder or None,
            reading=settings.reading,
            name=entry.name,
        )
        _kept = (settings, network)
        return network


def is_loaded(settings: ModelSettings) -> bool:
    """Whether `load` would hand over a network that is there already."""
    kept = _kept
    return kept is not None and kept[0] == settings


def fetch(name: str) -> Job[None]:
    """Download a model that is not on this machine, so that `load` finds it.

    Parameters
    ----------
    name : str
        See `napari_sa2va.models.zoo.find`.

    Raises
    ------
    ModelError
        If there is no such model, or it cannot be had.
    """
    from napari_sa2va.models.fetching import pull
    from napari_sa2va.models.zoo import find

    entry = find(name)
    if entry.folder is None and entry.hub_id:
        load_triton_apart()  # the configuration is looked at by what brings torch
        yield from now_and_then(pull(entry))


def fetching(name: str, cancel: CancelToken) -> Generator[Fetching, None, bool]:
    """The same as events of a run; returns whether the model is here, and not stopped on its way."""
    with closing(fetch(name)) as steps:
        for step in steps:
            yield Fetching(step)
            if cancel.cancelled:
                return False
    return True


def keep(settings: ModelSettings, network: Sa2VA) -> None:
    """Keep a network under the settings that it now has, unless another one took its place."""
    global _kept
    with _lock:
        if _kept is None or _kept[1] is network:
            _kept = (settings, network)


def forget(network: Sa2VA | None = None) -> None:
    """Drop the kept network, or only if it is this one, so that its memory can be freed."""
    global _kept
    with _lock:
        if network is None or (_kept is not None and _kept[1] is network):
            _kept = None


def release() -> None:
    """Drop the kept network and give its memory back to the device.

    A run that is still on its way keeps its network until it ends.
    """
    kept = _kept
    if kept is None:
        return
    device = kept[1].device
    del kept
    forget()
    from napari_sa2va.models.device import give_back

    give_back(device)
