"""What the dock asks for, and what the worker thread says back. No Qt."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psygnal import EmitLoopError

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import RequestError, Sa2vaError
from napari_sa2va.core.prompt import IMAGE, Prompt, PromptSet
from napari_sa2va.pipeline.events import Event
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.job import Drawn, Job
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.recording import Recording
    from napari_sa2va.gui.placement import Placement
    from napari_sa2va.models.sa2va.model import Sa2VA

_MOST_WORDS = 3  # of a name


@dataclass(frozen=True, eq=False)
class Request:
    """One press of Run, with everything that was read off the layer on the GUI's thread.

    Attributes
    ----------
    recording : Recording
        Lazy pixels of the image layer.
    clip_arguments : dict
        Arguments of `make_clip`: what plays, projection, limits.
    prompts : PromptSet
    settings : RunSettings
    placement : Placement
        Where the masks lie in the viewer.
    layer_name : str
        Name of the image layer.
    """

    recording: Recording
    clip_arguments: dict[str, Any]
    prompts: PromptSet
    settings: RunSettings
    placement: Placement
    layer_name: str = "image"


@dataclass(frozen=True, eq=False)
class JobRequest:
    """One thing that the network is to do for a project.

    Attributes
    ----------
    job : Job
    open_footage : callable
        Opens the pixels, on the worker's thread; what it needs of the layer was read off it before.
    """

    job: Job
    open_footage: Callable[[], Footage]

    @property
    def prompts(self) -> PromptSet:
        """What is asked for."""
        return self.job.work.prompts


@dataclass(frozen=True)
class Opened:
    """The layer is a clip now: sizes and limits are known, nothing was computed yet."""

    footage: Footage

    @property
    def clip(self) -> Clip:
        """The clip, of several planes the first."""
        return self.footage.first


@dataclass(frozen=True)
class Failed:
    """The run ended with an error.

    Attributes
    ----------
    message, hint : str
        What was wrong, and what to do.
    details : str
        The traceback of an error that nobody foresaw; empty for our own.
    """

    message: str
    hint: str = ""
    details: str = field(default="", repr=False)

    @classmethod
    def of(cls, error: BaseException) -> Failed:
        """Put an error into words."""
        if isinstance(error, EmitLoopError) and error.__cause__ is not None:
            error = error.__cause__  # of whoever heard a signal
        if isinstance(error, Sa2vaError):
            return cls(error.message, error.hint)
        words = str(error).strip()
        return cls(
            f"{type(error).__name__}: {words}" if words else type(error).__name__,
            "This should not happen. Copy the details and report them.",
            "".join(traceback.format_exception(error)),
        )


Message = Event | Drawn | Opened | Failed


def sentences_in(text: str) -> list[str]:
    """The sentences of a text, one per line; empty lines are left out."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def prompts_in(text: str) -> PromptSet:
    """One object per line of a text, numbered from 1, with the name that may stand before it.

    Raises
    ------
    RequestError
        If there is no sentence.
    """
    lines = sentences_in(text)
    if not lines:
        raise RequestError(
            "There is no sentence yet.", "Type what to find, for example: the bright cell."
        )
    named = [name_and_sentence(line) for line in lines]
    return PromptSet(
        tuple(
            Prompt(object_id=number, name=name, text=sentence)
            for number, (name, sentence) in enumerate(named, start=1)
        )
    )


def name_and_sentence(line: str) -> tuple[str, str]:
    """What an object is called, and the sentence that asks for it.

    A name is at most three words before a colon. Without one the sentence is the name, too.

    Examples
    --------
    >>> name_and_sentence("nucleus: the round bright thing")
    ('nucleus', 'the round bright thing')
    >>> name_and_sentence("the cell that divides at 10:30")
    ('the cell that divides at 10:30', 'the cell that divides at 10:30')
    """
    before, _, after = line.partition(":")
    name, sentence = before.strip(), after.strip()
    is_address = after.startswith(("/", "\\"))
    is_number = before[-1:].isdigit() and after[:1].isdigit()
    if (
        IMAGE in line
        or is_address
        or is_number
        or not sentence
        or not 1 <= len(name.split()) <= _MOST_WORDS
    ):
        return line, line
    return name, sentence


def messages_of(
    request: JobRequest, cancel: CancelToken, model: Sa2VA | None = None
) -> Iterator[Message]:
    """Open the pixels and let the network work; runs on the worker thread.

    Parameters
    ----------
    request : JobRequest
    cancel : CancelToken
    model : Sa2VA, optional
        A network that is already loaded, instead of the one that the settings name.

    Raises
    ------
    Sa2vaError
        See `napari_sa2va.pipeline.run.run`.
    """
    from napari_sa2va.pipeline.rates import learning

    footage = request.open_footage()
    yield Opened(footage)
    yield from learning(request.job.events(footage, cancel, model))
