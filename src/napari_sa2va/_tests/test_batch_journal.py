"""Masks that are streamed to the disk: what is whole is read, whatever happened to the rest."""

from __future__ import annotations

import os
import signal
import struct
import tracemalloc
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va.batch.found import Found, masks_of
from napari_sa2va.batch.journal import About, Answer, Journal
from napari_sa2va.batch.output_log import OutputLog, Writing, outputs_of, paths_written
from napari_sa2va.batch.segment import SegmentWriter, record_at, records_of
from napari_sa2va.core import rle
from napari_sa2va.core.errors import BatchError, OutputError, ShapeMismatch
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers.result import Subject

SUBJECTS = (Subject(1, "the left one", "the left one"), Subject(2, "the other", "the other"))
ABOUT = About(key="k", num_frames=5, height=4, width=6, subjects=SUBJECTS)


def _masks(frame: int) -> np.ndarray:
    """Object 1 is a column that wanders to the right; object 2 is the last row on odd frames."""
    masks = np.zeros((2, 4, 6), bool)
    masks[0, :, frame] = True
    masks[1, 3, :] = frame % 2 == 1
    return masks


def _write(journal: Journal, *frames: int, score: float = 0.5) -> None:
    for frame in frames:
        journal.write(frame, (1, 2), _masks(frame), np.array([score, 0.125], np.float32))


def _frames(found: Found) -> dict[int, list[list[int]]]:
    """Counts of all objects by frame."""
    return {
        f: [code["counts"].tolist() for code in found.on(f).codes.values()]
        for f in found.frames_done
    }


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        journal.answer(Answer(object_id=1, text="the left one", answer="It is.", found=True))
        _write(journal, 3, 0)
    found = masks_of(tmp_path)
    assert found.about == ABOUT
    assert found.answers[1].answer == "It is."
    assert found.frames_done == (0, 3)
    assert not found.is_complete
    drawn = found.on(3)
    for object_id, mask in zip((1, 2), _masks(3), strict=True):
        np.testing.assert_array_equal(rle.decode(drawn.codes[object_id]), mask)
    assert drawn.scores == {1: 0.5, 2: 0.125}


def test_only_objects_with_a_pixel_are_shown_but_all_are_kept(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, 2)
    found = masks_of(tmp_path)
    assert list(found.on(2).codes) == [1, 2]
    assert found.frame(2).scores == {1: 0.5}
    assert list(found.frame(2).codes) == [1]
    assert not found.frame(4).codes  # not done


def test_a_score_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    score = np.float32(0.1)
    with Journal(tmp_path, 1, ABOUT) as journal:
        journal.write(0, (2,), _masks(1)[1:], np.array([score]))
    assert masks_of(tmp_path).frame(0).scores == {2: float(score)}


