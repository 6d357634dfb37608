"""What the chat panel does, without Qt: one question at a time, stale messages dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.core.reply import Reply
from napari_sa2va.gui.controller import Handle, Sink
from napari_sa2va.gui.request import Failed, Message, Opened, Request
from napari_sa2va.gui.talk_request import Replied, Silent, TalkMessage, TalkRequest
from napari_sa2va.pipeline.events import Fetching, Finished, FrameMasks, Note


class TalkView(Protocol):
    """What the controller needs of the panel. Every method is called on the GUI's thread."""

    def show_question(self, text: str, anew: bool) -> None:
        """Add what the user asked, and whether what was said before it is not heard any more."""

    def show_reply(self, number: int, reply: Reply) -> None:
        """Add an answer, its phrases as links to the objects of answer `number`."""

    def set_busy(self, busy: bool) -> None:
        """Show that an answer is awaited, or that none is."""

    def show_stage(self, text: str) -> None:
        """Say what is going on."""

    def show_note(self, message: str, hint: str) -> None:
        """Show something worth knowing."""

    def show_error(self, message: str, hint: str, details: str) -> None:
        """Show what went wrong and what to do."""


StartTalk = Callable[[TalkRequest, Callable[[TalkMessage], None]], Handle]


class TalkController:
    """Asks questions, and tells the view and the sinks what comes back.

    Parameters
    ----------
    view : TalkView
    start : callable
        Starts a question on another thread.
    make_sink : callable
        Makes the sink of one answer that points at something.

    Attributes
    ----------
    sinks : dict of int to Sink
        By the number of the answer, from 1.
    """

    def __init__(
        self, view: TalkView, start: StartTalk, make_sink: Callable[[Request], Sink]
    ) -> None:
        self._view = view
        self._start = start
        self._make_sink = make_sink
        self._question = 0  # a message of any other question is dropped
        self._answers = 0
        self._handle: Handle | None = None
        self._opened: Message | None = None
        self._busy = False
        self._is_drawing = False
        self._subject: tuple[Any, ...] | None = None
        self.sinks: dict[int, Any] = {}

    @property
    def busy(self) -> bool:
        """Whether an answer, or its masks, are on their way."""
        return self._busy

    def ask(self, request: TalkRequest) -> None:
        """Ask; one question at a time."""
        if self._busy:
            return
        self._question += 1
        number = self._question
        self._busy, self._is_drawing = True, False
        alone = request.task != "say"  # captions and descriptions hear nothing
        self._view.show_question(request.text, alone or request.subject != self._subject)
        self._subject = request.subject
        self._view.set_busy(True)
        self._view.show_stage("Looking …")
        self._handle = self._start(request, lambda message: self._take(number, request, message))

    def cancel(self) -> None:
        """Stop after the word or frame in work; what was drawn stays, half an answer does not."""
        if self._handle is not None and self._busy:
            self._view.show_stage("Stopping …")
            self._handle.cancel()

    def forget(self) -> None:
        """Let go of the answers that were drawn; their layers stay."""
        if not self._busy:
            self.sinks.clear()

    def stop(self) -> None:
        """Stop and hear nothing more. The view is not touched: it may be gone."""
        self._question += 1
        self._busy = False
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _take(self, number: int, request: TalkRequest, message: TalkMessage) -> None:
        if number != self._question:
            return
        try:
            self._show(request, message)
        except Exception as error:
            failed = Failed.of(error)
            details = "" if isinstance(error, Sa2vaError) else failed.details
            self.stop()
            self._end("")
            self._view.show_error(failed.message, failed.hint, details)

    def _show(self, request: TalkRequest, message: TalkMessage) -> None:
        match message:
            case Opened():
                self._opened = message
                self._view.show_stage("Thinking …")
            case Fetching():
                self._view.show_stage(f"{message.progress.words} …")
            case Replied():
                self._reply(request, message)
            case Failed():
                if self._is_drawing:
                    self.sinks[self._answers].take(message)
                self._end("")
                self._view.show_error(message.message, message.hint, message.details)
            case Silent():
                self._end("")
            case _:
                self._draw(message)

    def _reply(self, request: TalkRequest, message: Replied) -> None:
        self._answers += 1
        self._view.show_reply(self._answers, message.reply)
        for note in (*message.notes, *message.reply.notes):
            self._view.show_note(note, "")
        if message.prompts is not None:
            sink = self._make_sink(request.to_draw(message.prompts))
            if self._opened is not None:
                sink.take(self._opened)
            self.sinks[self._answers] = sink
            self._is_drawing = True
            self._view.show_stage("Drawing …")

    def _draw(self, message: Message) -> None:
        self.sinks[self._answers].take(message)
        match message:
            case FrameMasks():
                self._view.show_stage(f"Drawing frame {message.frame} …")
            case Note():
                self._view.show_note(message.message, message.hint)
            case Finished():
                self._end("Stopped." if message.reason == "cancelled" else "")

    def _end(self, words: str) -> None:
        self._busy = False
        self._handle = None
        self._view.set_busy(False)
        self._view.show_stage(words)
