"""From what was asked to what will run: a plan, or a clear error before any frame is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.propagation import Pass
from napari_sa2va.sampling import KeyFrames
from napari_sa2va.settings import RunSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What will run.

    Attributes
    ----------
    settings : RunSettings
    prompts : PromptSet
    answers : tuple of (str or None)
        Per prompt, an answer to take instead of generating one.
    mode : {"video", "image"}
        How the language model is shown them.
    key_frames : KeyFrames
        Frames that the language model sees, and on which phrases are drawn; empty if there are
        marks only.
    prompt_frames : tuple of int
        The key frames that prompt the tracker with what was said.
    passes : tuple of Pass
        Sweeps of the tracker, in order.
    num_frames : int
        Frames that will get masks.
    begin_near : int or None
        The frame that somebody looks at; see `nearest_first`.
    """

    settings: RunSettings
    prompts: PromptSet
    answers: tuple[str | None, ...]
    mode: Literal["video", "image"]
    key_frames: KeyFrames
    prompt_frames: tuple[int, ...]
    passes: tuple[Pass, ...]
    num_frames: int
    begin_near: int | None = None

    @property
    def frames(self) -> frozenset[int]:
        """The frames that will get masks."""
        return frozenset(self.order)

    @property
    def order(self) -> tuple[int, ...]:
        """The frames that will get masks, in the order in which they do."""
        return tuple(t for sweep in self.passes for t in sweep.frames)

    @property
    def draws_all(self) -> bool:
        """Whether all `[SEG]` of an answer are drawn as one object, and not only the first."""
        choice = self.settings.output.several_masks
        return choice == "union" or (choice == "auto" and self.mode == "image")

    @property
    def is_picture(self) -> bool:
        """Whether a single frame is all there is to draw, so that nothing is tracked."""
        return self.mode == "image" and self.num_frames == 1

    @property
    def spoken(self) -> tuple[Prompt, ...]:
        """The prompts that are sentences."""
        return tuple(p for p in self.prompts if p.text)

    @property
    def marked(self) -> tuple[Prompt, ...]:
        """The prompts made by points, a box or a mask; an object may have several."""
        return tuple(p for p in self.prompts if p.is_marked)

    @property
    def phrases(self) -> tuple[Prompt, ...]:
        """The prompts that are phrases of an answer given before."""
        return tuple(p for p in self.prompts if p.embedding is not None)


def resolve(
    clip: Clip,
    prompts: PromptSet,
    settings: RunSettings,
    answers: Sequence[str | None] | str | None = None,
    *,
    begin_near: int | None = None,
) -> Plan:
    """Meet the settings with the clip.

    Parameters
    ----------
    clip : Clip
    prompts : PromptSet
    settings : RunSettings
    answers : str or sequence of (str or None), optional
        Answers to take instead of generating them, one per sentence. A single string is for a
        single sentence. One that ends in `[SEG]` is taken with a full stop, as the models end
        theirs: the mask of an answer's very last token is lost.
    begin_near : int, optional
        The frame that somebody looks at: what may come in any order begins there.

    Raises
    ------
    RequestError
        If key frames, marks or the range to be tracked lie outside the clip, if all marks of an
        object are empty masks, or if answers and sentences differ in number.
    """
    spoken = [p for p in prompts if p.text]
    marked = [p for p in prompts if p.is_marked]
    if isinstance(answers, str):
        answers = [answers]
    given = list(answers) if answers is not None else [None] * len(spoken)
    if len(given) != len(spoken):
        raise RequestError(
            f"{len(given)} answers were given for {len(spoken)} sentences.",
            "Give one answer per sentence, or none.",
        )
    given = [a + "." if a and a.endswith("[SEG]") else a for a in given]
    for prompt in marked:
        # Elsewhere it may say that the object is not there.
        is_seen = not all(p.is_empty for p in prompts.of(prompt.object_id))
        check_marks(prompt, clip, may_be_empty=is_seen)

    if len(marked) < len(prompts):
        key_frames = settings.sampling(clip.num_frames)
    else:
        key_frames = KeyFrames((), "no sentence")
    mode = mode_of(settings, clip, key_frames, asks=bool(spoken))
    prompt_frames = prompting(settings, key_frames)
    prompted = sorted({*prompt_frames, *(p.frame for p in marked)})
    passes = tuple(settings.tracking.propagation(clip.num_frames, prompted))
    if all(sweep.alone for sweep in passes):
        passes = tuple(nearest_first(passes, begin_near, lambda sweep: sweep.frames.start))
    return Plan(
        settings=settings,
        prompts=prompts,
        answers=tuple(given),
        mode=mode,
        key_frames=key_frames,
        prompt_frames=prompt_frames,
        passes=passes,
        num_frames=sum(len(p.frames) for p in passes),
        begin_near=begin_near,
    )


