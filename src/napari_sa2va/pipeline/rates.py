"""How fast runs were on this machine, kept between sessions, and what that says of the next one.

`learning` listens to the events of a run and keeps what it took; `Rates` reads it back. A file that
is broken or of another version counts as empty. What a run *will* do is counted by `Counts`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_sa2va.core import user_files
from napari_sa2va.pipeline.events import Fetching, Finished, FrameMasks, KeyMasks, Planned, Resumed
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.resolve import Plan

Told = TypeVar("Told")

_FILE, _VERSION = "rates", 1
_RUNS_KEPT, _KINDS_KEPT = 20, 50
# A network that is there already is "loaded" within microseconds.
_LOADED_S = 0.02
# Share of one object in the time of a frame with that object alone, of the published SAM 2: memory
# attention and decoder, beside the encoder's pass. Taken until runs with several objects tell.
_SHARE = 0.25
# Runs on frames or with key frames that are so many times more or fewer tell nothing of this one.
_ALIKE = 4.0


@dataclass(frozen=True)
class Counts:
    """What a run does, as far as its time depends on it.

    Attributes
    ----------
    key_frames : int
        Frames that the language model sees.
    sentences : int
    objects : int
    drawn : int
        Frames on which objects are prompted.
    tracked : int
        Other frames that get masks.
    pixels : int
        Of a frame.
    is_picture : bool
        Whether the language model is shown a single picture, in tiles.
    """

    key_frames: int
    sentences: int
    objects: int
    drawn: int
    tracked: int
    pixels: int
    is_picture: bool = False

    @classmethod
    def of(cls, plan: Plan, height: int, width: int, *, planes: int = 1) -> Counts:
        """Count what a plan holds, for frames of a size in px.

        Parameters
        ----------
        plan : Plan
        height, width : int
        planes : int
            How many planes are followed, each through all frames of the plan.
        """
        drawn = {*plan.prompt_frames, *(prompt.frame for prompt in plan.marked)}
        wanted = plan.frames
        return cls(
            key_frames=len(plan.key_frames.frames),
            sentences=len(plan.spoken),
            objects=len({prompt.object_id for prompt in plan.prompts}),
            drawn=len(drawn),
            tracked=len(wanted - drawn) + (planes - 1) * len(wanted),
            pixels=height * width,
            is_picture=plan.mode == "image",
        )


class Pace(BaseModel):
    """What one run did, and the seconds that each part of it took; None for what it did not do."""

    model_config = ConfigDict(frozen=True)

    key_frames: int = Field(ge=0)
    sentences: int = Field(ge=0)
    objects: int = Field(ge=0)
    drawn: int = Field(ge=0)
    tracked: int = Field(ge=0)
    pixels: int = Field(ge=1)
    is_picture: bool = False
    load_s: float | None = Field(None, ge=0)
    look_s: float | None = Field(None, ge=0)
    ground_s: float | None = Field(None, ge=0)
    draw_s: float | None = Field(None, ge=0)
    track_s: float | None = Field(None, ge=0)
    rest_s: float | None = Field(None, ge=0)


@dataclass(frozen=True)
class Rates:
    """What earlier runs of one kind say about the time of the next; the medians of what they took.

    Attributes
    ----------
    paces : tuple of Pace
        The latest last; empty before the first run of the kind.
    """

    paces: tuple[Pace, ...] = ()

    def load_s(self) -> float | None:
        """Seconds until the network is there, if it is not yet; None if not known."""
        return _median(pace.load_s for pace in self.paces)

    def look_s(self, counts: Counts) -> float | None:
        """Seconds to look at the key frames."""
        each = _median(
            pace.look_s / pace.key_frames
            for pace in self._shown_alike(counts)
            if pace.look_s is not None and pace.key_frames
        )
        return None if each is None else each * counts.key_frames

    def ground_s(self, counts: Counts) -> float | None:
        """Seconds to answer the sentences."""
        each = _median(
            pace.ground_s / pace.sentences
            for pace in self._shown_alike(counts)
            if pace.ground_s is not None and pace.sentences
        )
        return None if each is None else each * counts.sentences

    def draw_s(self, counts: Counts) -> float | None:
        """Seconds to draw the frames on which objects are prompted."""
        each = self._per_frame(counts, lambda pace: pace.draw_s, lambda pace: pace.drawn)
        return None if each is None else each * counts.drawn

    def track_s(self, counts: Counts) -> float | None:
        """Seconds to track the objects through the other frames."""
        each = self._per_frame(counts, lambda pace: pace.track_s, lambda pace: pace.tracked)
        return None if each is None else each * counts.tracked

    def rest_s(self, counts: Counts) -> float:
        """Seconds for all else, of which a part is spent by whoever shows the masks."""
        each = _median(
            pace.rest_s / max(pace.drawn + pace.tracked, 1)
            for pace in self._sized_alike(counts)
            if pace.rest_s is not None
        )
        return (each or 0.0) * (counts.drawn + counts.tracked)

    def _per_frame(
        self,
        counts: Counts,
        seconds: Callable[[Pace], float | None],
        frames: Callable[[Pace], int],
    ) -> float | None:
        points = [
            (pace.objects, spent / frames(pace))
            for pace in self._sized_alike(counts)
            if (spent := seconds(pace)) is not None and frames(pace)
        ]
        if not points:
            return None
        base, each = line_through(points)
        return base + each * max(counts.objects, 1)

    def _shown_alike(self, counts: Counts) -> list[Pace]:
        """Runs that showed the language model about as much in the same way."""
        same = [pace for pace in self.paces if pace.is_picture == counts.is_picture]
        return _nearest(same, counts.key_frames, lambda pace: pace.key_frames)

    def _sized_alike(self, counts: Counts) -> list[Pace]:
        return _nearest(list(self.paces), counts.pixels, lambda pace: pace.pixels)


def line_through(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Seconds of a frame as `base + each * objects`, so that no single run decides.

    Parameters
    ----------
    points : sequence of (int, float)
        Objects and seconds of a frame, one pair per run; at least one.

    Returns
    -------
    base, each : float
        At least 0. From runs with one and the same number of objects, the share of each object is
        taken from the published network.

    Notes
    -----
    The median of the slopes between all pairs of runs (Theil and Sen), and the median of what is
    left.

    Examples
    --------
    >>> line_through([(1, 3.0), (2, 4.0), (4, 6.0)])
    (2.0, 1.0)
    """
    slopes = [(s - r) / (m - n) for (n, r), (m, s) in combinations(points, 2) if m != n]
    if slopes:
        each = max(median(slopes), 0.0)
        base = median(s - each * n for n, s in points)
        if base >= 0:
            return base, each
        return 0.0, median(s / max(n, 1) for n, s in points)
    objects = max(points[0][0], 1)
    # With one object alone; so that (1 - share) + share * objects of it are what was measured.
    alone = median(s for _, s in points) / (1 - _SHARE + _SHARE * objects)
    return alone * (1 - _SHARE), alone * _SHARE


