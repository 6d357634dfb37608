"""What a run will ask of its device, known before anything is loaded."""

from __future__ import annotations

from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.settings import RunSettings


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
    memory = settings.memory
    return Ask(
        num_key_frames=len(settings.sampling(num_frames).frames),
        num_objects=max(num_objects, 1),
        height=height,
        width=width,
        pictures_at_once=memory.pictures_at_once,
        objects_at_once=memory.objects_at_once,
        offload_language=memory.offload_language,
        offload_frames=memory.offload_frames,
    )
