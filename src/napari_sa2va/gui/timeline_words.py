"""What the timeline says in words: tool tips, counts, and what a screen reader reads out. No Qt."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from napari_sa2va.analysis.value_axis import number_text

if TYPE_CHECKING:
    from napari_sa2va.analysis.timeline import Lane
    from napari_sa2va.gui.timeline_index import TimelineIndex

EMPTY = (
    "Here every object will have a lane over all frames: where it was found, how sure the model "
    "is, what you corrected or locked, and which frames deserve a second look.\n"
    "Run a sentence, or open a project, to see them."
)


def counts_text(index: TimelineIndex | None) -> str:
    """How much is left to look at.

    Examples
    --------
    ``12 doubtful, 3 reviewed`` or ``nothing doubtful``
    """
    if index is None:
        return ""
    doubtful = f"{index.num_left} doubtful" if index.num_left else "nothing doubtful"
    return f"{doubtful}, {index.num_reviewed} reviewed" if index.num_reviewed else doubtful


def state_of(lane: Lane, frame: int) -> str:
    """One object on one frame: ``red cell present, score 0.93, corrected, locked``."""
    if not lane.known[frame]:
        said = ["no result yet"]
    elif not lane.present[frame]:
        said = ["absent"]
    else:
        said = ["present"]
        if not math.isnan(lane.score[frame]):
            said.append(f"score {lane.score[frame]:.2f}")
    if lane.corrected[frame]:
        said.append("corrected")
    if lane.locked[frame]:
        said.append("locked")
    return f"{lane.name} {', '.join(said)}"


def doubts_text(index: TimelineIndex | None, frame: int, object_id: int | None = None) -> str:
    """What is doubtful on a frame, or about one object on it, one line each; empty if nothing is.

    The lines of a whole frame name their objects.
    """
    if index is None:
        return ""
    doubts = index.doubts_at(frame, object_id)
    if object_id is not None:
        return "\n".join(doubt.words for doubt in doubts)
    names = {lane.object_id: lane.name for lane in index.lanes}
    return "\n".join(f"{names.get(doubt.object_id, '?')} – {doubt.words}" for doubt in doubts)


def frame_marks_text(index: TimelineIndex, frame: int) -> str:
    """What the ruler marks on a frame: ``key frame, reviewed``; empty without any."""
    marks = [("key frame", index.key_frames), ("reviewed", index.reviewed)]
    return ", ".join(name for name, frames in marks if frames[frame])


def lane_tip(index: TimelineIndex, frame: int, object_id: int) -> str:
    """Tool tip of one object on one frame."""
    lane = index.lane(object_id)
    if lane is None:
        return ""
    lines = [f"Frame {frame}: {state_of(lane, frame)}"]
    if not math.isnan(lane.area_px[frame]):
        more = f"Area {number_text(float(lane.area_px[frame]))} px"
        if not math.isnan(lane.steadiness[frame]):
            more += f", J with the frame before {lane.steadiness[frame]:.2f}"
        lines.append(more)
    return "\n".join(filter(None, [*lines, doubts_text(index, frame, object_id)]))


def ruler_tip(index: TimelineIndex, frame: int) -> str:
    """Tool tip of one frame on the ruler."""
    marks = frame_marks_text(index, frame)
    lines = [f"Frame {frame}: {marks}" if marks else f"Frame {frame}"]
    return "\n".join(filter(None, [*lines, doubts_text(index, frame)]))


def description(index: TimelineIndex | None, frame: int, selected: int | None) -> str:
    """What is at the cursor, for a screen reader: the selected object, or all of them.

    Examples
    --------
    ``Frame 12: red cell present, score 0.93. Key frame.``
    """
    if index is None:
        return EMPTY
    lane = index.lane(selected)
    lanes = index.lanes if lane is None else (lane,)
    sentences = [f"Frame {frame}: {'; '.join(state_of(each, frame) for each in lanes)}."]
    doubts = doubts_text(index, frame)
    if doubts:
        sentences.append("Doubtful: " + doubts.replace("\n", " "))
    marks = frame_marks_text(index, frame)
    if marks:
        sentences.append(f"{marks[0].upper()}{marks[1:]}.")
    return " ".join(sentences)


def tip_markup(text: str) -> str:
    """Plain text as a tool tip: Qt breaks its long lines, and takes no name in it for markup."""
    lines = html.escape(text).replace("\n", "<br>")
    return f"<qt>{lines}</qt>" if text else ""
