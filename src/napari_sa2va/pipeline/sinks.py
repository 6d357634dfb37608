"""Where the masks of a run go. A sink eats events; it keeps what it was given on a cancel."""

from __future__ import annotations

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.pipeline.events import Answered, Event, FrameMasks, KeyMasks, Planned
from napari_sa2va.pipeline.record import RunRecord


class MaskletSink:
    """Collects run-length codes: a few hundred bytes per object and frame.

    Parameters
    ----------
    clip : Clip
    prompts : PromptSet

    Attributes
    ----------
    masklets : dict of int to Masklet
        By object id, in the order of the objects.
    frames_done : int
        Frames that have their final masks.
    record : RunRecord or None
        The run's record, from its first event on.
    """

    def __init__(self, clip: Clip, prompts: PromptSet) -> None:
        shape = (clip.num_frames, clip.height, clip.width)
        self.masklets = {
            p.object_id: Masklet.empty(p.object_id, p.name, p.text, shape) for p in prompts.objects
        }
        self.frames_done = 0
        self.record: RunRecord | None = None

    def take(self, event: Event) -> None:
        """Store what the event carries. Key masks are a preview and are not stored."""
        match event:
            case Planned():
                self.record = event.record
            case Answered():
                masklet = self.masklets[event.object_id]
                masklet.answer, masklet.found = event.answer, event.found
                if not event.found:
                    masklet.declare_absent()
            case KeyMasks():
                return
            case FrameMasks():
                for object_id, mask, score in zip(
                    event.object_ids, event.masks, event.scores, strict=True
                ):
                    self.masklets[object_id].set_mask(event.frame, mask, score)
                self.frames_done += 1
