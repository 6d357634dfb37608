"""What the buttons of the correction panel mean, without Qt: objects and frames in, steps out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.palette import Color
from napari_sa2va.gui.workspace import Workspace
from napari_sa2va.project.steps.absent import Absent
from napari_sa2va.project.steps.add import Add
from napari_sa2va.project.steps.base import ModelStep
from napari_sa2va.project.steps.carry import Carry, Direction, conditions_of
from napari_sa2va.project.steps.click import Click
from napari_sa2va.project.steps.divide import Divide
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.merge import Merge
from napari_sa2va.project.steps.name import Recolor, Rename
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.review import Review
from napari_sa2va.project.steps.reword import Reword
from napari_sa2va.project.steps.run import Run
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.project.steps.split import Split, parts_on
from napari_sa2va.settings import RunSettings

Region = tuple[int, int, int, int]


class Corrector:
    """Makes steps out of what is selected and in view.

    Parameters
    ----------
    workspace : Workspace
    run : callable
        Starts a model step.
    settings : callable
        Returns the settings that the dock shows.

    Raises
    ------
    RequestError
        By every method, if it cannot be done as things are.
    """

    def __init__(
        self,
        workspace: Workspace,
        run: Callable[[ModelStep], None],
        settings: Callable[[], RunSettings],
    ) -> None:
        self.workspace = workspace
        self._run = run
        self._settings = settings

    @property
    def here(self) -> int:
        """The frame in view."""
        frame = self.workspace.frame_in_view
        if frame is None:
            raise RequestError("No frame of the clip is in view.", "Move the slider onto it.")
        return frame

    def plane_span(self) -> Span:
        """All frames of the plane in view."""
        state = self.workspace.project.state
        first = state.plane_of(self.here) * state.frames_per_plane
        return Span(first=first, last=first + state.frames_per_plane - 1)

    # Objects

    def add(self, name: str) -> int:
        """Add an object without masks and select it; return its id."""
        object_id = self.workspace.project.state.next_id
        self.workspace.do(Add(object_id=object_id, name=name))
        self.workspace.select(object_id)
        return object_id

    def rename(self, object_id: int, name: str) -> None:
        """Give an object another name."""
        name = " ".join(name.split())
        if not name:
            raise RequestError("A name must have at least one letter.", "Type a name.")
        self.workspace.do(Rename(object_id=object_id, name=name))

    def recolor(self, object_id: int, color: Color) -> None:
        """Give an object another colour."""
        self.workspace.do(Recolor(object_id=object_id, color=color))

    def remove(self, object_ids: Sequence[int]) -> None:
        """Take objects away."""
        self.workspace.do(Remove(object_ids=_some(object_ids)))

    def merge(self, object_ids: Sequence[int]) -> None:
        """Join objects into the one with the lowest id."""
        if len(object_ids) < 2:
            raise RequestError(
                "One object cannot be merged." if object_ids else "No object is selected.",
                "Select two or more in the list, with Ctrl held.",
            )
        self.workspace.do(Merge(object_ids=tuple(sorted(object_ids))))
        self.workspace.select(min(object_ids))

    def split(self, object_id: int, *, divides: bool = False) -> tuple[int, ...]:
        """Make objects of the connected parts on the frame in view; return the new ids.

        Parameters
        ----------
        object_id : int
        divides : bool
            Whether it is one before the parts come apart, and then the mother of the others.
        """
        state = self.workspace.project.state
        count = parts_on(state.mask(object_id, self.here))
        if count < 2:
            raise RequestError(
                f"{state.card(object_id).name!r} is in one piece on frame {self.here}."
                if count
                else f"{state.card(object_id).name!r} is not on frame {self.here}.",
                "Go to a frame on which its parts are apart, or erase a gap between them.",
            )
        new = tuple(range(state.next_id, state.next_id + count - 1))
        step = Split(object_id=object_id, frame=self.here, new_ids=new, divides=divides)
        self.workspace.do(step)
        return new

    def mark_division(self, object_ids: Sequence[int]) -> None:
        """Mark that the object which is there first divided into the others."""
        if len(object_ids) < 2:
            raise RequestError(
                "A division has a mother and daughters.",
                "Select the mother and, with Ctrl held, her daughters.",
            )
        state = self.workspace.project.state

        def first_frame(object_id: int) -> tuple[int, int]:
            present = state.masklet(object_id).frames_present
            return (present[0] if present else state.num_frames), object_id

        mother, *daughters = sorted(object_ids, key=first_frame)
        self.divide(mother, daughters)

    def divide(self, parent: int, daughters: Sequence[int]) -> None:
        """Link daughters to the object they came from."""
        self.workspace.do(Divide(parent=parent, daughters=tuple(daughters)))

    # Frames

    def lock(self, object_ids: Sequence[int], span: Span, *, locked: bool = True) -> None:
        """Lock objects on a range of frames, or unlock them."""
        step = Lock(object_ids=_some(object_ids), span=span, locked=locked)
        if self.workspace.do(step) is None and locked:
            raise RequestError(
                f"On {span.words} there is nothing to lock.",
                "Only frames with a result are locked.",
            )

    def absent(self, object_ids: Sequence[int], span: Span) -> None:
        """Say that objects are not there on a range of frames."""
        step = Absent(object_ids=_some(object_ids), span=span)
        if self.workspace.do(step) is None:
            raise RequestError(f"{span.words.capitalize()} is locked.", "Unlock it first.")

    # With the network

    def click(
        self,
        object_id: int | None,
        frame: int,
        points: Sequence[tuple[float, float, bool]] = (),
        box: tuple[float, float, float, float] | None = None,
        *,
        name: str = "",
    ) -> int:
        """Draw an object on a frame from points and a box, a new one if none is given.

        If the object has a mask there, points put it right, and a box draws it anew.

        Returns
        -------
        int
            The id of the object.
        """
        state = self.workspace.project.state
        is_new = object_id is None
        target = state.next_id if object_id is None else object_id
        has_mask = not is_new and bool(state.mask(target, frame).any())
        self._run(
            Click(
                object_id=target,
                name=(name or f"object {target}") if is_new else "",
                frame=frame,
                points=tuple(points),
                box=box,
                refine=has_mask and box is None,
                settings=self._settings(),
                region=self._region([] if is_new else [target], [frame], points, box),
            )
        )
        return target

    def reword(self, object_id: int, text: str) -> None:
        """Draw an object anew on the frame in view, by another sentence."""
        text = " ".join(text.split())
        if not text:
            raise RequestError(
                "There is no sentence yet.", "Type what the object is on this frame."
            )
        self._run(
            Reword(
                object_id=object_id,
                frame=self.here,
                text=text,
                settings=self._settings(),
                region=self._region([object_id], [self.here]),
            )
        )

    def carry(self, object_ids: Sequence[int], span: Span, direction: Direction) -> None:
        """Carry the masks of the frame in view over a range.

        Parameters
        ----------
        object_ids : sequence of int
        span : Span
            The frame in view lies within; for one direction, it is cut off there.
        direction : {"both", "forward", "backward"}
        """
        state, here = self.workspace.project.state, self.here
        if not span.first <= here <= span.last:
            raise RequestError(
                f"Frame {here}, which is in view, does not lie within {span.words}.",
                "Go to the frame that is right, or choose another range.",
            )
        first = here if direction == "forward" else span.first
        last = here if direction == "backward" else span.last
        span = Span(first=first, last=last)
        conditions = {i: conditions_of(state, i, span, here) for i in _some(object_ids)}
        frames = sorted({t for of in conditions.values() for t in of})
        self._run(
            Carry(
                conditions=conditions,
                span=span,
                direction=direction,
                settings=self._settings(),
                region=self._region(list(conditions), frames),
            )
        )

    def _region(
        self,
        object_ids: Sequence[int],
        frames: Sequence[int],
        points: Sequence[tuple[float, float, bool]] = (),
        box: tuple[float, float, float, float] | None = None,
    ) -> Region | None:
        """The region that the run looked at which found the objects, of a new one the last run, if
        all that is marked lies inside."""
        found_in = {
            sentence.object_id: step.region
            for step in self.workspace.project.steps
            if isinstance(step, Run)
            for sentence in step.sentences
        }
        last = next(reversed(found_in.values()), None)
        regions = {found_in.get(i) for i in object_ids} if object_ids else {last}
        region = regions.pop() if len(regions) == 1 else None
        if region is None:
            return None
        y0, x0, y1, x1 = region
        inside = all(y0 <= y < y1 and x0 <= x < x1 for y, x, _ in points)
        if box is not None:
            inside &= y0 <= box[0] and x0 <= box[1] and box[2] <= y1 and box[3] <= x1
        for object_id in object_ids:
            for t in frames:
                mask = self.workspace.project.state.mask(object_id, t)
                inside &= int(mask.sum()) == int(mask[y0:y1, x0:x1].sum())
        return region if inside else None


def toggle_lock(workspace: Workspace, object_id: int, frame: int) -> None:
    """Lock an object on a frame, or unlock it.

    Raises
    ------
    RequestError
        If there is nothing to lock.
    """
    cell = workspace.project.state.cell(object_id, frame)
    step = Lock(object_ids=(object_id,), span=Span.of(frame), locked=not cell.locked)
    if workspace.do(step) is None:
        raise RequestError(
            f"Nothing is known of this object on frame {frame}.",
            "Only frames with a result are locked.",
        )


def toggle_review(workspace: Workspace, frame: int) -> None:
    """Set the review mark of a frame, or take it away."""
    reviewed = frame in workspace.project.state.reviewed
    workspace.do(Review(span=Span.of(frame), reviewed=not reviewed))


def _some(object_ids: Sequence[int]) -> tuple[int, ...]:
    if not object_ids:
        raise RequestError("No object is selected.", "Select one in the list of objects.")
    return tuple(object_ids)
