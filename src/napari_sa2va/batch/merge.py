"""The masks of a movie that was split, put together from what its parts found.

Masks are read from the journals of the parts and stay run-length codes: one frame is in memory, and
never as pixels. Where there are tiles their seams are read first, as it must be known which objects
are the same before the first mask is written. All of it takes seconds, so a merge that was killed
begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sa2va.batch.journal import About, Answer, FrameCodes, Journal
from napari_sa2va.batch.link import Linked, Seams, link
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.windows import tiles_of
from napari_sa2va.core import rle
from napari_sa2va.core.region_box import Box
from napari_sa2va.core.rle_boxes import paste
from napari_sa2va.pipeline.record import ObjectRecord, RunRecord
from napari_sa2va.writers.result import Subject

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip

# Windows that agree less where they meet, in intersection over union, are told of.
_SEAM_IOU = 0.9


class Merging:
    """Puts together what the parts of a unit have found.

    Parameters
    ----------
    task : Task
        Of the unit that has the parts.
    clip : Clip
        The whole movie; no pixel of it is read.

    Attributes
    ----------
    about : About
        What the masks are of.

    Raises
    ------
    BatchError
        If a part has not come to its end, or its masks are not there any more.
    """

    def __init__(self, task: Task, clip: Clip) -> None:
        self._task = task
        self._clip = clip
        self._tiles = tiles_of(task, clip)
        self._frames = sorted(set().union(*(tile.frames_done for tile in self._tiles)))
        self._linked = self._link()
        self._objects = [self._object(one) for one in self._linked]
        self.about = About(
            key=task.unit.key,
            num_frames=clip.num_frames,
            height=clip.height,
            width=clip.width,
            subjects=tuple(Subject(o.object_id, o.name, o.text) for o in self._objects),
        )

    def write(self, journal: Journal) -> RunRecord | None:
        """Write all masks, and the record of the whole; None if the task was cancelled before.

        Raises
        ------
        BatchError
            If a part's masks cannot be read any more.
        OutputError
            If the masks cannot be written.
        """
        for entry in self._objects:
            journal.answer(
                Answer(
                    object_id=entry.object_id,
                    text=entry.text,
                    answer=entry.answer,
                    found=entry.found,
                )
            )
        for number, frame in enumerate(self._frames):
            if self._task.cancel.cancelled:
                return None
            self._task.tell("merging", number, len(self._frames))
            drawn = self._on(frame)
            for entry in self._objects:
                code = drawn.codes.get(entry.object_id)
                if code is not None:
                    entry.count_frame(frame, rle.area(code) > 0, drawn.scores[entry.object_id])
            journal.keep(frame, drawn)
        record = self._record()
        journal.end(self._frames, record.model_dump(mode="json"))
        return record

    def _link(self) -> list[Linked]:
        sentences = range(1, len(self._task.unit.sentences) + 1)
        if len(self._tiles) == 1:
            return [Linked(sentence, sentence, 1, (0,)) for sentence in sentences]
        seams = Seams([tile.box for tile in self._tiles])
        for frame in self._frames:
            seams.add([tile.on(frame).codes for tile in self._tiles])
        return link(len(sentences), seams.areas, seams.meetings)

    def _object(self, linked: Linked) -> ObjectRecord:
        """What is known of an object before its masks are counted."""
        asked = [tile.object_of(linked.sentence) for tile in self._tiles]
        shown = [asked[i] for i in linked.tiles] + [entry for entry in asked if entry.found] + asked
        said = shown[0]
        return said.model_copy(
            update={
                "object_id": linked.object_id,
                "name": said.name if linked.rank == 1 else f"{said.name} ({linked.rank})",
                "frames_done": 0,
                "frames_present": [],
                "mean_score": None,
            }
        )

    def _on(self, frame: int) -> FrameCodes:
        """All objects of the whole movie on a frame."""
        drawn = [tile.on(frame) for tile in self._tiles]
        codes: dict[int, rle.Rle] = {}
        scores: dict[int, float] = {}
        for one in self._linked:
            # An object that was found, but is nowhere, is on no tile: its empty masks are kept, too.
            tiles = [i for i in one.tiles or range(len(drawn)) if one.sentence in drawn[i].codes]
            if tiles:
                masks = [self._whole(drawn[i].codes[one.sentence], i) for i in tiles]
                codes[one.object_id] = masks[0] if len(masks) == 1 else rle.union(masks)
                scores[one.object_id] = max(drawn[i].scores[one.sentence] for i in tiles)
        return FrameCodes(codes, scores)

    def _whole(self, code: rle.Rle, tile: int) -> rle.Rle:
        height, width = self._clip.height, self._clip.width
        box = self._tiles[tile].box
        return code if box == Box(0, 0, height, width) else paste(code, box, height, width)

    def _record(self) -> RunRecord:
        """What the parts say of their runs, as that of one."""
        records = [window.record for tile in self._tiles for window in tile.windows]
        settings = self._task.settings
        # What only some of them say stands in the records of these.
        common = [n for n in records[0].notes if all(n in record.notes for record in records)]
        timings_s: dict[str, float] = {}
        for record in records:
            for step, seconds in record.timings_s.items():
                timings_s[step] = timings_s.get(step, 0.0) + seconds
        return records[0].model_copy(
            update={
                "settings": settings,
                "clip": self._clip.describe(patient_data=settings.output.patient_data),
                "started": min(record.started for record in records),
                "step_downs": [step for record in records for step in record.step_downs],
                "objects": self._objects,
                "notes": [
                    *common,
                    f"{len(records)} parts of the movie were tracked apart and put together.",
                    *self._disagreements(),
                ],
                "frames_planned": len(self._frames),
                "frames_done": len(self._frames),
                "frames_encoded": sum(record.frames_encoded for record in records),
                "timings_s": timings_s,
            }
        )

    def _disagreements(self) -> list[str]:
        """Where windows meet and have drawn something else, which a longer overlap may mend."""
        told = []
        for tile in self._tiles:
            for seam in tile.seams():
                before, after = seam.before.codes, seam.after.codes
                for sentence in before.keys() & after.keys():
                    iou = rle.iou(before[sentence], after[sentence])
                    if iou < _SEAM_IOU:
                        told.append(
                            f"Where two windows meet, on frame {seam.frame}, their masks of "
                            f"{tile.object_of(sentence).name!r} agree by {iou:.0%}: the run on the "
                            "whole movie may have drawn it otherwise from there on."
                        )
        return told