def prompting(settings: RunSettings, key_frames: KeyFrames) -> tuple[int, ...]:
    """The key frames that prompt the tracker with what was said."""
    count = settings.tracking.num_prompt_frames or len(key_frames.frames)
    return key_frames.frames[:count]


def nearest_first(
    items: Iterable[T], begin_near: int | None, frame_of: Callable[[T], int]
) -> list[T]:
    """Sort by the distance in frames to the frame in view, the earlier of two first.

    Only for what may come in any order. If no frame is in view, all stays as it is.
    """
    if begin_near is None:
        return list(items)
    return sorted(items, key=lambda item: (abs(frame_of(item) - begin_near), frame_of(item)))


def mode_of(
    settings: RunSettings, clip: Clip, key_frames: KeyFrames, *, asks: bool = True
) -> Literal["video", "image"]:
    """Whether the language model is shown a movie or a single picture.

    Raises
    ------
    RequestError
        If it is to be asked about several key frames, shown as one picture.
    """
    if settings.view == "auto":
        return "image" if clip.num_frames == 1 else "video"
    if settings.view == "picture" and asks and len(key_frames.frames) > 1:
        raise RequestError(
            f"Shown as a picture, there is one key frame; {len(key_frames.frames)} were chosen.",
            "Take a single key frame, or show them as a movie.",
        )
    return "image" if settings.view == "picture" else "video"


def check_marks(prompt: Prompt, clip: Clip, *, may_be_empty: bool = False) -> None:
    """Refuse marks outside the clip, and such as hold nothing if they are to hold something."""
    if not 0 <= prompt.frame < clip.num_frames:
        raise RequestError(
            f"Object {prompt.object_id} is marked on frame {prompt.frame}, but the clip has frames "
            f"0 to {clip.num_frames - 1}.",
            "Mark it on a frame of the clip.",
        )
    size = (clip.height, clip.width)
    if prompt.mask is not None and prompt.mask.shape != size:
        raise RequestError(
            f"The mask of object {prompt.object_id} has shape {prompt.mask.shape}, the frames "
            f"{size}.",
            "Give a mask of the frames' size.",
        )
    if prompt.is_empty and not may_be_empty:
        raise RequestError(
            f"The mask of object {prompt.object_id} on frame {prompt.frame} is empty: none of its "
            f"{size[0] * size[1]} pixels is set.",
            "Draw the object, or leave it out.",
        )
    outside = [(p.y, p.x) for p in prompt.points if not (0 <= p.y < size[0] and 0 <= p.x < size[1])]
    if outside:
        raise RequestError(
            f"Points (y, x) {outside} of object {prompt.object_id} lie outside frames of "
            f"{size[0]} x {size[1]} px.",
            "Click inside the image.",
        )
    if prompt.box is None:
        return
    box = tuple(float(edge) for edge in prompt.box)
    # The far edges of the last row and column lie at height and width. NaN fails each comparison.
    is_inside = (
        len(box) == 4 and 0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]
    )
    if not is_inside:
        raise RequestError(
            f"The box (y0, x0, y1, x1) = {box} of object {prompt.object_id} is no rectangle inside "
            f"frames of {size[0]} x {size[1]} px (y x x).",
            "Give its upper left corner, then its lower right one, both inside the image.",
        )
