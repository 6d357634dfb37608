"""What a run gives up, and in which order, when its device has too little memory.

A pure policy: it looks at where a run stands and says what the next rung is. Doing it, telling the
user and writing it down is `footing`'s work. The order is by what it costs: smaller batches and
offloading cost time and change no number; bfloat16 changes masks by a pixel here and there; the CPU
is the last resort.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from napari_sa2va.models.formats import Formats
from napari_sa2va.settings import MemorySettings

Step = Literal["load", "look", "ground", "key_frames", "tracking"]

_LOADING: tuple[Step, ...] = ("load",)
_ASKING: tuple[Step, ...] = ("look", "ground")
_DRAWING: tuple[Step, ...] = ("key_frames", "tracking")


@dataclass(frozen=True)
class Standing:
    """What a run stands on.

    Attributes
    ----------
    device : str
        Kind of device: "cpu", "cuda", "mps".
    formats : Formats
    memory : MemorySettings
    may_change_network : bool
        Whether its weights may be cast and moved; not those of a network that the caller handed in.
    """

    device: str
    formats: Formats
    memory: MemorySettings
    may_change_network: bool = True


@dataclass(frozen=True)
class Rung:
    """One way to need less.

    Attributes
    ----------
    name : str
        As records have it.
    says : str
        What is different from now on.
    hint : str
        How to have it so from the start.
    standing : Standing
        The run afterwards.
    """

    name: str
    says: str
    hint: str
    standing: Standing


def next_rung(step: Step, standing: Standing, together: int = 1) -> Rung | None:
    """The first rung that would help.

    A rung that was taken is no longer one, since the run stands on it; so each is taken once.

    Parameters
    ----------
    step : str
        What ran out of memory.
    standing : Standing
    together : int
        How many pictures, or objects, that step puts into one batch.

    Returns
    -------
    Rung or None
        None if there is nothing left to give up.
    """
    for rung in _RUNGS:
        found = rung(step, standing, together)
        if found is not None:
            return found
    return None


def _smaller_batches(step: Step, now: Standing, together: int) -> Rung | None:
    memory = now.memory
    if step == "look" and min(together, memory.pictures_at_once) > 1:
        memory = memory.model_copy(update={"pictures_at_once": 1})
        says, setting = "the vision tower sees one picture at a time", "pictures at once"
    elif step in _DRAWING and min(together, memory.objects_at_once) > 1:
        memory = memory.model_copy(update={"objects_at_once": 1})
        says, setting = "one object is drawn at a time", "objects at once"
    else:
        return None
    return Rung("smaller batches", says, f"Set {setting} to 1.", replace(now, memory=memory))


def _offload(step: Step, now: Standing, together: int) -> Rung | None:
    memory = now.memory
    if now.device == "cpu" or step not in _DRAWING:
        return None
    if memory.offload_language and memory.offload_frames:
        return None
    memory = memory.model_copy(update={"offload_language": True, "offload_frames": True})
    says = "the language model and frames that have to wait are kept in the computer's main memory"
    hint = "Choose to offload the language model and frames."
    return Rung("offload", says, hint, replace(now, memory=memory))


def _smaller_format(step: Step, now: Standing, together: int) -> Rung | None:
    halved = now.formats.halved()
    if not now.may_change_network:
        if step not in _DRAWING:
            return None
        # What SAM 2 computes in is the run's own choice, and no weight of the network changes.
        halved = replace(now.formats, sam2=halved.sam2)
    if halved == now.formats:
        return None
    says = "bfloat16 takes the place of float32, which may move outlines slightly"
    hint = "Choose the number format bfloat16."
    return Rung("smaller format", says, hint, replace(now, formats=halved))


def _cpu(step: Step, now: Standing, together: int) -> Rung | None:
    if now.device == "cpu" or not now.may_change_network:
        return None
    says, hint = "the rest runs on the CPU, which is slower", "Choose the device cpu."
    return Rung("cpu", says, hint, replace(now, device="cpu"))


_RUNGS: tuple[Callable[[Step, Standing, int], Rung | None], ...] = (
    _smaller_batches,
    _offload,
    _smaller_format,
    _cpu,
)
