"""What a tracker remembers of each object, and for how long.

Conditioning frames stay; of the tracked frames only those are kept that a coming frame can still
attend to, so the size of a bank does not depend on the length of the video. No arithmetic here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import RequestError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_sa2va.models.sam2.prediction import MaskPrediction


@dataclass(frozen=True, eq=False)
class ConditioningFrame:
    """A prompted frame: its memory map (memory_dim, S/16, S/16) and its own answer, N = 1."""

    map: Tensor
    prediction: MaskPrediction

    @property
    def pointer(self) -> Tensor:
        """The object pointer, shape (C,)."""
        return self.prediction.pointers[0]

    def to(self, device: torch.device, answers: torch.device) -> ConditioningFrame:
        """Return the same with what is attended on a device, and the mask logits on another."""
        known = self.prediction
        # Not by way of the first device: what is offloaded may have no room there.
        prediction = replace(
            known,
            logits=known.logits.to(answers),
            iou=known.iou.to(device),
            object_scores=known.object_scores.to(device),
            pointers=known.pointers.to(device),
        )
        return ConditioningFrame(self.map.to(device), prediction)


@dataclass(frozen=True, eq=False)
class Recall:
    """What one object attends to on one frame.

    Attributes
    ----------
    slots : tuple of int
        Temporal slot of each map: 0 for the frame before, 1 for the one before that, ...; the last
        slot for conditioning frames.
    maps : list of Tensor
        Memory maps (memory_dim, S/16, S/16), one per slot.
    pointers : list of Tensor
        Object pointers (C,), without a place in time.
    """

    slots: tuple[int, ...]
    maps: list[Tensor]
    pointers: list[Tensor]

    @property
    def layout(self) -> tuple[tuple[int, ...], int]:
        """Objects with equal layouts can be attended in one batch."""
        return self.slots, len(self.pointers)


@dataclass(eq=False)
class MemoryBank:
    """Memory of one object.

    Attributes
    ----------
    num_memory_frames : int
        Temporal slots M: one for all conditioning frames, and one for each of M - 1 past frames.
    max_pointers : int
        Pointers attended: those of conditioning frames, and of at most `max_pointers` - 1 past
        frames.
    max_conditioning : int
        Conditioning frames attended on a frame, the nearest ones; 0 for all, as published.
    conditioning : dict of int to ConditioningFrame
    maps, pointers : dict of int to Tensor
        Of tracked frames, by frame index.
    """

    num_memory_frames: int
    max_pointers: int
    max_conditioning: int = 0
    conditioning: dict[int, ConditioningFrame] = field(default_factory=dict)
    maps: dict[int, Tensor] = field(default_factory=dict)
    pointers: dict[int, Tensor] = field(default_factory=dict)

    @property
    def map_reach(self) -> int:
        """Number of past frames whose maps are attended."""
        return self.num_memory_frames - 1

    @property
    def pointer_reach(self) -> int:
        """Number of past frames whose pointers are attended."""
        return self.max_pointers - 1

    def condition(self, t: int, frame: ConditioningFrame) -> None:
        """Make frame `t` a conditioning frame; it replaces what was known of that frame."""
        self.conditioning[t] = frame
        self.maps.pop(t, None)
        self.pointers.pop(t, None)

    def remember(self, t: int, map_: Tensor, pointer: Tensor) -> None:
        """Store a tracked frame."""
        self.maps[t], self.pointers[t] = map_, pointer

    def recall(self, t: int, *, reverse: bool) -> Recall:
        """Collect what is attended on frame `t`.

        Notes
        -----
        Conditioning frames are attended also if they are still to come in the direction of
        tracking; but pointers come only from the past in that direction. One that is not among the
        nearest is attended like a tracked frame, as long as it is as near as those. As SAM 2 does
        it.
        """
        back = 1 if reverse else -1  # where the past lies
        anchors = self._nearest(t)
        others = self.conditioning.keys() - set(anchors)
        slots = [self.num_memory_frames - 1] * len(anchors)
        maps = [self.conditioning[c].map for c in anchors]
        for distance in range(self.map_reach, 0, -1):
            past = t + back * distance
            if past in others or past in self.maps:
                slots.append(distance - 1)
                maps.append(self.conditioning[past].map if past in others else self.maps[past])
        pointers = [self.conditioning[c].pointer for c in anchors if (c - t) * back >= 0]
        for distance in range(1, self.pointer_reach + 1):
            past = t + back * distance
            if past in others:
                pointers.append(self.conditioning[past].pointer)
            elif past in self.pointers:
                pointers.append(self.pointers[past])
        return Recall(tuple(slots), maps, pointers)

    def _nearest(self, t: int) -> list[int]:
        """The conditioning frames attended on frame `t`, sorted: the nearest on either side of it
        in any case, then the nearest of all."""
        anchors = sorted(self.conditioning)
        if not 0 < self.max_conditioning < len(anchors):
            return anchors
        before, after = [c for c in anchors if c < t], [c for c in anchors if c >= t]
        taken = before[-1:] + after[:1]
        rest = sorted((c for c in anchors if c not in taken), key=lambda c: abs(c - t))
        return sorted(taken + rest[: max(self.max_conditioning - len(taken), 0)])

    def prune(self, t: int, *, reverse: bool, turning_frame: int | None) -> None:
        """Drop what no frame after `t` can attend to.

        Parameters
        ----------
        t : int
            The frame just tracked.
        reverse : bool
        turning_frame : int or None
            What lies within reach of this frame is kept too; see `Tracker`.
        """
        back = 1 if reverse else -1

        def kept(frame: int, reach: int) -> bool:
            within = 0 <= (frame - t) * back < reach
            return within or (turning_frame is not None and abs(frame - turning_frame) <= reach)

        self.maps = {f: m for f, m in self.maps.items() if kept(f, self.map_reach)}
        self.pointers = {f: p for f, p in self.pointers.items() if kept(f, self.pointer_reach)}

    def forget(self, t: int) -> None:
        """Drop all that is known of frame `t`."""
        self.conditioning.pop(t, None)
        self.maps.pop(t, None)
        self.pointers.pop(t, None)

    def to(self, device: torch.device, answers: torch.device) -> None:
        """Move all that is attended to a device, and the answers to prompts to another."""
        self.conditioning = {t: frame.to(device, answers) for t, frame in self.conditioning.items()}
        self.maps = {t: m.to(device) for t, m in self.maps.items()}
        self.pointers = {t: p.to(device) for t, p in self.pointers.items()}

    @property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        tensors = [*self.maps.values(), *self.pointers.values()]
        for frame in self.conditioning.values():
            tensors += [frame.map, frame.prediction.logits, frame.pointer]
        return sum(x.numel() * x.element_size() for x in tensors)


class Memories:
    """The memory banks of all objects, by object id; parameters as for `MemoryBank`."""

    def __init__(
        self, num_memory_frames: int, max_pointers: int, max_conditioning: int = 0
    ) -> None:
        self._sizes = num_memory_frames, max_pointers, max_conditioning
        self._banks: dict[int, MemoryBank] = {}

    def __getitem__(self, object_id: int) -> MemoryBank:
        if object_id not in self._banks:
            raise RequestError(
                f"Object {object_id} was not prompted; known are {list(self._banks)}.",
                "Prompt it on one frame before tracking it.",
            )
        return self._banks[object_id]

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that have been prompted, in the order of their first prompts."""
        return tuple(self._banks)

    @property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        return sum(bank.nbytes for bank in self._banks.values())

    def condition(self, object_id: int, t: int, frame: ConditioningFrame) -> None:
        """Make frame `t` a conditioning frame of an object, which may be a new one."""
        bank = self._banks.setdefault(object_id, MemoryBank(*self._sizes))
        bank.condition(t, frame)

    def forget(self, t: int) -> None:
        """Drop all that is known of frame `t`, and the objects known from there only."""
        for bank in self._banks.values():
            bank.forget(t)
        self._banks = {i: b for i, b in self._banks.items() if b.conditioning}

    def to(self, device: torch.device, answers: torch.device) -> None:
        """Move all that is attended to a device, and the answers to prompts to another."""
        for bank in self._banks.values():
            bank.to(device, answers)

    def conditioning_frame(self, object_id: int, t: int) -> ConditioningFrame | None:
        """Return what an object was prompted with on frame `t`, if it was."""
        bank = self._banks.get(object_id)
        return None if bank is None else bank.conditioning.get(t)
