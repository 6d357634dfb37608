from __future__ import annotations

import json
import os
import shutil
import signal

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip, write_colours
from napari_sa2va.cli.main import main
from napari_sa2va.core.errors import ModelError
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.rates import kind_of, rates_of
from napari_sa2va.pipeline.record import RunRecord


@pytest.fixture
def movie(tmp_path):
    """The coloured squares as an OME-TIFF with 0.5 um pixels and 2 s frames."""
    return write_colours(tmp_path / "movie.ome.tif")


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


# Several outputs, and the ways to look at a file


def test_one_run_is_written_in_several_formats_with_one_record(movie, tmp_path, capsys):
    tif, coco, folder = tmp_path / "a.ome.tif", tmp_path / "a.json", tmp_path / "davis"
    code = main(
        ["segment", str(movie), "the red one", "-q", "-o", str(coco), "-o", str(tif),
         "-o", str(tmp_path / "b.ome.tif")]
    )  # fmt: skip
    assert code == 0
    assert tifffile.imread(tif).max() == 1
    assert len(json.loads(coco.read_text())["annotations"]) == 8
    # a.json is the first output itself, so the record gets a name of its own.
    record = json.loads((tmp_path / "a.run.json").read_text())
    assert record["finished"] == "done"
    code = main(
        ["segment", str(movie), "the red one", "-q", "-o", str(folder), "--format", "davis"]
    )
    assert code == 0
    assert len(list(folder.glob("*.png"))) == 8
    assert (tmp_path / "davis.json").exists()


def test_an_output_that_fails_does_not_take_the_others_with_it(
    movie, tmp_path, monkeypatch, capsys
):
    (tmp_path / "stick").mkdir()
    whole = FakeTracker.track

    def track(self, *args, **kwargs):
        shutil.rmtree(tmp_path / "stick", ignore_errors=True)  # somebody pulls it out
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(FakeTracker, "track", track)
    tif, lost = tmp_path / "a.ome.tif", tmp_path / "stick" / "b.ome.tif"
    outputs = ["-o", str(tmp_path / "a.json"), "-o", str(lost), "-o", str(tif)]
    code = main(["segment", str(movie), "the red one", "--preset", "sa2va", *outputs])
    assert code == 2
    printed = capsys.readouterr()
    assert f"there is no folder {lost.parent}" in printed.err
    assert "1. the red one: on 8 of 8 frames" in printed.out
    assert tifffile.imread(tif).max() == 1
    assert (tmp_path / "a.json").exists()
    assert (tmp_path / "a.run.json").exists()


def test_every_output_is_looked_at_before_the_run(movie, tmp_path, model, capsys):
    (tmp_path / "b.json").write_text("precious")
    arguments = ["-o", str(tmp_path / "a.ome.tif"), "-o", str(tmp_path / "b.json")]
    assert main(["segment", str(movie), "the red one", *arguments]) == 2
    assert "b.json is there already" in capsys.readouterr().err
    assert model.calls == []


def test_labels_that_are_in_a_store_already_are_found_out_before_the_run(
    movie, tmp_path, model, capsys
):
    import zarr
    from ome_zarr.writer import write_image

    store = tmp_path / "image.ome.zarr"
    write_image(np.zeros((8, 16, 20), np.uint8), zarr.open_group(store, mode="w"), axes="tyx")
    arguments = ["segment", str(movie), "the red one", "-q", "-o", str(store / "labels" / "cells")]
    before = sorted(p.name for p in store.iterdir())
    assert main(arguments) == 0
    # The record is no part of the store, nor of its labels.
    assert sorted(p.name for p in store.iterdir()) == sorted([*before, "labels"])
    assert json.loads((tmp_path / "image.cells.json").read_text())["finished"] == "done"
    (tmp_path / "image.cells.json").unlink()
    model.calls.clear()
    assert main(arguments) == 2
    assert "The labels 'cells' of" in capsys.readouterr().err
    assert model.calls == []
    assert main([*arguments, "--overwrite"]) == 0


def test_a_format_that_the_movie_cannot_have_is_refused_before_the_run(
    movie, tmp_path, model, capsys
):
    arguments = ["-o", str(tmp_path / "a.ome.tif"), "-o", str(tmp_path / "a.seg.dcm")]
    assert main(["segment", str(movie), "the red one", *arguments]) == 2
    assert "refers to DICOM frames" in capsys.readouterr().err
    assert model.calls == []
    assert list(tmp_path.glob("a.*")) == []


def test_a_region_is_looked_at_alone_and_the_labels_say_so(movie, tmp_path, capsys):
    out = tmp_path / "out.tif"
    arguments = ["segment", str(movie), "the red one", "-q", "-o", str(out)]
    assert main([*arguments, "--box", "0,2,12,18"]) == 0
    assert tifffile.imread(out).shape == (8, 12, 16)
    assert json.loads((tmp_path / "out.json").read_text())["clip"]["box"] == [0, 2, 12, 18]
    assert main([*arguments, "--overwrite", "--box", "0,2,12"]) == 2
    assert "--box '0,2,12' is not four whole numbers" in capsys.readouterr().err


def test_channels_get_colours_and_limits_of_their_own(tmp_path, model, capsys):
    path, out = tmp_path / "two.ome.tif", tmp_path / "out.tif"
    data = np.zeros((2, 2, 16, 20), np.uint16)
    data[:, 0, :4], data[:, 1, 8:] = 1000, 3000
    tifffile.imwrite(path, data, photometric="minisblack", metadata={"axes": "TCYX"})
    arguments = ["segment", str(path), "the red one", "-q", "-o", str(out), "--overwrite"]
    assert main([*arguments, "--colors", "green,magenta", "--limits", "0,2000;0,3000"]) == 0
    clip = json.loads((tmp_path / "out.json").read_text())["clip"]
    assert clip["tints"] == ["#00ff00", "#ff00ff"]
    assert clip["limits"] == [[0, 2000], [0, 3000]]
    assert main([*arguments, "--colors", "file"]) == 2
    assert "does not say in which colours" in capsys.readouterr().err


def test_a_file_with_several_series_lists_them_and_takes_the_one_that_is_named(tmp_path, capsys):
    path, out = tmp_path / "two.ome.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for name, frames in (("first", 3), ("second", 2)):
            pictures = np.stack([colour_clip(frames).rgb(t) for t in range(frames)])
            file.write(pictures, photometric="rgb", metadata={"axes": "TYXS", "Name": name})
    arguments = ["segment", str(path), "the red one", "-q", "-o", str(out)]
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert "--series 0  " in printed
    assert "--series 1  " in printed
    assert "second" in printed
    assert main([*arguments, "--series", "1"]) == 0
    assert tifffile.imread(out).shape == (2, 16, 20)
