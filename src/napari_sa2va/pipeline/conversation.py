"""`Conversation`: questions about one movie or one frame of it, in turns, and the masks in answers.

The command line, Python and the dock all talk through this. The first turn holds the pictures, as
in training; every later one hears what was said before. An answer that points at things can be
drawn: `draw` and `run_replies` hand its prompt vectors to the same generator that runs sentences.
Looking and answering are steps like those of a run: they go down the same ladder when memory runs
out, and what it said is among the notes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.exchange import Exchange
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.core.reply import Reply, read_reply
from napari_sa2va.models.jobs import outcome
from napari_sa2va.pipeline.events import Event, Note
from napari_sa2va.pipeline.footing import Footing
from napari_sa2va.pipeline.record import Clock, RunRecord
from napari_sa2va.pipeline.regions import region_mask
from napari_sa2va.pipeline.resolve import check_marks, mode_of
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.segment import Result, collect, with_model
from napari_sa2va.presets import DEFAULT_PRESET
from napari_sa2va.presets import preset as preset_named
from napari_sa2va.propagation.base import Propagation
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.forward import Forward
from napari_sa2va.propagation.none import KeyFramesOnly
from napari_sa2va.sampling.base import Sampling
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    import numpy as np

    from napari_sa2va.core.grounding import Grounding
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.prompt_format import Mode
    from napari_sa2va.models.sa2va.seen import Seen

T = TypeVar("T")

_REGION = re.compile(r"\bregion ?(\d{1,4})\b", re.IGNORECASE)


class Conversation:
    """What is said about the same pictures; see `about_movie` and `about_frame`.

    Attributes
    ----------
    clip : Clip
    frames : tuple of int
        The frames that the model looks at.
    mode : {"video", "image"}
    regions : tuple of ndarray of bool, shape (Y, X)
        Marked regions, which a question may call `region1`, `region2` ...
    replies : list of Reply
        So far.
    notes : tuple of str
        What the user should know before asking.
    record : RunRecord
        What looking and answering took, and what was given up for want of memory.
    """

    def __init__(
        self,
        clip: Clip,
        model: Sa2VA | None,
        frames: Sequence[int],
        mode: Mode,
        marks: Sequence[Prompt] = (),
        *,
        settings: RunSettings,
        is_of_movie: bool,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        for mark in marks:
            check_marks(mark, clip)
        self.clip = clip
        self.frames = tuple(frames)
        self.mode = mode
        self.regions: tuple[np.ndarray, ...] = ()
        self.replies: list[Reply] = []
        self.record = RunRecord.on(clip, settings)
        self._settings = settings
        self._is_of_movie = is_of_movie
        self._footing = Footing(settings, model, self.record, Clock(self.record.timings_s))
        self._seen, notes = self._finished(self._look(marks), should_stop)
        self.notes = (*notes, *self._small_regions())

    @classmethod
    def about_movie(
        cls,
        clip: Clip,
        model: Sa2VA | None,
        sampling: Sampling | None = None,
        *,
        settings: RunSettings | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Conversation:
        """Talk about a movie, as seen in key frames, or about a single picture.

        Parameters
        ----------
        clip : Clip
        model : Sa2VA or None
            A loaded network, which is neither cast nor moved; None to load that of the settings.
        sampling : Sampling, optional
            Which frames the model looks at; as the settings say by default.
        settings : RunSettings, optional
            The network, the key frames, how they are shown, and the memory; the default preset's if
            left out.
        should_stop : callable, optional
            Asked while another run has its turn with the network.

        Raises
        ------
        Stopped
            If that said yes.
        """
        chosen = settings or preset_named(DEFAULT_PRESET)
        if sampling is not None:
            chosen = chosen.model_copy(update={"sampling": sampling})
        key_frames = chosen.sampling(clip.num_frames)
        return cls(
            clip,
            model,
            key_frames.frames,
            mode_of(chosen, clip, key_frames),
            settings=chosen,
            is_of_movie=True,
            should_stop=should_stop,
        )

    @classmethod
    def about_frame(
        cls,
        clip: Clip,
        model: Sa2VA | None,
        frame: int,
        marks: Sequence[Prompt] = (),
        *,
        settings: RunSettings | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Conversation:
        """Talk about one frame, which the model sees in more detail than those of a movie.

        Parameters
        ----------
        clip : Clip
        model : Sa2VA or None
        frame : int
            Counted from 0.
        marks : sequence of Prompt
            Regions on this frame, each by a mask, a box or points.
        settings, should_stop
            See `about_movie`. If the frame is to be shown as those of a movie are, it can hold no
            regions, and have no caption.

        Raises
        ------
        RequestError
            If the frame, or a region, is not in the clip, or a region sets no cell of the model's
            view.
        """
        chosen = settings or preset_named(DEFAULT_PRESET)
        frames = Manual(frames=(frame,))(clip.num_frames).frames
        elsewhere = [m.frame for m in marks if m.frame != frame]
        if elsewhere:
            raise RequestError(
                f"A region is marked on frame {elsewhere[0]}, the question is about frame {frame}.",
                "Mark the regions on the frame that is asked about.",
            )
        return cls(
            clip,
            model,
            frames,
            "video" if chosen.view == "movie" else "image",
            marks,
            settings=chosen,
            is_of_movie=False,
            should_stop=should_stop,
        )

    @property
    def history(self) -> list[Exchange]:
        """What was said so far, word by word."""
        return [reply.exchange for reply in self.replies]

    # -- asking --------------------------------------------------------------------------------

    def say(self, text: str, **options: Any) -> Reply:
        """Ask a question, or ask for the masks of what is named, whichever the text is.

        See `segment` for the options.
        """
        from napari_sa2va.models.sa2va.wording import is_question

        return (self.ask if is_question(text) else self.segment)(text, **options)

    def ask(self, question: str, **options: Any) -> Reply:
        """Ask in one's own words. See `segment` for the options.

        Raises
        ------
        RequestError
            If the question is empty.
        """
        from napari_sa2va.models.sa2va.wording import free_question

        return self._put(question, free_question(question), **options)

    def segment(self, expression: str, **options: Any) -> Reply:
        """Ask for the masks of what an expression names, also as a later turn.

        Parameters
        ----------
        expression : str
            Such as "the bright cell", or later "the one to its left".
        answer : str, optional
            Taken instead of a generated answer.
        should_stop : callable, optional
            Asked after every pass of the language model; the answer is cut short if it says yes.

        Raises
        ------
        MemoryShortage
            If the device runs out of memory and there is no rung of the `ladder` left.
        Stopped
            If `should_stop` said yes while another run had its turn with the network.
        """
        from napari_sa2va.models.sa2va.wording import question_for

        return self._put(expression, question_for(expression, self.mode), **options)

    def caption(self, **options: Any) -> Reply:
        """Describe the frame, each named thing with its mask. See `segment` for the options.

        Raises
        ------
        RequestError
            If this conversation shows no picture: captions with masks are trained on pictures.
        """
        from napari_sa2va.models.sa2va.wording import caption_question

        self._needs_a_frame("A caption with masks")
        return self._put("Describe the picture.", caption_question(), **options)

    def describe(self, region: int = 1, **options: Any) -> Reply:
        """Describe a marked region. See `segment` for the options.

        Parameters
        ----------
        region : int
            Which one, from 1.

        Raises
        ------
        RequestError
            If there is no such region.
        """
        from napari_sa2va.models.sa2va.wording import region_question

        self._needs_a_frame("The description of a region")
        if not 1 <= region <= len(self.regions):
            raise RequestError(
                f"There is no region {region}; {len(self.regions)} are marked.",
                "Mark a region of the frame first.",
            )
        return self._put(f"Describe region{region}.", region_question(region), **options)

    def forget(self) -> None:
        """Begin anew about the same pictures, which are not looked at again."""
        self.replies.clear()

    def _needs_a_frame(self, what: str) -> None:
        if self.mode != "image":
            raise RequestError(
                f"{what} is made of one frame, shown as a picture.", "Choose the frame."
            )

    def _put(
        self,
        question: str,
        worded: str,
        *,
        answer: str | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Reply:
        from napari_sa2va.models.sa2va.wording import as_later_turn

        asked = as_later_turn(worded) if self.replies else worded

        def ground() -> Grounding:
            return self._footing.model.ground_seen(
                self._seen, asked, answer, history=self.history, should_stop=should_stop
            )

        grounding, notes = self._finished(self._footing.attempt("ground", ground), should_stop)
        notes = (*notes, *self._unknown_regions(question))
        reply = read_reply(question, asked, grounding, tuple(self.history))
        reply = replace(reply, notes=(*notes, *reply.notes))
        if not (should_stop is not None and should_stop()):  # half an answer is no history
            self.replies.append(reply)
        return reply

    def _look(self, marks: Sequence[Prompt]) -> Generator[Note, None, Seen]:
        """Load the network if need be, and show it the pictures with what is marked on them."""

        def look() -> Seen:
            model = self._footing.model
            self.regions = tuple(region_mask(self.clip, model, mark) for mark in marks)
            return model.look([self.clip.rgb(t) for t in self.frames], self.mode, self.regions)

        yield from self._footing.load()
        return (yield from self._footing.look(look, mode=self.mode, num_frames=len(self.frames)))

    def _finished(
        self, steps: Generator[Note, None, T], should_stop: Callable[[], bool] | None
    ) -> tuple[T, tuple[str, ...]]:
        self._footing.should_stop = should_stop or (lambda: False)
        notes: list[Note] = []
        done = outcome(steps, notes.append)
        return done, tuple(f"{note.message} {note.hint}".rstrip() for note in notes)

    def _unknown_regions(self, question: str) -> Iterator[str]:
        for number in sorted({int(n) for n in _REGION.findall(question)}):
            if not 1 <= number <= len(self.regions):
                yield (
                    f"The question speaks of region{number}, but {len(self.regions)} are marked: "
                    "the answer is made up."
                )

    def _small_regions(self) -> Iterator[str]:
        from napari_sa2va.models.sa2va.regions import FEWEST_CELLS

        for number, cells in enumerate(self._seen.region_counts, 1):
            if cells < FEWEST_CELLS:
                yield (
                    f"region{number} covers only {cells} of the cells in which the model sees the "
                    f"picture; below {FEWEST_CELLS} it was not trained. Mark more, or crop the "
                    "picture around it."
                )

    # -- drawing -------------------------------------------------------------------------------

    def prompts(self, *replies: Reply) -> PromptSet:
        """The phrases of answers as objects to draw, numbered from 1.

        Raises
        ------
        RequestError
            If no answer points at anything.
        """
        pointing = [(reply, phrase) for reply in replies for phrase in reply.phrases]
        if not pointing:
            raise RequestError(
                "There is no mask to draw. The model said: "
                + " ".join(reply.text for reply in replies),
                "Ask to segment something.",
            )
        return PromptSet(
            tuple(
                Prompt(
                    number,
                    phrase.name,
                    embedding=phrase.embedding,
                    origin={**self._origin(reply), "phrase": reply.phrases.index(phrase) + 1},
                )
                for number, (reply, phrase) in enumerate(pointing, 1)
            )
        )

    def run_replies(
        self,
        replies: Sequence[Reply],
        settings: RunSettings | None = None,
        *,
        through_movie: bool | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[Event]:
        """Draw the phrases of answers; yields the events of `run`.

        Parameters
        ----------
        replies : sequence of Reply
        settings : RunSettings, optional
            How masks are tracked; those of this conversation by default. The network, the frames
            and how they were shown are those of this conversation in any case.
        through_movie : bool, optional
            Whether to carry the masks to all frames, or to draw them on the frames that the model
            has looked at only. By default, yes for a movie and no for a frame.
        cancel : CancelToken, optional
        """
        chosen = settings or self._settings
        everywhere = self._is_of_movie if through_movie is None else through_movie
        order: Propagation = chosen.tracking.propagation if everywhere else KeyFramesOnly()
        if not self._is_of_movie and isinstance(order, Forward):
            order = Both()  # forward suits a movie's first key frame, this one may be any
        update: dict[str, object] = {
            "model": self._settings.model,
            "sampling": Manual(frames=self.frames),
            "view": "picture" if self.mode == "image" else "movie",
            "tracking": chosen.tracking.model_copy(update={"propagation": order}),
        }
        yield from run(
            self.clip,
            self.prompts(*replies),
            chosen.model_copy(update=update),
            cancel=cancel,
            after=self._footing,
        )

    def draw(self, *replies: Reply, settings: RunSettings | None = None, **options: Any) -> Result:
        """Draw the phrases of answers and hand over their masklets; see `run_replies`."""
        events = self.run_replies(replies, settings, **options)
        return collect(self.clip, self.prompts(*replies), events)

    def _origin(self, reply: Reply) -> dict[str, Any]:
        """The conversation up to this answer, enough to have it again with given answers."""
        return {
            "mode": self.mode,
            "frames": list(self.frames),
            "exchanges": [list(exchange) for exchange in (*reply.history, reply.exchange)],
        }


def check_texts(texts: Sequence[str]) -> None:
    """Refuse now what `say` would refuse, before a network is loaded.

    Raises
    ------
    RequestError
        If a text says nothing.
    """
    from napari_sa2va.models.sa2va.wording import free_question, is_question, question_for

    for text in texts:
        (free_question if is_question(text) else question_for)(text)


def converse(
    clip: Clip | np.ndarray | object,
    *,
    frame: int | None = None,
    marks: Sequence[Prompt] = (),
    sampling: Sampling | None = None,
    model: str | Sa2VA | None = None,
    device: str | None = None,
    settings: RunSettings | None = None,
) -> Conversation:
    """Begin to talk about a movie, or about one frame of it.

    Parameters
    ----------
    clip : Clip, path, or array of shape (T, Y, X) or (T, Y, X, 3)
    frame : int, optional
        The frame to talk about; the whole movie if left out.
    marks : sequence of Prompt
        Regions on that frame.
    sampling : Sampling, optional
        Which frames of a movie the model looks at.
    model : str or Sa2VA, optional
        Name or folder of a checkpoint, or a loaded network.
    device : str, optional
        auto, cpu, cuda, mps.
    settings : RunSettings, optional
        Every choice, instead of the default preset.

    Examples
    --------
    >>> talk = converse("movie.tif", frame=0)  # doctest: +SKIP
    >>> reply = talk.caption()  # doctest: +SKIP
    >>> [phrase.name for phrase in reply.phrases]  # doctest: +SKIP
    ['a large bright cell', 'a small dim cell']
    >>> labels = talk.draw(reply).labels  # doctest: +SKIP
    """
    from napari_sa2va.readers.open import open_clip

    opened = clip if isinstance(clip, Clip) else open_clip(clip)
    chosen, network = with_model(settings or preset_named(DEFAULT_PRESET), model, device)
    if frame is None:
        if marks:
            raise RequestError(
                "Regions can be marked on a single frame only.", "Say which frame it is about."
            )
        return Conversation.about_movie(opened, network, sampling, settings=chosen)
    return Conversation.about_frame(opened, network, frame, marks, settings=chosen)
