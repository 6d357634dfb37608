"""Whether a unit fits into the memory of a device, beside what others have begun there.

What a unit needs at its worst moment is foretold (`pipeline.estimate`) and stands in its claim. The
units that are being worked on have taken a part of that already, which is not free any more; the rest
is promised to them, and no other unit may count on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import psutil

from napari_sa2va.batch.history import Claim
from napari_sa2va.batch.host import Host, here
from napari_sa2va.batch.unit import Facts
from napari_sa2va.core.errors import ModelError
from napari_sa2va.models.jobs import gigabytes

if TYPE_CHECKING:
    import torch


def why_not(facts: Facts, device: str, beside: Sequence[Claim]) -> str:
    """Say why a unit cannot run here now.

    Parameters
    ----------
    facts : Facts
        Of its movie. What is not known to need memory fits.
    device : str
        See `models.device.pick_device`; empty is "auto".
    beside : sequence of Claim
        What others are at on the same machine and device.

    Returns
    -------
    str
        Empty if it fits; else what it needs and what there is.
    """
    if not facts.need_bytes:
        return ""
    from napari_sa2va.models.device import pick_device

    try:
        where = pick_device(device or "auto")
    except ModelError:  # which is told when the unit is taken up
        return ""
    left = room(where, beside)
    if left is None or facts.need_bytes <= left:
        return ""
    promised = f", beside {len(beside)} others that are in work" if beside else ""
    return (
        f"It needs {gigabytes(facts.need_bytes)}, and on {where} of "
        f"{here().name.partition('/')[0]} there are {gigabytes(max(left, 0))}{promised}."
    )


def room(device: torch.device, beside: Sequence[Claim]) -> int | None:
    """Bytes that a further unit of this process may count on; None if the device does not tell.

    What this process holds counts as room: the network of its last unit is used again, or dropped
    for another one.
    """
    from napari_sa2va.models.device import free_memory

    free = free_memory(device)
    if free is None:
        return None
    return free + _own_bytes(device) - sum(_still_to_come(claim, device) for claim in beside)


def _own_bytes(device: torch.device) -> int:
    import torch

    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.current_allocated_memory()
    return _private_bytes(here())


def _still_to_come(claim: Claim, device: torch.device) -> int:
    """What the holder of a claim has not taken yet of what its unit needs."""
    if device.type == "cpu":
        return max(claim.need_bytes - _private_bytes(claim.host), 0)
    # How much of a GPU another process has, only its driver knows. Once frames are tracked the
    # network is there and its peak, the look at the key frames, is over.
    return 0 if claim.frames_done else claim.need_bytes


def _private_bytes(host: Host) -> int:
    """Main memory of a process of this machine that would be free without it.

    Pages that are read off files, as weights may be, are no part of it: they count as free.
    """
    try:
        memory = psutil.Process(host.pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))
