"""`Footing`: the network, the tracker and the memory settings that a run stands on right now.

It runs the steps of a run, and when one fails for want of memory it goes down one rung of the
`ladder`, says so, and runs the step again. A step hands over its result only when it is whole, so
nothing that was yielded is lost or comes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from napari_sa2va.core.errors import MemoryShortage
from napari_sa2va.pipeline.events import Note
from napari_sa2va.pipeline.ladder import Standing, Step, next_rung
from napari_sa2va.pipeline.record import Clock, RunRecord, StepDown
from napari_sa2va.settings import ModelSettings, RunSettings

if TYPE_CHECKING:
    import torch

    from napari_sa2va.models.formats import Formats
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sam2.tracker import Tracker

T = TypeVar("T")

_WHILE: dict[Step, str] = {
    "load": "loading the model",
    "look": "looking at the key frames",
    "ground": "answering",
    "key_frames": "drawing a key frame",
    "tracking": "tracking",
}


class Footing:
    """What a run stands on; see `load`, which comes first, and `attempt`.

    Parameters
    ----------
    settings : RunSettings
    model : Sa2VA or None
        A network that the caller handed in. Its weights are neither cast nor moved.
    record : RunRecord
    clock : Clock

    Attributes
    ----------
    model : Sa2VA
        After `load`.
    tracker : Tracker
        After `new_tracker`.
    """

    def __init__(
        self, settings: RunSettings, model: Sa2VA | None, record: RunRecord, clock: Clock
    ) -> None:
        from napari_sa2va.models.device import pick_device, pick_formats

        self._settings = settings
        self._record = record
        self._clock = clock
        self._model = model
        self._tracker: Tracker | None = None
        self._settled, self._drawing = True, False
        choice = settings.model
        self._where: torch.device = pick_device(choice.device) if model is None else model.device
        formats = (
            pick_formats(
                choice.dtype,
                self._where,
                vision_dtype=choice.vision_dtype,
                quantise_language=choice.quantise_language,
                quantise_vision=choice.quantise_vision,
            )
            if model is None
            else model.formats
        )
        if settings.memory.sam2_dtype != "same":
            formats = replace(formats, sam2=settings.memory.sam2_dtype)
        self._standing = Standing(
            self._where.type, formats, settings.memory, may_change_network=model is None
        )
        self._asked = self._standing

    @property
    def model(self) -> Sa2VA:
        assert self._model is not None  # load comes first
        return self._model

    @property
    def tracker(self) -> Tracker:
        assert self._tracker is not None  # new_tracker comes first
        return self._tracker

    def load(self) -> Generator[Note, None, None]:
        """Load the network, unless one was handed in."""
        if self._model is None:
            from napari_sa2va.pipeline.loaded import load

            self._model = yield from self.attempt("load", lambda: load(self._choice()))
        self._model.pictures_at_once = self._standing.memory.pictures_at_once
        self._note_down()

    def new_tracker(self, **how: Any) -> Tracker:
        """Start tracking with the batches and formats of this run; see `Sa2VA.new_tracker`."""
        memory = self._standing.memory
        self._tracker = self.model.new_tracker(
            **how,
            precision=_dtype(self._standing.formats.sam2),
            objects_per_pass=memory.objects_at_once,
            offload=self._offloads and memory.offload_frames,
        )
        return self._tracker

    def begin_drawing(self) -> None:
        """No question is left to be asked."""
        self._drawing = True
        if self._offloads and self._standing.memory.offload_language:
            self.model.park_language()

    def attempt(
        self,
        step: Step,
        work: Callable[[], T],
        *,
        together: int = 1,
        undo: Callable[[], None] | None = None,
    ) -> Generator[Note, None, T]:
        """Run one step of a run, going down the ladder as often as it takes.

        Parameters
        ----------
        step : str
        work : callable
            Is run again from its beginning.
        together : int
            How many pictures or objects it puts into one batch.
        undo : callable, optional
            Undoes what work that failed may have left.

        Yields
        ------
        Note
            One per rung taken.

        Raises
        ------
        MemoryShortage
            If no rung is left, or the run is not to take any.
        """
        from napari_sa2va.models.device import give_back, memory_errors

        while True:
            try:
                with self._clock(step), memory_errors(self._where):
                    self._settle()
                    return work()
            except MemoryShortage as error:
                rung = next_rung(step, self._standing, together)
                if rung is None or not self._standing.memory.step_down:
                    raise
                shortage = error.message
            # Below the clause: until it is left, the error holds all that the failed work held.
            if undo is not None:
                undo()
            self._standing, self._settled = rung.standing, False
            self._record.step_downs.append(StepDown(step=step, rung=rung.name, because=shortage))
            yield self._record.note(
                f"{shortage} It was {_WHILE[step]}. From now on: {rung.says}.", rung.hint
            )
            give_back(self._where)

    @property
    def _offloads(self) -> bool:
        return self._standing.device != "cpu"

    def _choice(self) -> ModelSettings:
        """The network to load, as it is to be now."""
        now, choice = self._standing, self._settings.model
        update: dict[str, object] = {}
        if now.device != self._asked.device:
            update["device"] = now.device
        if now.formats != self._asked.formats:
            update |= {"dtype": now.formats.language, "vision_dtype": now.formats.vision}
        return choice.model_copy(update=update)

    def _settle(self) -> None:
        """Bring network and tracker to where the run stands; done again if it fails half-way."""
        if self._settled:
            return
        from napari_sa2va.models.device import pick_device

        now, model, tracker = self._standing, self._model, self._tracker
        if now.device == "cpu" and self._where.type != "cpu":
            if model is not None:
                _move_to_cpu(model)
                self._where = model.device
            else:
                self._where = pick_device("cpu")
        if tracker is not None:
            tracker.objects_per_pass = now.memory.objects_at_once
            tracker.offload = self._offloads and now.memory.offload_frames
            tracker.precision = _dtype(now.formats.sam2)
            tracker.follow()
        if model is not None:
            model.pictures_at_once = now.memory.pictures_at_once
            if _weights(now.formats) != _weights(model.formats):
                model.halve()
            if self._drawing and self._offloads and now.memory.offload_language:
                model.park_language()
            if now.may_change_network and self._choice() != self._settings.model:
                from napari_sa2va.pipeline.loaded import keep

                # Or the next run would be given it under the name of what was asked for.
                keep(self._choice(), model)
            self._note_down()
        self._settled = True

    def _note_down(self) -> None:
        record, model = self._record, self.model
        record.device, record.dtype = str(model.device), str(model.dtype).removeprefix("torch.")
        record.formats = self._standing.formats.describe()


def _weights(formats: Formats) -> tuple[str, str]:
    """What is fixed in the weights themselves; SAM 2's are in float32 whatever it computes in."""
    return formats.language, formats.vision


def _dtype(name: str) -> torch.dtype:
    import torch

    found: torch.dtype = getattr(torch, name)
    return found


def _move_to_cpu(model: Sa2VA) -> None:
    """Move a network, if the main memory has room for it."""
    import torch

    from napari_sa2va.models.device import require_memory

    cpu = torch.device("cpu")
    require_memory(model.nbytes, cpu, what=f"{model.name} on the CPU")
    model.to(cpu)
