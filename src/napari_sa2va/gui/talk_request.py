"""What the chat panel asks for, and what the worker thread says back. No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import ModelError
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.core.reply import Reply
from napari_sa2va.gui.request import Failed, Opened, Request
from napari_sa2va.pipeline.conversation import Conversation
from napari_sa2va.pipeline.events import Event
from napari_sa2va.pipeline.turns import Stopped, Turns
from napari_sa2va.project.footage import Footage
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.recording import Recording
    from napari_sa2va.gui.placement import Placement
    from napari_sa2va.models.sa2va.model import Sa2VA

Task = Literal["say", "caption", "describe"]


@dataclass(frozen=True, eq=False)
class TalkRequest:
    """One question, with everything that was read off the layers on the GUI's thread.

    Attributes
    ----------
    task : {"say", "caption", "describe"}
        A text in the user's words, a caption with masks, or the description of every region.
    text : str
        The user's words.
    frame : int or None
        The frame that it is about; None for the whole movie.
    marks : tuple of Prompt
        Regions on that frame.
    subject : tuple
        What the conversation is about: a question with another subject begins a new one.
    recording, clip_arguments, settings, placement, layer_name
        See `Request`.
    through_movie : bool
        Whether the masks of the answer are carried to every frame.
    """

    task: Task
    text: str
    frame: int | None
    marks: tuple[Prompt, ...]
    subject: tuple[Any, ...]
    recording: Recording
    clip_arguments: dict[str, Any]
    settings: RunSettings
    placement: Placement
    layer_name: str = "image"
    through_movie: bool = True

    def to_draw(self, prompts: PromptSet) -> Request:
        """The request whose masks are those of an answer."""
        return Request(
            self.recording,
            self.clip_arguments,
            prompts,
            self.settings,
            self.placement,
            self.layer_name,
        )


@dataclass(frozen=True, eq=False)
class Replied:
    """The model answered.

    Attributes
    ----------
    reply : Reply
    prompts : PromptSet or None
        What will be drawn; None if the answer points at nothing.
    notes : tuple of str
        What to know about the question.
    """

    reply: Reply
    prompts: PromptSet | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Silent:
    """All was said and nothing is to be drawn: the last message of such a question."""


TalkMessage = Event | Opened | Failed | Replied | Silent


class Talker:
    """Keeps the conversation between two questions; called on worker threads.

    A worker that was told to stop may still be at work when the next one starts, which then waits.

    Parameters
    ----------
    model : Sa2VA, optional
        A network that is already loaded, instead of the one that the settings name.
    """

    def __init__(self, model: Sa2VA | None = None) -> None:
        self._model = model
        self._talk: tuple[tuple[Any, ...], Conversation] | None = None
        self._turns = Turns()

    def forget(self) -> None:
        """Let the next question begin a new conversation."""
        self._talk = None

    def __call__(self, request: TalkRequest, cancel: CancelToken) -> Iterator[TalkMessage]:
        """Ask, and draw what the answer points at.

        Raises
        ------
        Sa2vaError
            See `Conversation`.
        """
        from napari_sa2va.core.clip import make_clip

        clip = make_clip(request.recording, **request.clip_arguments)
        yield Opened(Footage.of(clip))
        if self._model is None:
            from napari_sa2va.pipeline.loaded import fetching

            if not (yield from fetching(request.settings.model.name, cancel)):
                yield Silent()
                return
        try:
            with self._turns.take(lambda: cancel.cancelled):
                yield from self._say(request, clip, cancel)
        except Stopped:
            yield Silent()

    def _say(self, request: TalkRequest, clip: Clip, cancel: CancelToken) -> Iterator[TalkMessage]:
        try:
            talk, notes = self._conversation(request, clip, cancel)
            held: list[Reply] = []  # from the first that points on: drawn together, at last
            for reply in _answers(talk, request, cancel):
                if cancel.cancelled:
                    break
                if held or reply.phrases:
                    held.append(reply)
                    continue
                yield Replied(reply, None, notes)
                notes = ()
        except ModelError:
            self._talk = None  # its network is of no use any more: the next question loads one
            raise
        if not held:
            yield Silent()
            return
        yield Replied(_joined(held), talk.prompts(*held), notes)
        yield from talk.run_replies(
            held, request.settings, through_movie=request.through_movie, cancel=cancel
        )

    def _conversation(
        self, request: TalkRequest, clip: Clip, cancel: CancelToken
    ) -> tuple[Conversation, tuple[str, ...]]:
        """The conversation of this subject, and what to know about it if it is a new one."""
        if self._talk is not None and self._talk[0] == request.subject:
            return self._talk[1], ()
        # Let go of its network before another one is loaded.
        self._talk = None
        options: dict[str, Any] = {
            "settings": request.settings,
            "should_stop": lambda: cancel.cancelled,
        }
        if request.frame is None:
            talk = Conversation.about_movie(clip, self._model, **options)
        else:
            talk = Conversation.about_frame(
                clip, self._model, request.frame, request.marks, **options
            )
        if not cancel.cancelled:  # the dock may be gone, and has let go of all
            self._talk = request.subject, talk
        return talk, talk.notes


def _answers(talk: Conversation, request: TalkRequest, cancel: CancelToken) -> Iterator[Reply]:
    def should_stop() -> bool:
        return cancel.cancelled

    if request.task == "caption":
        talk.forget()  # a caption is the first thing that is asked about a picture
        yield talk.caption(should_stop=should_stop)
    elif request.task == "describe":
        for number in range(1, len(talk.regions) + 1):
            talk.forget()  # each region is described for itself, as in training
            yield _behind(f"region{number}: ", talk.describe(number, should_stop=should_stop))
    else:
        yield talk.say(request.text, should_stop=should_stop)


def _behind(words: str, reply: Reply) -> Reply:
    """An answer with words in front of it."""
    shift = len(words)
    phrases = tuple(replace(p, start=p.start + shift, stop=p.stop + shift) for p in reply.phrases)
    return replace(reply, text=words + reply.text, phrases=phrases)


def _joined(replies: Sequence[Reply]) -> Reply:
    """Answers as one, its phrases numbered as they are drawn."""
    *before, last = replies
    if not before:
        return last
    first = _joined(before)
    last = _behind(f"{first.text} ", last)
    return replace(last, phrases=(*first.phrases, *last.phrases), notes=(*first.notes, *last.notes))
