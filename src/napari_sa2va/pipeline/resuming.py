"""A run's part in safe points: which run it is, where it goes on, and what it offers.

Two runs are the same if all that decides their masks is the same. Where they run, and how they
spend memory, is no part of it, but for the number formats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from typing import TYPE_CHECKING

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.fingerprint import sampled_frames
from napari_sa2va.pipeline.events import Answered, Note, Resumed
from napari_sa2va.pipeline.record import Clock, RunRecord
from napari_sa2va.pipeline.resolve import Plan
from napari_sa2va.pipeline.safe_point import Keeper, SafePoint

if TYPE_CHECKING:
    from napari_sa2va.pipeline.drawing import Drawing

# What a name, a device and a format were resolved to stands in the record.
_ELSEWHERE = {"name", "device", "dtype", "vision_dtype", "sam2_decoder"}
_PACKAGES = ("napari-sa2va", "torch", "sam2")


class Resuming:
    """Lets one run go on where an earlier one stopped, and be gone on with.

    To be made when the network is loaded, and nothing was asked of it.

    Parameters
    ----------
    keeper : Keeper
    clip : Clip
    plan : Plan
    record : RunRecord
    clock : Clock
    """

    def __init__(
        self, keeper: Keeper, clip: Clip, plan: Plan, record: RunRecord, clock: Clock
    ) -> None:
        self._keeper = keeper
        self._plan = plan
        self._record = record
        self._clock = clock
        self._run = identity(clip, plan, record)

    def go_on(self) -> Generator[Note | Answered, None, SafePoint | None]:
        """Take the record to where the run is to go on.

        Yields
        ------
        Resumed
            That it goes on.
        Note
            That a point is there, and the run begins anew.
        Answered
            One per sentence, as the run had it, if it goes on.

        Returns
        -------
        SafePoint or None
            None if it begins anew.
        """
        point = self._keeper.last()
        if point is None:
            return None
        record = self._record
        if point.run != self._run:
            yield record.note(
                "A safe point is there of a run with another clip, other prompts, settings, weights "
                "or versions. This run begins anew."
            )
            return None
        record.go_on_from(point.record)
        self._clock.go_on_from(point.record.timings_s)
        note = record.note(f"The run goes on after {_after(point, self._plan)}.")
        yield Resumed(note.message)
        for prompt in self._plan.spoken:
            entry = record.of(prompt.object_id)
            yield Answered(prompt.object_id, prompt.text, entry.answer, entry.found)
        return point

    def offer(self, drawing: Drawing) -> None:
        """Offer the run as it is between two frames."""
        self._keeper.offer(
            self._record.frames_done,
            lambda: SafePoint(
                run=self._run,
                record=self._record_now(),
                tracks=tuple(drawing.tracks),
                num_prompted=drawing.num_prompted,
                prompted=dict(drawing.prompted),
                memories=drawing.tracker.memories(),
            ),
        )

    def _record_now(self) -> RunRecord:
        record = self._record.model_copy(deep=True)
        record.timings_s["total"] = self._clock.elapsed()
        return record


def identity(clip: Clip, plan: Plan, record: RunRecord) -> str:
    """What a run is, in one short text: the same for runs with the same masks.

    Parameters
    ----------
    clip : Clip
        Its first, middle and last frame are read.
    plan : Plan
    record : RunRecord
        Of a run whose network is loaded, and has answered nothing yet.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    ClipError
        If a frame cannot be read.
    """
    about = {
        "settings": plan.settings.model_dump(
            mode="json", exclude={"preset": True, "memory": True, "model": _ELSEWHERE}
        ),
        # A network that was not read from files has only its name.
        "network": record.weights_sha256 or record.model_name,
        "formats": record.formats,
        "versions": {name: record.versions.get(name) for name in _PACKAGES},
        "objects": [entry.model_dump(mode="json", exclude={"origin"}) for entry in record.objects],
        "answers": plan.answers,
        # Decides the order of frames, and so what is done after so many of them.
        "begin_near": plan.begin_near,
        "clip": (clip.num_frames, clip.height, clip.width),
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for phrase in plan.phrases:
        assert phrase.embedding is not None  # that is what makes it a phrase
        digest.update(phrase.embedding.tobytes())
    # As the network sees them: limits and colours count.
    for t in sampled_frames(clip.num_frames):
        digest.update(clip.rgb(t).tobytes())
    return digest.hexdigest()


def _after(point: SafePoint, plan: Plan) -> str:
    if point.frames_done:
        return f"{point.frames_done} of {plan.num_frames} frames"
    if point.num_prompted:
        return f"{point.num_prompted} prompted frame{'s' * (point.num_prompted > 1)}"
    return "the answers"