def test_a_frame_without_objects_counts_as_done(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        journal.write(1, (), np.zeros((0, 4, 6), bool), np.zeros(0, np.float32))
    found = masks_of(tmp_path)
    assert found.frames_done == (1,)
    assert found.on(1).codes == {}


def test_an_object_that_is_not_there_is_known_on_every_frame(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        journal.answer(Answer(object_id=2, text="the other", answer="There is none.", found=False))
        journal.write(0, (1,), _masks(0)[:1], np.array([0.5], np.float32))
    found = masks_of(tmp_path)
    assert [found.is_known(1, f) for f in range(3)] == [True, False, False]
    assert [found.is_known(2, f) for f in range(3)] == [True, True, True]


def test_the_last_record_of_a_frame_counts_within_a_segment_and_over_generations(
    tmp_path: Path,
) -> None:
    with Journal(tmp_path, 2, ABOUT) as journal:
        _write(journal, 0, 0, score=0.25)
        _write(journal, 0, 1, score=0.75)
    with Journal(tmp_path, 10, ABOUT) as later:  # behind 2, though "10" comes before "2" as text
        _write(later, 1, score=1.0)
    with Journal(tmp_path, 1, ABOUT) as earlier:  # woken up late: it has only its own file
        _write(earlier, 0, 1, 4, score=0.0)
    found = masks_of(tmp_path)
    assert {f: found.on(f).scores[1] for f in found.frames_done} == {0: 0.75, 1: 1.0, 4: 0.0}


def test_masks_of_another_key_are_left_out(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, 0)
        journal.end([0], {"finished": "done"})
    with Journal(tmp_path, 2, ABOUT.model_copy(update={"key": "changed"})) as journal:
        _write(journal, 1)
    latest = masks_of(tmp_path)
    assert (latest.about.key, latest.frames_done, latest.is_complete) == ("changed", (1,), False)
    assert masks_of(tmp_path, "k").frames_done == (0,)
    assert masks_of(tmp_path, "k").is_complete
    assert masks_of(tmp_path, "neither").about == About(key="neither")


@pytest.mark.parametrize("damage", ["a bit", "deleted"])
def test_that_all_is_there_is_not_believed_when_an_earlier_segment_is_damaged(
    damage: str, tmp_path: Path
) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, 0, 1, 2)
    with Journal(tmp_path, 2, ABOUT) as journal:
        _write(journal, 3, 4)
        journal.end(range(5), {"finished": "done"})
    found = masks_of(tmp_path)
    assert found.is_complete
    path, offset = found.places[1]
    if damage == "deleted":
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[offset + 14] ^= 1
        path.write_bytes(data)
    found = masks_of(tmp_path)
    assert found.frames_done == ((3, 4) if damage == "deleted" else (0, 3, 4))
    assert not found.is_complete
    with Journal(tmp_path, 3, ABOUT) as journal:
        _write(journal, 0, 1, 2)
    assert masks_of(tmp_path).is_complete


def test_a_journal_that_is_not_there_has_no_masks(tmp_path: Path) -> None:
    found = masks_of(tmp_path / "nowhere")
    assert found.frames_done == ()
    assert found.subjects == ()
    assert not found.is_complete


def test_a_segment_cut_anywhere_gives_the_frames_that_are_whole(tmp_path: Path) -> None:
    with Journal(tmp_path / "whole", 1, ABOUT) as journal:
        _write(journal, *range(5))
    path = tmp_path / "whole" / "masks-1.log"
    data = path.read_bytes()
    whole = _frames(masks_of(path.parent))
    ends = [record.offset for record in records_of(path)][2:]  # where frames 0 to 3 end
    cut = tmp_path / "cut" / path.name
    cut.parent.mkdir()
    seen = set()
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        got = _frames(masks_of(cut.parent))
        assert list(got) == list(range(sum(end <= length for end in ends)))
        assert got == {f: whole[f] for f in got}
        seen.add(len(got))
    assert seen == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("tail", [b"\0" * 500, b"\xff" * 500, b"\x05"])
def test_what_a_killed_machine_leaves_behind_the_last_record_is_not_read(
    tail: bytes, tmp_path: Path
) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, 0, 1)
    path = tmp_path / "masks-1.log"
    before = _frames(masks_of(tmp_path))
    with path.open("ab") as file:
        file.write(tail)
    assert _frames(masks_of(tmp_path)) == before