def kind_of(model: str, device: str, formats: dict[str, str]) -> str:
    """What runs must have in common to be compared: machine, network, device and number formats.

    Parameters
    ----------
    model : str
        As `RunRecord.model_name`.
    device : str
        As `RunRecord.device`; of several alike, the number is of no importance.
    formats : dict
        As `RunRecord.formats`.
    """
    # A home may be shared by machines.
    parts = (platform.node(), model, _device_name(device), *formats.values())
    return " | ".join(parts)


def rates_of(kind: str) -> Rates:
    """What is kept of runs of a kind; see `kind_of`."""
    return Rates(tuple(_paces(_kinds(user_files.read(_FILE)).get(kind))))


def learning(events: Iterable[Told]) -> Iterator[Told]:
    """Hand on what a run says, and keep how fast it was when it has come to its end.

    A run teaches nothing that stepped down for want of memory, that raised, that went on where an
    earlier one stopped, or that is put together of several.

    Parameters
    ----------
    events : iterable
        Events, bare or as the `event` of something else.
    """
    listener = _Listener()
    try:
        for told in events:
            listener.take(getattr(told, "event", told))
            yield told
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()


class _Listener:
    """Counts what a run does."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._wanted: frozenset[int] = frozenset()
        self._drawn: set[int] = set()
        self._done: set[int] = set()
        self._objects = 0
        self._fetched = False

    def take(self, event: object) -> None:
        match event:
            case Planned():
                self._plan = event.plan
                self._wanted = event.plan.frames
            case Fetching():
                self._fetched = True
            case Resumed():
                self._plan = None
            case FrameMasks():
                (self._drawn if isinstance(event, KeyMasks) else self._done).add(event.frame)
                self._objects = max(self._objects, len(event.object_ids))
            case Finished() if self._plan is not None and self._done <= self._wanted:
                if not event.record.step_downs:
                    keep_pace(event.record, self._pace(event.record, self._plan))

    def _pace(self, record: RunRecord, plan: Plan) -> Pace:
        times = record.timings_s
        asked = [entry for entry in record.objects if entry.text]
        answered = sum(bool(entry.raw_answer) for entry in asked)
        # An answer that was given takes less, and of one that was cut short nothing is known.
        is_whole = answered == len(plan.spoken) and not any(e.answer_given for e in asked)
        tracked = len(self._done - self._drawn)
        steps = ("load", "look", "ground", "key_frames", "tracking")
        rest = times.get("total", 0.0) - sum(times.get(step, 0.0) for step in steps)
        load = times.get("load", 0.0)
        return Pace(
            key_frames=len(plan.key_frames.frames),
            sentences=answered,
            objects=self._objects,
            drawn=len(self._drawn),
            tracked=tracked,
            pixels=max(int(record.clip.get("height", 1)) * int(record.clip.get("width", 1)), 1),
            is_picture=plan.mode == "image",
            load_s=load if load >= _LOADED_S else None,
            look_s=times.get("look"),
            ground_s=times.get("ground") if is_whole else None,
            draw_s=times.get("key_frames") if self._drawn else None,
            track_s=times.get("tracking") if tracked else None,
            # What a download takes is said by itself.
            rest_s=None if self._fetched or not self._done else max(rest, 0.0),
        )


def keep_pace(record: RunRecord, pace: Pace) -> None:
    """Add what a run took to what is kept of its kind."""
    kind = kind_of(record.model_name, record.device, record.formats)

    def with_pace(before: Any) -> dict[str, Any]:
        kinds = _kinds(before)
        paces = [*_paces(kinds.pop(kind, None)), pace][-_RUNS_KEPT:]
        kinds[kind] = [one.model_dump(exclude_none=True) for one in paces]  # now the latest
        return {"version": _VERSION, "kinds": dict(list(kinds.items())[-_KINDS_KEPT:])}

    user_files.change(_FILE, with_pace)


def _kinds(kept: Any) -> dict[str, Any]:
    kinds = kept.get("kinds") if isinstance(kept, dict) and kept.get("version") == _VERSION else {}
    return dict(kinds) if isinstance(kinds, dict) else {}


def _paces(kept: Any) -> list[Pace]:
    found = []
    for fields in kept if isinstance(kept, list) else ():
        try:
            found.append(Pace.model_validate(fields))
        except ValidationError:
            continue
    return found


def _nearest(paces: list[Pace], wanted: int, of: Callable[[Pace], int]) -> list[Pace]:
    """Those that are alike in a number; all of them if none is."""
    alike = [p for p in paces if wanted / _ALIKE <= of(p) <= wanted * _ALIKE]
    return alike or paces


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _device_name(device: str) -> str:
    """The kind of a device; of a GPU also its make."""
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return kind
    import torch

    if not torch.cuda.is_available():
        return kind
    return f"{kind} {torch.cuda.get_device_name(int(number or 0))}"
