"""What happened in a run, written so that it can be run again."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from napari_sa2va.core import rle
from napari_sa2va.core.privacy import NOBODY, Private
from napari_sa2va.core.prompt import Prompt
from napari_sa2va.core.reply import plain_text
from napari_sa2va.pipeline.events import Note
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.pipeline.resolve import Plan

_PACKAGES = ("napari-sa2va", "torch", "transformers", "sam2", "numpy", "napari")


class ObjectRecord(BaseModel):
    """What became of one object."""

    object_id: int
    name: str
    text: str = Field(description="The sentence that asked for it; empty if it was marked by hand.")
    marked: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Marks made by hand, one entry per frame: frame, points as (y, x, positive), "
        "box, mask as RLE.",
    )
    origin: dict[str, Any] | None = Field(
        None, description="For a phrase of an answer: the conversation that it comes from."
    )
    answer: str = Field("", description="What the model said, special tokens left out.")
    raw_answer: str = Field("", description="The same with special tokens.")
    answer_given: bool = Field(False, description="Whether the answer was given, not generated.")
    found: bool = Field(True, description="Whether the answer held a [SEG].")
    frames_done: int = 0
    frames_present: list[int] = Field(default_factory=list)
    mean_score: float | None = Field(
        None, description="Mean over the done frames of how sure the model is that it is there."
    )

    def count_frame(self, t: int, is_present: bool, score: float) -> None:
        """Note that frame `t` has its final mask, and whether that has a pixel."""
        self.frames_done += 1
        mean = self.mean_score or 0.0
        self.mean_score = mean + (score - mean) / self.frames_done
        if is_present:
            self.frames_present.append(t)


class StepDown(BaseModel):
    """One rung of the ladder that a run went down for want of memory."""

    step: str = Field(description="load, look, ground, key_frames or tracking.")
    rung: str = Field(description="smaller batches, offload, smaller format or cpu.")
    because: str = Field(description="What the device said.")


class RunRecord(BaseModel):
    """The settings, the versions, the weights, the answers and the times of one run."""

    model_config = ConfigDict(extra="forbid")

    settings: RunSettings
    clip: dict[str, Any] = Field(
        default_factory=dict, description="Where it is, how it was opened, its size and scale."
    )
    started: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    model_name: str = ""
    weights_sha256: dict[str, str] = Field(default_factory=dict)
    device: str = ""
    dtype: str = ""
    formats: dict[str, str] = Field(
        default_factory=dict, description="Number formats of language, vision and sam2, at the end."
    )
    step_downs: list[StepDown] = Field(
        default_factory=list, description="What was given up for want of memory, in order."
    )
    shown_as: str = Field("movie", description="How the language model was shown key frames.")
    key_frames: list[int] = Field(default_factory=list)
    key_frames_rule: str = ""
    prompt_frames: list[int] = Field(default_factory=list)
    objects: list[ObjectRecord] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    frames_planned: int = 0
    frames_done: int = 0
    frames_encoded: int = Field(0, description="Passes of the frame encoder.")
    finished: str = Field("", description="done, cancelled or failed; empty while it runs.")
    timings_s: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    _private: Private = PrivateAttr(NOBODY)

    @classmethod
    def on(cls, clip: Clip, settings: RunSettings, **more: Any) -> RunRecord:
        """A record of what is done to a clip, without what its file says of a person, unless asked."""
        told = settings.output.patient_data
        record = cls(settings=settings, clip=clip.describe(patient_data=told), **more)
        record._private = NOBODY if told else clip.private
        return record

    @classmethod
    def begin(cls, clip: Clip, plan: Plan) -> RunRecord:
        """Write down what is known before anything has run."""
        return cls.on(
            clip,
            plan.settings,
            shown_as="picture" if plan.mode == "image" else "movie",
            key_frames=list(plan.key_frames.frames),
            key_frames_rule=plan.key_frames.reason,
            prompt_frames=list(plan.prompt_frames),
            frames_planned=plan.num_frames,
            objects=[
                ObjectRecord(
                    object_id=p.object_id,
                    name=p.name,
                    text=p.text,
                    marked=[_mark(m) for m in plan.prompts.of(p.object_id) if m.is_marked],
                    origin=p.origin,
                    **_answer_before(p),
                )
                for p in plan.prompts.objects
            ],
            versions=package_versions(),
        )

    def of(self, object_id: int) -> ObjectRecord:
        """Return the entry of one object."""
        return next(o for o in self.objects if o.object_id == object_id)

    def go_on_from(self, earlier: RunRecord) -> None:
        """Take over what an earlier process wrote of this run; its times are the clock's to add.

        What is of this process stays: device, number formats, versions.
        """
        self.started = earlier.started
        self.objects = [entry.model_copy(deep=True) for entry in earlier.objects]
        self.step_downs = [*earlier.step_downs, *self.step_downs]
        self.notes = [*earlier.notes, *(n for n in self.notes if n not in earlier.notes)]
        self.frames_done, self.frames_encoded = earlier.frames_done, earlier.frames_encoded

    def note(self, message: str, hint: str = "") -> Note:
        """Keep a note, and return it as an event to be yielded."""
        self.notes.append(self._private.redact(message))
        return Note(message, hint)

    @property
    def any_found(self) -> bool:
        """Whether at least one object has a pixel on at least one frame."""
        return any(o.frames_present for o in self.objects)


def _answer_before(prompt: Prompt) -> dict[str, str]:
    """The answer that a phrase is taken from, by field; nothing for a sentence or marks."""
    exchanges = (prompt.origin or {}).get("exchanges")
    if not exchanges:
        return {}
    raw = exchanges[-1][1]
    return {"answer": plain_text(raw), "raw_answer": raw}


def _mark(prompt: Prompt) -> dict[str, Any]:
    """Return what was marked by hand on one frame, as JSON types."""
    return {
        "frame": prompt.frame,
        "points": [(p.y, p.x, p.positive) for p in prompt.points],
        "box": prompt.box,
        "mask": None if prompt.mask is None else rle.to_json(rle.encode(prompt.mask)),
    }


def package_versions() -> dict[str, str]:
    """Return the versions that decide the result, as installed; absent packages are left out."""
    versions: dict[str, Any] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


class Clock:
    """Adds up seconds per step of a run; what the consumer does between events is left out.

    Parameters
    ----------
    timings_s : dict
        Step -> seconds, added to on leaving `with clock(step):`.
    """

    def __init__(self, timings_s: dict[str, float]) -> None:
        self._timings_s = timings_s
        self._begin = perf_counter()

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time one step."""
        entered = perf_counter()
        try:
            yield
        finally:
            spent = perf_counter() - entered
            self._timings_s[step] = self._timings_s.get(step, 0.0) + spent

    def go_on_from(self, timings_s: Mapping[str, float]) -> None:
        """Add what the steps of the run, and its total, took in an earlier process."""
        for step, seconds in timings_s.items():
            if step == "total":
                self._begin -= seconds
            else:
                self._timings_s[step] = self._timings_s.get(step, 0.0) + seconds

    def elapsed(self) -> float:
        """Return the seconds since the run began, without those between two processes."""
        return perf_counter() - self._begin
