from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip
from napari_sa2va.cli.main import main
from napari_sa2va.core.errors import ModelError
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.rates import kind_of, rates_of
from napari_sa2va.pipeline.record import RunRecord


@pytest.fixture
def movie(tmp_path):
    """The coloured squares as an OME-TIFF with 0.5 um pixels and 2 s frames."""
    path = tmp_path / "movie.ome.tif"
    frames = np.stack([colour_clip(8).rgb(t) for t in range(8)])
    tifffile.imwrite(
        path, frames, photometric="rgb",
        metadata={"axes": "TYXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5,
                  "PhysicalSizeXUnit": "um", "PhysicalSizeYUnit": "um",
                  "TimeIncrement": 2.0, "TimeIncrementUnit": "s"},
    )  # fmt: skip
    return path


@pytest.fixture(autouse=True)
def model(monkeypatch):
    fake = FakeModel()
    monkeypatch.setattr(loaded, "load", lambda settings: fake)
    return fake


def test_a_sentence_becomes_labels_a_record_and_an_overlay(movie, tmp_path, capsys):
    out, sheet = tmp_path / "out.ome.tif", tmp_path / "sheet.png"
    code = main(
        ["segment", str(movie), "the red one", "-p", "the blue one", "-o", str(out),
         "--overlay", str(sheet)]
    )  # fmt: skip
    assert code == 0
    with tifffile.TiffFile(out) as file:
        assert file.series[0].axes == "TYX"
        labels = file.asarray()
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
        assert 'TimeIncrement="2.0"' in file.ome_metadata
    assert labels.shape == (8, 16, 20)
    assert labels[3, 2, 4] == 1
    assert labels[3, 12, 4] == 2
    record = RunRecord.model_validate(json.loads((tmp_path / "out.json").read_text()))
    assert [o.name for o in record.objects] == ["the red one", "the blue one"]
    assert record.clip["pixel_size_um"] == [0.5, 0.5]
    assert sheet.stat().st_size > 0
    printed = capsys.readouterr()
    assert "1. the red one: on 8 of 8 frames" in printed.out
    assert "out.json" in printed.out


def test_a_run_of_the_command_line_teaches_how_fast_the_next_will_be(movie, tmp_path):
    assert main(["segment", str(movie), "the red one", "-q", "-o", str(tmp_path / "cells")]) == 0
    record = RunRecord.model_validate(json.loads((tmp_path / "cells.json").read_text()))
    (pace,) = rates_of(kind_of(record.model_name, record.device, record.formats)).paces
    assert pace.look_s == pytest.approx(record.timings_s["look"])


def test_a_name_without_an_ending_gets_one_and_the_record_the_same_name(movie, tmp_path):
    assert main(["segment", str(movie), "the red one", "-q", "-o", str(tmp_path / "cells")]) == 0
    assert (tmp_path / "cells.ome.tif").exists()
    assert (tmp_path / "cells.json").exists()


