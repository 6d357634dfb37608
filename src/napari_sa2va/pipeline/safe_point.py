"""`SafePoint`: all that a run needs to go on after a frame as if it had never stopped.

What is done with it is the generator's (`resuming`); here is what it holds, how it is kept in a
file, and who keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sa2va.core.errors import SafePointError
from napari_sa2va.pipeline import tensor_file
from napari_sa2va.pipeline.drawing import Track
from napari_sa2va.pipeline.record import RunRecord

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sa2va.pipeline.drawing import Coded

# Of the file; a file of another version is not read.
_VERSION = 1


@dataclass(frozen=True, eq=False)
class SafePoint:
    """All that a run needs to go on after a frame as if it had never stopped.

    Frames that wait to be tracked are not in it: encoding one again gives the same. So it is as large
    as what the tracker remembers, which does not grow with the clip.

    Attributes
    ----------
    run : str
        Which run it belongs to; see `identity`.
    record : RunRecord
        The run's record as it was, with the answers, and how many frames were done.
    tracks : tuple of Track
        What is drawn.
    num_prompted : int
        How many prompted frames were drawn, in the order in which `Drawing` has them.
    prompted : mapping of int to dict
        Masks of those that are still to be visited; see `Drawing.prompted`.
    memories : mapping of str to Tensor
        What the tracker remembers; see `Tracker.memories`.
    """

    run: str
    record: RunRecord
    tracks: tuple[Track, ...]
    num_prompted: int
    prompted: Mapping[int, Coded]
    memories: Mapping[str, Tensor]

    @property
    def frames_done(self) -> int:
        """How many frames had their final masks yielded, in the order of the plan."""
        return self.record.frames_done

    def save(self, path: Path) -> None:
        """Replace a file by one of this point, at once.

        Parameters
        ----------
        path : Path
            Usually ends in ``.safetensors``.

        Raises
        ------
        OutputError
            If it cannot be written; the file that was there stays.
        """
        import torch

        about = {
            "version": _VERSION,
            "run": self.run,
            "record": self.record.model_dump(mode="json"),
            "tracks": [
                (track.track_id, track.object_id, track.embedding is not None)
                for track in self.tracks
            ],
            "num_prompted": self.num_prompted,
            "prompted": [
                (t, track_id, code["size"], score)
                for t, track_id, code, score in _each(self.prompted)
            ],
        }
        tensors = {f"memory/{name}": tensor for name, tensor in self.memories.items()}
        for track in self.tracks:
            if track.embedding is not None:
                tensors[f"embedding/{track.track_id}"] = torch.tensor(track.embedding)
        for t, track_id, code, _ in _each(self.prompted):
            # torch knows little of uint32.
            counts = code["counts"].astype(np.uint32).view(np.int32)
            tensors[f"prompted/{t}/{track_id}"] = torch.from_numpy(counts)
        tensor_file.write(path, tensors, json.dumps(about))

    @classmethod
    def load(cls, path: Path) -> SafePoint:
        """Read what `save` wrote.

        Raises
        ------
        SafePointError
            If the file is not there, damaged, or of another version of this package.
        """
        tensors, text = tensor_file.read(path)
        try:
            about = json.loads(text)
            if about["version"] != _VERSION:
                raise ValueError(f"version {about['version']}")
            return cls(
                run=about["run"],
                record=RunRecord.model_validate(about["record"]),
                tracks=tuple(
                    Track(i, object_id, tensors[f"embedding/{i}"].numpy() if is_spoken else None)
                    for i, object_id, is_spoken in about["tracks"]
                ),
                num_prompted=about["num_prompted"],
                prompted=_prompted(about["prompted"], tensors),
                memories={
                    name.removeprefix("memory/"): tensor
                    for name, tensor in tensors.items()
                    if name.startswith("memory/")
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SafePointError(
                f"{path} was written by another version of this package ({error}).",
                "Delete it to begin the run anew.",
            ) from error


class Keeper(Protocol):
    """Who keeps the safe points of a run."""

    def last(self) -> SafePoint | None:
        """Where the run is to go on; None: from the beginning."""
        ...

    def offer(self, frames_done: int, take: Callable[[], SafePoint]) -> None:
        """Called after the answers, after each key frame and after each tracked frame.

        By then the consumer of the events has asked for the next one, so it is done with what it was
        given; and a run that is cancelled has offered the last point before it ends.

        Parameters
        ----------
        frames_done : int
            How many frames had their final masks yielded.
        take : callable
            Gives the point. To be called now or not at all: it takes the run as it is then.
        """
        ...


def _each(prompted: Mapping[int, Coded]) -> Iterator[tuple[int, int, Any, float]]:
    """Frame, track id, code and score of every mask."""
    for t, coded in prompted.items():
        for track_id, (code, score) in coded.items():
            yield t, track_id, code, score


def _prompted(entries: list[Any], tensors: Mapping[str, Tensor]) -> dict[int, Coded]:
    prompted: dict[int, Coded] = {}
    for t, track_id, size, score in entries:
        counts = tensors[f"prompted/{t}/{track_id}"].numpy().view(np.uint32)
        prompted.setdefault(t, {})[track_id] = ({"size": size, "counts": counts}, score)
    return prompted
