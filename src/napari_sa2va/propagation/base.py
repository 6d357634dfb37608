"""The order in which frames are tracked. No torch here: only frame numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_sa2va.core.params import Params


@dataclass(frozen=True)
class Pass:
    """One sweep of the tracker.

    Attributes
    ----------
    frames : range
        Frames in the order they are visited.
    reverse : bool
        Whether the sweep goes back in time, so that memories are of later frames.
    alone : bool
        Whether other passes are to know nothing of what is tracked here. If all passes are so, they
        may come in any order.
    """

    frames: range
    reverse: bool = False
    alone: bool = False


class Propagation(Params):
    """Base of the propagation orders: called with the clip's length and the prompted frames.

    A rule is a file here and a line in `propagation/__init__.py`. It carries a `kind` tag and
    defines `__call__(num_frames, prompted) -> list[Pass]`, where `prompted` is sorted and holds at
    least one frame. A frame is in at most one pass.
    """

    def __call__(self, num_frames: int, prompted: Sequence[int]) -> list[Pass]:
        raise NotImplementedError
