"""`ask`, `caption` and `describe` on the terminal."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.cli.main import main
from napari_sa2va.core.errors import MemoryShortage
from napari_sa2va.pipeline import loaded


@pytest.fixture
def movie(tmp_path):
    path = tmp_path / "movie.tif"
    frames = np.stack([colour_clip(8).rgb(t) for t in range(8)])
    tifffile.imwrite(path, frames, photometric="rgb", metadata={"axes": "TYXS"})
    return path


@pytest.fixture(autouse=True)
def model(monkeypatch):
    fake = FakeModel()
    monkeypatch.setattr(loaded, "load", lambda settings: fake)
    return fake


def test_questions_are_answered_in_turns(movie, model, capsys):
    assert main(["ask", str(movie), "How many squares?", "the red one"]) == 0
    printed = capsys.readouterr().out
    assert "> How many squares?\nThere is no such thing." in printed
    assert "> the red one\nIt is.\n  1. the red one" in printed
    assert [len(h) for h in model.histories] == [0, 1]
    assert not list(movie.parent.glob("*.ome.tif"))


def test_masks_of_all_answers_are_written(movie, tmp_path, capsys):
    out = tmp_path / "out.ome.tif"
    assert main(["ask", str(movie), "the red one", "now the blue one", "-o", str(out), "-q"]) == 0
    labels = tifffile.imread(out)
    assert labels.shape == (8, 16, 20)
    assert labels[3, 2, 4] == 1
    assert labels[3, 12, 4] == 2
    record = json.loads((tmp_path / "out.json").read_text())
    assert [o["name"] for o in record["objects"]] == ["the red one", "now the blue one"]
    assert len(record["objects"][1]["origin"]["exchanges"]) == 2


def test_nothing_to_write_is_said_with_its_own_exit_code(movie, tmp_path, capsys):
    out = tmp_path / "out.ome.tif"
    assert main(["ask", str(movie), "How many?", "-o", str(out)]) == 1
    assert "no mask to write" in capsys.readouterr().err
    assert not out.exists()


def test_a_frame_is_asked_about_and_its_masks_stay_there(movie, tmp_path):
    out = tmp_path / "out.ome.tif"
    assert main(["ask", str(movie), "the red one", "--frame", "5", "-o", str(out), "-q"]) == 0
    labels = tifffile.imread(out)
    assert [t for t in range(8) if labels[t].any()] == [5]


def test_a_caption_is_of_the_middle_frame_and_can_be_carried(movie, tmp_path, capsys):
    out = tmp_path / "out.ome.tif"
    answer = "<p> a blue thing </p> [SEG] and <p> a red one </p> [SEG]."
    arguments = ["caption", str(movie), "--answer", answer, "-o", str(out), "-q"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "Frame 4" in printed.err
    assert "Describe the picture.\na blue thing and a red one." in printed.out
    labels = tifffile.imread(out)
    assert [t for t in range(8) if labels[t].any()] == [4]
    assert main([*arguments, "--track", "--overwrite"]) == 0
    labels = tifffile.imread(out)
    clip = colour_clip(8)
    for t in range(8):
        np.testing.assert_array_equal(labels[t] == 1, clip.rgb(t)[..., 2] > 100)
        np.testing.assert_array_equal(labels[t] == 2, clip.rgb(t)[..., 0] > 100)


@pytest.mark.parametrize("region", ["2,3,9,12", "3,4"])
def test_a_box_and_a_point_are_described(movie, region, capsys):
    assert main(["describe", str(movie), "--region", region, "--frame", "2"]) == 0
    assert "> Describe region1." in capsys.readouterr().out


def test_every_label_of_a_file_is_a_region(movie, tmp_path, capsys):
    labels = np.zeros((16, 20), np.uint8)
    labels[:8, :8], labels[10:, 10:] = 3, 7
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    assert main(["describe", str(movie), "-r", str(tmp_path / "labels.tif")]) == 0
    printed = capsys.readouterr().out
    assert "> Describe region1." in printed
    assert "> Describe region2." in printed


def test_the_masks_of_all_regions_are_written(movie, tmp_path):
    out = tmp_path / "out.ome.tif"
    arguments = ["describe", str(movie), "--frame", "2", "-o", str(out), "-q"]
    for region, colour in (("0,0,8,8", "red"), ("5,5,9,9", "dark"), ("8,8,16,20", "blue")):
        pointing = "" if colour == "dark" else " [SEG]"
        arguments += ["-r", region, "--answer", f"<p> the {colour} one </p>{pointing}."]
    assert main(arguments) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    assert [o["name"] for o in record["objects"]] == ["the red one", "the blue one"]
    # Each region is described for itself.
    assert [len(o["origin"]["exchanges"]) for o in record["objects"]] == [1, 1]
    assert set(np.unique(tifffile.imread(out)[2])) == {0, 1, 2}


def test_regions_can_be_asked_about_in_own_words(movie, model):
    code = main(
        ["describe", str(movie), "-r", "2,3,9,12", "--question", "Is region1 red?", "--frame", "0"]
    )
    assert code == 0
    assert model.calls[-1][1] == "<image>\nIs region1 red?"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["describe", "--region", "1,2,3"], "has 3 numbers"),
        (["describe", "--region", "0,0,99,99"], "no rectangle inside"),
        (["describe", "--region", "5,5", "--frame", "99"], "There is no frame"),
        (["ask", "How many?", "--answer", "a", "--answer", "b"], "2 answers were given"),
        (["ask", " "], "empty"),
        (["caption", "--frame", "8"], "There is no frame"),
    ],
)
def test_bad_requests_say_what_is_wrong(movie, arguments, message, capsys):
    command, *rest = arguments
    assert main([command, str(movie), *rest]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["caption", "--num-key-frames", "7"], "No such option"),
        (["caption", "--view", "movie"], "No such option"),
        (["caption", "--several-masks", "union"], "No such option"),
        (["describe", "-r", "3,4", "--sampling", "first"], "No such option"),
        (["describe", "-r", "3,4", "--frames", "1,2"], "No such option"),
        (["ask", "How many?", "--several-masks", "union"], "No such option"),
        (["ask", "How many?", "--frame", "3", "--num-key-frames", "2"], "--num-key-frames was given"),
        (["caption", "--answer", "a", "--answer", "b"], "2 answers were given for 1 caption."),
        (["describe", "-r", "3,4", "--answer", "a", "--answer", "b"], "2 answers"),
        (["describe", "-r", "3,4", "-r", "5,6", "--question", "Eh?", "--answer", "a", "--answer", "b"],
         "2 answers were given for 1 question."),
        (["caption", "--answer", ""], "given answer is empty"),
        (["ask", "How many?", " "], "empty"),
        (["ask", "How many?", "--view", "picture"], "5 were chosen"),
        (["ask", "How many?", "--frame", "8"], "There is no frame"),
        (["describe", "-r", "3,4", "--question", " "], "empty"),
        (["describe", "-r", "MASKS", "--frame", "99"], "There is no frame"),
        (["describe", "-r", "NAN", "--frame", "2"], "no whole numbers"),
        (["describe", "-r", "HALF", "--frame", "2"], "no whole numbers"),
    ],
)  # fmt: skip
def test_what_would_be_ignored_or_fail_later_is_refused_before_a_model_is_loaded(
    movie, tmp_path, monkeypatch, arguments, message, capsys
):
    def load(settings):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(loaded, "load", load)
    files = {"MASKS": 1.0, "NAN": np.nan, "HALF": 0.5}
    for name, value in files.items():
        labels = np.zeros((8, 16, 20), np.float32)
        labels[:, :8, :8] = value
        tifffile.imwrite(tmp_path / f"{name}.tif", labels, metadata={"axes": "TYX"})
    command, *rest = [str(tmp_path / f"{a}.tif") if a in files else a for a in arguments]
    assert main([command, str(movie), *rest]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_labels_may_be_whole_numbers_in_floats(movie, tmp_path):
    labels = np.zeros((16, 20), np.float32)
    labels[:8, :8] = 3
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    assert main(["describe", str(movie), "-r", str(tmp_path / "labels.tif")]) == 0


@pytest.mark.parametrize(
    ("error", "code"), [(MemoryShortage("The device is full."), 3), (KeyboardInterrupt(), 130)]
)
def test_what_was_answered_before_an_error_or_ctrl_c_is_written(
    movie, tmp_path, monkeypatch, error, code, capsys
):
    kept = FakeModel.ground_seen

    def second_fails(self, seen, text, *args, **kwargs):
        if "blue" in text:
            raise error
        return kept(self, seen, text, *args, **kwargs)

    monkeypatch.setattr(FakeModel, "ground_seen", second_fails)
    out = tmp_path / "out.ome.tif"
    assert main(["ask", str(movie), "the red one", "the blue one", "-o", str(out), "-q"]) == code
    assert "drawing what was answered so far" in capsys.readouterr().err
    assert tifffile.imread(out)[3, 2, 4] == 1
    record = json.loads((tmp_path / "out.json").read_text())
    assert [o["name"] for o in record["objects"]] == ["the red one"]
    # Where no files were asked for there is nothing to save.
    assert main(["ask", str(movie), "the red one", "the blue one"]) == code


def test_memory_flags_reach_a_conversation(movie, model, monkeypatch):
    seen, kept = [], FakeModel.look

    def look(self, *args, **kwargs):
        seen.append(self.pictures_at_once)
        return kept(self, *args, **kwargs)

    monkeypatch.setattr(FakeModel, "look", look)
    assert main(["ask", str(movie), "How many?", "--pictures-at-once", "1"]) == 0
    assert seen == [1]


def test_the_record_of_a_frame_says_that_it_was_shown_as_a_picture(movie, tmp_path):
    out = tmp_path / "out.ome.tif"
    for view, shown in (("auto", "picture"), ("movie", "movie")):
        arguments = ["ask", str(movie), "the red one", "--frame", "3", "--view", view]
        assert main([*arguments, "-o", str(out), "-q", "--overwrite"]) == 0
        assert json.loads((tmp_path / "out.json").read_text())["shown_as"] == shown


def test_the_preset_decides_how_masks_travel(movie, tmp_path):
    out = tmp_path / "out.ome.tif"
    assert main(["ask", str(movie), "the red one", "--preset", "sa2va", "-o", str(out), "-q"]) == 0
    settings = json.loads((tmp_path / "out.json").read_text())["settings"]
    assert settings["preset"] == "sa2va"
    assert settings["tracking"]["prompt_with"] == "language"


def test_the_record_tells_the_answer_that_a_phrase_is_taken_from(movie, tmp_path, model, capsys):
    out = tmp_path / "out.ome.tif"
    answer = "<p> a blue thing </p> [SEG] and <p> a red one </p> [SEG]."
    assert main(["caption", str(movie), "--answer", answer, "-o", str(out)]) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    assert [o["answer"] for o in record["objects"]] == ["a blue thing and a red one."] * 2
    assert record["key_frames_rule"] == "as given"


def test_a_region_that_is_not_marked_is_told(movie, capsys):
    arguments = ["describe", str(movie), "-r", "2,3,9,12", "--question", "Is region2 round?"]
    assert main(arguments) == 0
    assert "speaks of region2, but 1 are marked" in capsys.readouterr().err