def test_any_changed_byte_ends_what_is_believed(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, *range(3))
    path = tmp_path / "masks-1.log"
    data = path.read_bytes()
    whole = _frames(masks_of(tmp_path))
    begin = [record.offset for record in records_of(path)][1]  # of frame 0
    for at in range(begin, len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        got = _frames(masks_of(tmp_path))
        assert len(got) < 3
        assert got == {f: whole[f] for f in got}


def test_a_length_that_cannot_be_reserves_no_memory(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, 0)
    with (tmp_path / "masks-1.log").open("ab") as file:
        file.write(struct.pack("<IIBI", 2**32 - 1, 0, 3, 1) + b"\0" * 10_000)
    tracemalloc.start()
    try:
        assert masks_of(tmp_path).frames_done == (0,)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_record_that_would_unpack_to_more_than_a_frame_can_hold_is_refused(
    tmp_path: Path,
) -> None:
    with Journal(tmp_path, 1, ABOUT):
        pass
    bomb = zlib.compress(b"\0" * 200_000_000)
    with closing(SegmentWriter(tmp_path / "masks-2.log")) as segment:
        segment.append(1, 0, ABOUT.model_dump_json().encode())
        segment.append(3, 0, bomb)
    found = masks_of(tmp_path)
    assert found.frames_done == (0,)
    tracemalloc.start()
    try:
        with pytest.raises(BatchError, match=r"Frame 0 .* is damaged"):
            found.on(0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_masks_stay_on_the_disk_until_a_frame_is_asked_for(tmp_path: Path) -> None:
    about = About(key="k", num_frames=200, height=300, width=300, subjects=SUBJECTS[:1])
    rng = np.random.default_rng(3)
    with Journal(tmp_path, 1, about) as journal:
        for frame in range(200):  # noise: 45,000 runs, 180 kB each before they are compressed
            mask = rng.random((1, 300, 300)) > 0.5
            journal.write(frame, (1,), mask, np.ones(1, np.float32))
    assert (tmp_path / "masks-1.log").stat().st_size > 2_000_000
    tracemalloc.start()
    try:
        found = masks_of(tmp_path)
        assert len(found.frames_done) == 200
        found.on(199)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


def test_a_segment_is_never_written_to_again(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, 0)
    before = (tmp_path / "masks-1.log").read_bytes()
    with pytest.raises(BatchError, match="is there already"):
        Journal(tmp_path, 1, ABOUT)
    assert (tmp_path / "masks-1.log").read_bytes() == before


def test_masks_of_another_size_are_refused_when_written_and_when_shown(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        with pytest.raises(ShapeMismatch):
            journal.write(0, (1,), np.zeros((1, 5, 6), bool), np.ones(1, np.float32))
        _write(journal, 0)
    found = masks_of(tmp_path)
    with pytest.raises(ShapeMismatch, match="5 frames of 4 x 6"):
        found.result(open_clip(np.zeros((5, 4, 7), np.uint8) + np.arange(7, dtype=np.uint8)))


def test_a_result_paints_what_was_kept(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, 1)
        journal.end([1], {"finished": "done"})
    clip = open_clip(np.arange(5 * 24, dtype=np.uint8).reshape(5, 4, 6))
    result = masks_of(tmp_path).result(clip)
    assert result.record == {"finished": "done"}
    expected = np.zeros((4, 6), int)
    expected[:, 1] = 1
    expected[3, :] = 2  # the later object lies above
    np.testing.assert_array_equal(result.labels(1), expected)
    np.testing.assert_array_equal(masks_of(tmp_path).result(clip, "first").labels(1)[3, 1], 1)


def test_readers_see_whole_frames_while_a_process_writes_and_is_killed(tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("needs fork and SIGKILL")
    about = ABOUT.model_copy(update={"num_frames": 10**9})
    child = os.fork()
    if child == 0:
        try:
            with Journal(tmp_path, 1, about) as journal:
                frame = 0
                while True:
                    _write(journal, frame % 6)
                    frame += 1
        finally:
            os._exit(1)
    try:
        seen = 0
        while seen < 20:
            found = masks_of(tmp_path)
            for frame in found.frames_done:
                expected = [rle.encode(mask)["counts"].tolist() for mask in _masks(frame)]
                assert _frames(found)[frame] == expected
            seen += len(found.frames_done) == 6
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    size = (tmp_path / "masks-1.log").stat().st_size
    assert list(_frames(masks_of(tmp_path))) == list(range(6))
    assert (tmp_path / "masks-1.log").stat().st_size == size


def test_a_record_that_is_gone_is_told_of(tmp_path: Path) -> None:
    with Journal(tmp_path, 1, ABOUT) as journal:
        _write(journal, 0)
    found = masks_of(tmp_path)
    path, offset = found.places[0]
    assert record_at(path, offset).number == 0
    path.write_bytes(path.read_bytes()[: offset + 5])
    with pytest.raises(BatchError, match="is damaged"):
        found.on(0)
    path.unlink()
    with pytest.raises(BatchError, match="cannot be read"):
        found.on(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and setrlimit")
def test_half_a_record_is_never_followed_by_another(tmp_path: Path) -> None:
    import resource

    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        segment = SegmentWriter(tmp_path / "a.log")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        failed = 0
        for number in range(3):
            try:
                segment.append(1, number, b"x" * 40)
            except OutputError:
                failed += 1
        os._exit(failed)
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 2  # the first fits, half of the second, no third
    assert [record.number for record in records_of(tmp_path / "a.log")] == [0]


def test_outputs_are_remembered_in_the_order_of_the_generations(tmp_path: Path) -> None:
    first = Writing(path=str(tmp_path / "a.tif"), kind="ome-tiff", key="k", choices="last")
    other = Writing(path=str(tmp_path / "ü.csv"), kind="table", key="changed", choices="last")
    with OutputLog(tmp_path, 10) as log:
        log.note(other)
    with OutputLog(tmp_path, 2) as log:
        log.note(first)
        log.note(first.model_copy(update={"is_whole": True}))
    assert [(o.path, o.is_whole) for o in outputs_of(tmp_path)] == [
        (first.path, False), (first.path, True), (other.path, False)
    ]  # fmt: skip
    assert paths_written(tmp_path) == {first.path, other.path}
    assert paths_written(tmp_path / "nowhere") == frozenset()