def test_finding_nothing_is_exit_code_1_and_still_written(movie, tmp_path, capsys):
    out = tmp_path / "out.tif"
    assert main(["segment", str(movie), "the yellow one", "-o", str(out)]) == 1
    assert tifffile.imread(out).max() == 0
    assert "the model says it is not there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.tif", "the cell"], "nowhere.tif"),
        (["MOVIE", "   "], "Prompt 1 is empty"),
        (["MOVIE", "the cell", "--preset", "sam3"], "sam3"),
        (["MOVIE", "the cell", "--sampling", "manual", "--frames", "0,99"], "99"),
        (["MOVIE", "the cell", "--sampling", "manual", "--frames", "first"], "frame numbers"),
        (["MOVIE", "the cell", "--num-key-frames", "0"], "num_key_frames"),
        (["MOVIE", "the cell", "--interval", "2"], "uniform"),
        (["MOVIE", "the cell", "--axes", "QQ"], "QQ"),
        (["MOVIE", "the cell", "--limits", "3"], "--limits"),
        (["MOVIE", "the cell", "--overlay", "x.bmp"], "x.bmp"),
        (["MOVIE", "the cell", "-o", "/proc/nothing/out.tif"], "/proc/nothing"),
        (["MOVIE", "the cell", "--answer", "[SEG].", "--answer", "[SEG]."], "2 answers"),
    ],
)
def test_a_bad_request_is_exit_code_2_with_the_reason_and_loads_no_model(
    movie, tmp_path, monkeypatch, capsys, model, arguments, message
):
    monkeypatch.chdir(tmp_path)
    arguments = [str(movie) if a == "MOVIE" else a for a in arguments]
    assert main(["segment", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert model.calls == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["movie.ome.tif"]


def test_nothing_is_overwritten_unless_told(movie, tmp_path, capsys):
    out = tmp_path / "out.tif"
    out.write_bytes(b"precious")
    assert main(["segment", str(movie), "the red one", "-o", str(out)]) == 2
    assert out.read_bytes() == b"precious"
    assert "already" in capsys.readouterr().err
    assert main(["segment", str(movie), "the red one", "-o", str(out), "--overwrite"]) == 0
    assert tifffile.imread(out).max() == 1


def test_ctrl_c_keeps_what_is_finished_and_says_so(movie, tmp_path, monkeypatch, capsys):
    whole = FakeTracker.track

    def track(self, t, *args, **kwargs):
        if t == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return whole(self, t, *args, **kwargs)

    monkeypatch.setattr(FakeTracker, "track", track)
    out = tmp_path / "out.tif"
    before = signal.getsignal(signal.SIGINT)
    code = main(["segment", str(movie), "the red one", "-o", str(out), "--preset", "sa2va"])
    assert code == 130
    assert signal.getsignal(signal.SIGINT) is before
    labels = tifffile.imread(out)
    assert [bool(frame.any()) for frame in labels] == [True] * 7 + [False]
    assert "after 7 of 8 frames" in capsys.readouterr().err
    assert json.loads((tmp_path / "out.json").read_text())["finished"] == "cancelled"


def test_a_failure_in_the_middle_is_exit_code_3_and_keeps_the_frames_before(
    movie, tmp_path, monkeypatch, capsys
):
    def track(self, *args, **kwargs):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(FakeTracker, "track", track)
    out = tmp_path / "out.tif"
    assert main(["segment", str(movie), "the red one", "-o", str(out), "--preset", "sa2va"]) == 3
    assert "What to do" in capsys.readouterr().err
    assert [bool(frame.any()) for frame in tifffile.imread(out)] == [True] * 5 + [False] * 3
    assert json.loads((tmp_path / "out.json").read_text())["finished"] == "failed"


def test_a_given_answer_reaches_the_model(movie, tmp_path, model):
    out = tmp_path / "out.tif"
    main(["segment", str(movie), "the red one", "-o", str(out), "--answer", "Here: [SEG]."])
    assert next(c for c in model.calls if c[0] == "ground")[2] == "Here: [SEG]."


def test_flags_reach_the_run(movie, tmp_path, model):
    out = tmp_path / "out.tif"
    main(
        ["segment", str(movie), "the red one", "-o", str(out), "--sampling", "first",
         "--num-key-frames", "2", "--prompt-with", "language", "--tracking-decoder", "tuned",
         "--no-hide-absent"]
    )  # fmt: skip
    assert ("look", 2) in model.calls
    assert ("new_tracker", "tuned", False, None) in model.calls


def test_help_names_every_command_and_the_exit_codes(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("segment", "models", "train", "evaluate", "doctor", "found nothing"):
        assert word in printed


@pytest.mark.parametrize("where", ["movie.ome.tif", "movie.json"])
def test_the_input_is_never_written_over(tmp_path, movie, where, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    tifffile.imwrite(folder / "0.tif", np.eye(16, dtype=np.uint8) * 200)
    before = movie.read_bytes()
    for source, out in ((movie, movie), (folder, folder / where)):
        code = main(["segment", str(source), "the red one", "-o", str(out), "--overwrite"])
        assert code == 2
        assert "Choose another place" in capsys.readouterr().err
    assert movie.read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == ["0.tif"]


def test_a_fault_of_ours_is_exit_code_3_and_not_found_nothing(movie, tmp_path, monkeypatch, capsys):
    def track(self, *args, **kwargs):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(FakeTracker, "track", track)
    out = tmp_path / "out.tif"
    assert main(["segment", str(movie), "the red one", "-o", str(out), "--preset", "sa2va"]) == 3
    printed = capsys.readouterr().err
    assert "ZeroDivisionError: a bug" in printed
    assert "report" in printed


def test_a_run_that_fails_before_its_first_frame_leaves_a_record(movie, tmp_path, monkeypatch):
    calls = iter([1, 2])

    def ground(self, seen, text, **kwargs):
        if next(calls) == 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return ground_one(self, seen, text, **kwargs)

    ground_one = FakeModel.ground_seen
    monkeypatch.setattr(FakeModel, "ground_seen", ground)
    out = tmp_path / "out.tif"
    assert main(["segment", str(movie), "the red one", "-p", "the blue one", "-o", str(out)]) == 3
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["finished"] == "failed"
    assert [o["answer"] for o in record["objects"]] == ["It is .", ""]
    assert not out.exists()


def test_ctrl_c_before_the_first_answer_stops_at_once(movie, tmp_path, monkeypatch):
    def look(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("went on after Ctrl-C")

    monkeypatch.setattr(FakeModel, "look", look)
    out = tmp_path / "out.tif"
    assert main(["segment", str(movie), "the red one", "-o", str(out)]) == 130
    assert not out.exists()
    assert json.loads((tmp_path / "out.json").read_text())["finished"] == "cancelled"


def test_a_run_whose_model_cannot_be_had_leaves_no_file_in_the_way(movie, tmp_path, monkeypatch):
    def load(settings):
        raise ModelError("It is not here.", "Get it.")

    monkeypatch.setattr(loaded, "load", load)
    out = tmp_path / "out.tif"
    assert main(["segment", str(movie), "the red one", "-o", str(out)]) == 2
    assert list(tmp_path.glob("out.*")) == []
