"""`segment`: run the generator to its end and hand over everything it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.masklet import Masklet, Overlap, label_frame
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.pipeline.events import Event
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.sinks import MaskletSink
from napari_sa2va.presets import DEFAULT_PRESET
from napari_sa2va.presets import preset as preset_named
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA


@dataclass(frozen=True)
class Result:
    """What a run found.

    Attributes
    ----------
    masklets : list of Masklet
        One per object, in the order of their first prompts.
    record : RunRecord
    """

    masklets: list[Masklet]
    record: RunRecord

    @property
    def answer(self) -> str:
        """What the model said, one line per sentence, special tokens left out."""
        return "\n".join(m.answer for m in self.masklets if m.text)

    @property
    def labels(self) -> np.ndarray:
        """The label images, uint16 (T, Y, X); overlap as the settings say."""
        return self.label_stack(self.record.settings.output.overlap)

    def label_stack(self, overlap: Overlap) -> np.ndarray:
        """Return the label images, uint16 (T, Y, X), with a given rule for overlapping objects."""
        return np.stack(
            [label_frame(self.masklets, t, overlap) for t in range(self.masklets[0].num_frames)]
        )


def segment(
    clip: Clip | np.ndarray | object,
    prompts: str | Sequence[str] | PromptSet,
    *,
    preset: str = DEFAULT_PRESET,
    settings: RunSettings | None = None,
    model: str | Sa2VA | None = None,
    device: str | None = None,
    answer: str | Sequence[str | None] | None = None,
    cancel: CancelToken | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Result:
    """Segment what the sentences name, through the whole clip.

    Parameters
    ----------
    clip : Clip, path, or array of shape (T, Y, X) or (T, Y, X, 3)
        Anything that is no `Clip` goes through `open_clip`.
    prompts : str, sequence of str, or PromptSet
        One object per sentence; a `PromptSet` may also hold marks, on several frames of an object.
    preset : str
        Name of a published system; ignored if `settings` are given.
    settings : RunSettings, optional
        Every choice, instead of a preset.
    model : str or Sa2VA, optional
        Name or folder of a checkpoint, or a loaded network.
    device : str, optional
        auto, cpu, cuda, mps.
    answer : str or sequence of (str or None), optional
        Taken instead of generating the answers, one per sentence.
    cancel : CancelToken, optional
    on_event : callable, optional
        Called with every event, for progress.

    Returns
    -------
    Result
        Also after a cancel, with what was finished.

    Raises
    ------
    Sa2vaError
        See `napari_sa2va.core.errors`.
    """
    from napari_sa2va.readers.open import open_clip

    chosen, network = with_model(settings or preset_named(preset), model, device)
    prompt_set = prompts if isinstance(prompts, PromptSet) else PromptSet.from_texts(prompts)
    opened = clip if isinstance(clip, Clip) else open_clip(clip)

    events = run(opened, prompt_set, chosen, model=network, answers=answer, cancel=cancel)
    return collect(opened, prompt_set, events, on_event)


def with_model(
    settings: RunSettings, model: str | Sa2VA | None, device: str | None
) -> tuple[RunSettings, Sa2VA | None]:
    """Settings with the network and device that were named, and the network if it was handed in."""
    update: dict[str, object] = {}
    if isinstance(model, str):
        update["name"] = model
    if device is not None:
        update["device"] = device
    chosen = settings.model_copy(update={"model": settings.model.model_copy(update=update)})
    return chosen, None if isinstance(model, str) else model


def collect(
    clip: Clip,
    prompts: PromptSet,
    events: Iterable[Event],
    on_event: Callable[[Event], None] | None = None,
) -> Result:
    """Let a run come to its end, and keep what it found.

    Parameters
    ----------
    clip : Clip
    prompts : PromptSet
    events : iterable of Event
        What `run` yields.
    on_event : callable, optional
        Called with every event, for progress.
    """
    sink = MaskletSink(clip, prompts)
    for event in events:
        sink.take(event)
        if on_event is not None:
            on_event(event)
    assert sink.record is not None  # the first event carries it
    return Result(list(sink.masklets.values()), sink.record)
