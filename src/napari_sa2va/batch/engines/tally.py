"""What was done on a device of this machine, read off the batch folder."""

from __future__ import annotations

from statistics import fmean
from time import monotonic

from napari_sa2va.batch.engines.ramp import Tally
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.host import here


def tally(folder: BatchFolder, device: str) -> Tally:
    """What the workers of a device have done up to now.

    A unit of which nobody knows how long it takes counts as one of average length.
    """
    seconds = {facts.unit_id: facts.seconds for facts in folder.facts().values() if facts.seconds}
    average = fmean(seconds.values()) if seconds else 1.0
    machine = here().name
    work_s, units = 0.0, 0
    proven, holding = set(), set()
    for unit_id, history in folder.runs.scan().items():
        estimate = seconds.get(unit_id, average)
        for outcome in history.outcomes.values():
            if (outcome.host, outcome.device) == (machine, device) and outcome.is_complete:
                work_s += estimate
                units += 1
                proven.add(outcome.worker)
        claim = history.claim
        if claim is not None and (claim.host.name, claim.device) == (machine, device):
            work_s += estimate * claim.frames_done / max(claim.frames_planned, 1)
            holding.add(claim.worker)
            if claim.frames_done:
                proven.add(claim.worker)
    # One that has done nothing yet is loading its network.
    return Tally(monotonic(), work_s, units, at_work=len(holding & proven))
