"""What a run will ask of its device, known before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    import torch

    from napari_sa2va.models.formats import Formats


def ask_of(
    settings: RunSettings, *, num_frames: int, height: int, width: int, num_objects: int = 1
) -> Ask:
    """What a run on a clip asks of a network, as far as its memory depends on it.

    Parameters
    ----------
    settings : RunSettings
    num_frames : int
    height, width : int
        Of a frame, in px.
    num_objects : int

    Raises
    ------
    RequestError
        If the key frames of the settings lie outside the clip.
    """
    key_frames = settings.sampling(num_frames).frames
    return ask_about(
        settings,
        num_key_frames=len(key_frames),
        height=height,
        width=width,
        num_objects=num_objects,
    )


def ask_about(
    settings: RunSettings, *, num_key_frames: int, height: int, width: int, num_objects: int = 1
) -> Ask:
    """The same, where the number of key frames is known already."""
    memory = settings.memory
    return Ask(
        num_key_frames=num_key_frames,
        num_objects=max(num_objects, 1),
        height=height,
        width=width,
        pictures_at_once=memory.pictures_at_once,
        objects_at_once=memory.objects_at_once,
        offload_language=memory.offload_language,
        offload_frames=memory.offload_frames,
    )


def formats_of(settings: RunSettings, device: torch.device) -> Formats:
    """The number formats that a run with these settings begins with on a device.

    Raises
    ------
    ModelError
        If a format is unknown.
    """
    from napari_sa2va.models.device import pick_formats

    choice = settings.model
    formats = pick_formats(
        choice.dtype,
        device,
        vision_dtype=choice.vision_dtype,
        quantise_language=choice.quantise_language,
        quantise_vision=choice.quantise_vision,
    )
    if settings.memory.sam2_dtype != "same":
        formats = replace(formats, sam2=settings.memory.sam2_dtype)
    return formats
