"""`Footing`: the network, the tracker and the memory settings that a run stands on right now.

It runs the steps of a run, and when one fails for want of memory it goes down one rung of the
`ladder`, says so, and runs the step again. A step hands over its result only when it is whole, so
nothing that was yielded is lost or comes twice.

Each step takes its turn (`turns`), since other runs may stand on the same network, and change it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from napari_sa2va.core.errors import MemoryShortage, ModelError
from napari_sa2va.pipeline.events import Note
from napari_sa2va.pipeline.ladder import Standing, Step, next_rung
from napari_sa2va.pipeline.record import Clock, RunRecord, StepDown
from napari_sa2va.pipeline.turns import turns_of
from napari_sa2va.settings import ModelSettings, RunSettings

if TYPE_CHECKING:
    import torch

    from napari_sa2va.models.formats import Formats
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.prompt_format import Mode
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
    should_stop : callable
        Asked while another run has its turn with the network.

    Attributes
    ----------
    should_stop : callable
    model : Sa2VA
        After `load`.
    tracker : Tracker
        After `new_tracker`.
    """

    def __init__(
        self,
        settings: RunSettings,
        model: Sa2VA | None,
        record: RunRecord,
        clock: Clock,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        from napari_sa2va.models.device import pick_device, pick_formats

        self._settings = settings
        self._record = record
        self._clock = clock
        self.should_stop = should_stop
        self._model = model
        self._left_as = None if model is None else _state(model)
        self._news: list[Note] = []
        self._token = object()  # not the footing, which would keep its network alive
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
    def is_loaded(self) -> bool:
        """Whether there is a network yet."""
        return self._model is not None

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

            model = yield from self.attempt("load", lambda: load(self._choice()))
            self._model, self._left_as = model, _state(model)
            now, found = self._standing, model.formats
            formats = replace(now.formats, language=found.language, vision=found.vision)
            self._standing = replace(now, formats=formats)
        self._note_down()

    def resume(
        self,
        settings: RunSettings,
        record: RunRecord,
        clock: Clock,
        should_stop: Callable[[], bool],
    ) -> Footing:
        """What another run stands on that goes on with this network, after all given up here.

        Parameters
        ----------
        settings : RunSettings
            With the same choice of a model.
        record : RunRecord
            Is told what was given up so far.
        clock, should_stop
            See above.
        """
        other = Footing(settings, self.model, record, clock, should_stop)
        may_change = self._standing.may_change_network
        other._standing = replace(other._standing, may_change_network=may_change)
        other._asked = self._asked
        record.step_downs += self._record.step_downs
        record.notes += self._record.notes
        return other

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
            self._settled = False

    def look(
        self, work: Callable[[], T], *, mode: Mode, num_frames: int
    ) -> Generator[Note, None, T]:
        """`attempt` to show the network frames; a single picture is cut into tiles."""
        from napari_sa2va.models.sa2va.tiles import MAX_TILES

        together = num_frames if mode == "video" else MAX_TILES + 1  # with the overview
        return (yield from self.attempt("look", work, together=together))

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
            One per rung taken, and one if another run has changed the network.

        Raises
        ------
        MemoryShortage
            If no rung is left, or the run is not to take any.
        ModelError
            If another run has left the network half changed.
        Stopped
            If it was to stop while it waited for its turn.
        """
        from napari_sa2va.models.device import give_back, memory_errors

        while True:
            try:
                with self._turn():
                    self._take_over()
                    with self._clock(step), memory_errors(self._where):
                        self._settle()
                        done = work()
                yield from self._tell()
                return done
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
        if _weights(now.formats) != _weights(self._asked.formats):
            update |= {"dtype": now.formats.language, "vision_dtype": now.formats.vision}
        return choice.model_copy(update=update)

    def _turn(self) -> AbstractContextManager[None]:
        if self._model is None:
            return nullcontext()
        return turns_of(self._model).take(self.should_stop)

    def _take_over(self) -> None:
        """Make the network this run's again, if another one had the last turn with it."""
        model = self._model
        if model is None or (turns := turns_of(model)).last is self._token:
            return
        if turns.torn:
            raise ModelError(
                f"{model.name} was left half changed by a run that had too little memory.",
                "Try again: it is loaded anew then.",
            )
        turns.last = self._token
        model.pictures_at_once = self._standing.memory.pictures_at_once
        if self._drawing:  # another run's question may have fetched the language model
            self._settled = False
        if _state(model) == self._left_as:
            return
        now, found = self._standing, model.formats
        formats = replace(now.formats, language=found.language, vision=found.vision)
        device = "cpu" if model.device.type == "cpu" else now.device
        self._standing, self._settled = replace(now, formats=formats, device=device), False
        where, what = str(model.device), ", ".join(dict.fromkeys(_weights(formats)))
        self._news.append(
            self._record.note(
                f"The model was changed in the meantime, for want of memory; it is now in {what} "
                f"on the device {where}."
            )
        )

    def _tell(self) -> Generator[Note, None, None]:
        while self._news:
            yield self._news.pop(0)

    def _settle(self) -> None:
        """Bring network and tracker to where the run stands; done again if it fails half-way."""
        if self._settled:
            return
        from napari_sa2va.models.device import pick_device

        now, model, tracker = self._standing, self._model, self._tracker
        if model is not None:
            self._change(model)
            model.pictures_at_once = now.memory.pictures_at_once
            self._where = model.device
        elif now.device == "cpu":
            self._where = pick_device("cpu")
        if tracker is not None:
            tracker.objects_per_pass = now.memory.objects_at_once
            tracker.offload = self._offloads and now.memory.offload_frames
            tracker.precision = _dtype(now.formats.sam2)
            tracker.follow()
        if model is not None:
            if self._drawing and self._offloads and now.memory.offload_language:
                model.park_language()
            self._note_down()
        self._settled = True

    def _change(self, model: Sa2VA) -> None:
        """Move and cast the network, if it is not as the run stands."""
        from napari_sa2va.pipeline.loaded import forget, keep

        now = self._standing
        moves = now.device == "cpu" and self._where.type != "cpu" and model.device.type != "cpu"
        casts = _weights(now.formats) != _weights(model.formats)
        if not moves and not casts:
            return
        if moves:
            _require_room_on_cpu(model)
        # Nobody is to be handed it meanwhile, nor at all if this fails half-way.
        forget(model)
        turns = turns_of(model)
        turns.torn = True
        if moves:
            model.to("cpu")
        if casts:
            model.halve()
        turns.torn = False
        self._left_as = _state(model)
        if now.may_change_network:
            # Or the next run would be given it under the name of what was asked for.
            keep(self._choice(), model)

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


def _state(model: Sa2VA) -> tuple[str, str, str]:
    """What a run may change of a network for good: where it is, and the format of its weights."""
    return str(model.device), *_weights(model.formats)


def _require_room_on_cpu(model: Sa2VA) -> None:
    import torch

    from napari_sa2va.models.device import require_memory

    cpu = torch.device("cpu")
    # What is offloaded is there already.
    require_memory(model.nbytes_outside(cpu), cpu, what=f"{model.name} on the CPU")
