"""`napari-sa2va batch`, as it is typed: from movies to results, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va._tests.made_units import made_folder, made_unit
from napari_sa2va._tests.ngff_stores import write_plate
from napari_sa2va._tests.typed_batches import (
    HERE,
    RED,
    batch,
    runs_of,
    units_of,
    write_broken,
    write_colours,
    write_vast,
)  # fmt: skip
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.cli.batch import run
from napari_sa2va.cli.batch.request import BatchRequest

# From movies to results


def test_one_command_does_a_folder_of_movies_and_says_where_everything_is(movies, model, capsys):
    assert batch("movies", *RED, "-p", "the blue one", *HERE) == 0
    place = Path("movies_batch")
    for name in ("a", "b"):
        labels = tifffile.imread(place / "results" / f"{name}_labels.ome.tif")
        assert labels.shape == (4, 16, 20)
        assert (labels[2, 2, 3], labels[2, 12, 3]) == (1, 2)
    for name in ("objects.csv", "report.html", "log.txt", "log.jsonl", "repeat.csv"):
        assert (place / name).stat().st_size > 0, name
    printed = capsys.readouterr().out
    assert "Units:   2 done" in printed
    assert f"Objects: {place.absolute() / 'objects.csv'} (16 rows)" in printed
    head = BatchFolder.open(place).head
    assert (
        head.command
        == "napari-sa2va batch movies -p 'the red one' -p 'the blue one' " + " ".join(HERE)
    )
    assert head.weights["nano"]
    assert head.versions["napari-sa2va"]


def test_the_same_command_again_does_nothing_twice_and_a_changed_movie_once_more(
    movies, model, capsys
):
    assert batch("movies", *RED, *HERE) == 0
    before = runs_of(model)
    assert batch("movies", *RED, *HERE) == 0
    assert runs_of(model) == before
    assert "0 new units, 0 changed, 2 as before" in capsys.readouterr().err
    write_colours(movies / "b.tif", num_frames=6)
    assert batch("movies", *RED, *HERE) == 0
    assert runs_of(model) == before + 1
    labels = Path("movies_batch/results/b_labels.ome.tif")
    assert len(tifffile.imread(labels)) == 6


def test_a_batch_that_was_moved_goes_on_where_it_is_now(movies, model, capsys):
    assert batch("movies/a.tif", *RED, "--into", "night", *HERE) == 0
    Path("night").rename("moved")
    before = runs_of(model)
    assert batch("movies", *RED, "--into", "moved", *HERE) == 0
    assert "1 new unit, 0 changed, 1 as before" in capsys.readouterr().err
    assert runs_of(model) == before + 1
    results = sorted(p.name for p in Path("moved/results").iterdir())
    assert results == ["a_labels.ome.tif", "b_labels.ome.tif"]
    assert not Path("night").exists()


def test_results_that_are_missing_are_written_again_and_no_network_runs(movies, model, capsys):
    assert batch("movies", *RED, *HERE) == 0
    before, lost = runs_of(model), Path("movies_batch/results/b_labels.ome.tif")
    content = tifffile.imread(lost)
    lost.unlink()
    assert batch("movies_batch", *HERE) == 0
    assert "Results of 1 unit are not there any more" in capsys.readouterr().err
    assert runs_of(model) == before
    np.testing.assert_array_equal(tifffile.imread(lost), content)


def test_results_on_a_drive_that_is_away_are_not_written_elsewhere(movies, model):
    drive = Path("drive")
    drive.mkdir()
    assert batch("movies", *RED, "-o", f"{drive.absolute()}/{{movie}}.tif", *HERE) == 0
    drive.rename("unplugged")
    assert batch("movies_batch", *HERE) == 0
    assert not drive.exists()


def test_a_movie_that_changed_and_fails_leaves_no_result_of_the_old_one(movies, model, tmp_path):
    assert batch("movies", *RED, *HERE) == 0
    write_broken(movies / "b.tif")
    assert batch("movies", *RED, *HERE) == 3
    results = sorted(p.name for p in Path("movies_batch/results").iterdir())
    assert results == ["a_labels.ome.tif"]
    assert "is deleted" in Path("movies_batch/log.txt").read_text()


def test_of_two_units_that_would_write_one_file_none_does(movies, model, capsys):
    named = ("-o", "same.ome.tif", "--skip-broken", *HERE)
    assert batch("movies", *RED, *named) == 3
    assert set(units_of().values()) == {"failed"}
    assert "same.ome.tif would be written for 0002-b as well." in capsys.readouterr().out
    assert not list(Path("movies_batch/results").iterdir())


def test_results_beside_the_movies_are_no_movies_of_the_next_batch(movies, model, capsys):
    pattern = ("-o", "{folder}/{name}_seg.ome.tif")
    assert batch("movies", *RED, *pattern, "--into", "first", *HERE) == 0
    capsys.readouterr()
    assert (movies / "a_seg.ome.tif").exists()
    assert batch("movies", *RED, "--into", "second", *HERE) == 0
    assert sorted(units_of("second")) == ["0001-a", "0002-b"]
    assert "were left out (2, such as a_seg.ome.tif)" in capsys.readouterr().err


def test_what_was_asked_for_by_mistake_is_named_and_can_be_taken_out(movies, model, capsys):
    assert batch("movies", "-p", "the blue one", "--into", "night", *HERE) == 0
    capsys.readouterr()
    assert batch("movies", *RED, "--into", "night", *HERE) == 0
    told = capsys.readouterr().err
    assert "2 new units, 0 changed, 0 as before" in told
    assert "2 units of earlier commands stay, such as 0001-a: the blue one." in told
    assert batch("remove", "night", "0001-a", "0002-b", "--results") == 0
    assert "2 units taken out: 0001-a, 0002-b; 2 files deleted." in capsys.readouterr().out
    assert sorted(units_of("night")) == ["0003-a-set2", "0004-b-set2"]
    results = sorted(p.name for p in Path("night/results").iterdir())
    assert results == ["a-set2_labels.ome.tif", "b-set2_labels.ome.tif"]
    assert batch("report", "night") == 0
    assert "the blue one" not in Path("night/objects.csv").read_text()
    # An id is never given again, and what is asked for again comes back.
    assert batch("movies/a.tif", "-p", "the green one", "--into", "night", *HERE) == 0
    assert "0005-a-set3" in units_of("night")
    before = runs_of(model)
    assert batch("movies/a.tif", "-p", "the blue one", "--into", "night", *HERE) == 0
    assert units_of("night")["0001-a"] == "done"
    assert runs_of(model) == before
    assert Path("night/results/a_labels.ome.tif").exists()


def test_a_single_unit_of_an_earlier_command_stays(movies, model, capsys):
    assert batch("movies/a.tif", "-p", "the blue one", "--into", "one", *HERE) == 0
    assert batch("movies/a.tif", *RED, "--into", "one", *HERE) == 0
    assert "1 unit of earlier commands stays, such as 0001-a" in capsys.readouterr().err


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("step", [(BatchRequest, "planned"), (run, "_may_begin")])
def test_of_two_commands_at_once_the_later_adds_to_what_the_other_has_added(
    movies, model, monkeypatch, capsys, is_there, step
):
    if is_there:
        assert batch("movies/b.tif", *RED, "--into", "night", *HERE) == 0
    (movies.parent / "day2" / "empty").mkdir(parents=True)
    write_colours(movies.parent / "day2" / "a.tif")
    take = getattr(*step)

    def before_another(*given, **how) -> object:
        monkeypatch.setattr(*step, take)
        taken = take(*given, **how)
        assert batch("movies/a.tif", *RED, "--into", "night", *HERE) == 0
        return taken

    monkeypatch.setattr(*step, before_another)
    assert batch("day2", *RED, "--into", "night", *HERE) == 0
    states = dict.fromkeys(["0001-b"] if is_there else [], "done")
    first = len(states) + 1
    states |= {f"{first:04d}-a": "done", f"{first + 1:04d}-day2-a": "done"}
    assert units_of("night") == states
    told = capsys.readouterr()
    assert "night: 1 new unit, 0 changed, 0 as before." in told.err
    assert told.err.count("Note:") == 1
    assert BatchFolder.open("night").head.inputs == ("day2",)


def test_more_movies_are_added_to_a_batch_that_is_there(movies, model):
    assert batch("movies/a.tif", *RED, "--into", "night", *HERE) == 0
    assert batch("movies/b.tif", *RED, "--into", "night", *HERE) == 0
    assert len(units_of("night")) == 2
    assert runs_of(model) == 2


@pytest.mark.parametrize(
    ("sentence", "code"), [("the red one", 0), ("the yellow one", 1)], ids=["found", "nothing"]
)
def test_the_exit_code_says_whether_something_was_found(movies, model, sentence, code):
    assert batch("movies", "-p", sentence, *HERE) == code


def test_a_broken_movie_fails_alone_is_told_with_its_cause_and_exit_code_3(movies, model, capsys):
    write_broken(movies / "c.tif")
    assert batch("movies", *RED, *HERE) == 3
    assert sorted(units_of().values()) == ["done", "done", "failed"]
    printed = capsys.readouterr().out
    assert "c.tif holds no series" in printed.replace("\n", " ")
    assert "2 done, 1 failed" in printed
    assert "batch retry" in printed
    # Mended, only it is done again.
    before = runs_of(model)
    write_colours(movies / "c.tif")
    assert batch("movies", *RED, *HERE) == 0
    assert runs_of(model) == before + 1


def test_sets_of_sentences_in_a_file_are_units_of_their_own(movies, model):
    Path("words.txt").write_text("the red one\nthe blue one\n\nthe green one\n")
    assert batch("movies/a.tif", "--prompts", "words.txt", "--into", "night", *HERE) == 0
    results = sorted(p.name for p in Path("night/results").iterdir())
    assert results == ["a-set2_labels.ome.tif", "a_labels.ome.tif"]
    assert tifffile.imread("night/results/a_labels.ome.tif").max() == 2
    assert tifffile.imread("night/results/a-set2_labels.ome.tif").max() == 1


def test_a_table_says_what_holds_for_a_movie_and_flags_what_holds_for_all(movies, model):
    Path("mice.csv").write_text(
        'path,prompts,box,meta.strain\nmovies/a.tif,the blue one,,N2\nmovies/b.tif,,"0,0,8,20",CB1\n'
    )
    assert batch("mice.csv", *RED, "--num-key-frames", "1", *HERE) == 0
    units = {u.movie: u for u in BatchFolder.open("mice_batch").units().values()}
    assert {m: u.sentences for m, u in units.items()} == {
        "a": ("the blue one",),
        "b": ("the red one",),
    }
    assert tifffile.imread("mice_batch/results/b_labels.ome.tif").shape == (4, 8, 20)
    table = Path("mice_batch/objects.csv").read_text()
    assert "meta.strain" in table.splitlines()[0]
    assert {call[1] for call in model.calls if call[0] == "look"} == {1}


def test_a_series_that_is_named_is_that_of_a_plate_and_of_a_folder_of_videos(
    movies, model, tmp_path
):
    pixels = np.arange(3 * 16 * 20, dtype=np.uint8).reshape(3, 16, 20)
    write_plate(tmp_path / "p.zarr", {"A/1": [pixels, pixels]})
    for name in ("bear", "cat"):
        (tmp_path / "davis/JPEGImages/480p" / name).mkdir(parents=True)
        for frame in range(3):
            place = tmp_path / f"davis/JPEGImages/480p/{name}/{frame:05d}.png"
            Image.fromarray(pixels[frame]).save(place)
    for path, series in (("p.zarr", "A/1/1"), ("davis", "bear")):
        batch(path, *RED, *HERE, "--into", "night", "--series", series)
    units = BatchFolder.open("night").units().values()
    assert [(Path(u.path).name, u.arguments.series) for u in units] == [
        ("p.zarr", "A/1/1"), ("davis", "bear"),
    ]  # fmt: skip
    assert set(units_of("night").values()) <= {"done", "nothing"}


def test_masks_go_where_the_patterns_say_in_any_format_and_with_an_overlay(movies, model):
    names = ("-o", "{folder}/{name}_red.coco.json", "-o", "{movie}", "--format", "davis")
    assert batch("movies/a.tif", *RED, *names, "--overlay", "png", "--into", "night", *HERE) == 0
    assert json.loads((movies / "a_red.coco.json").read_text())["annotations"]
    assert len(list(Path("night/results/a").rglob("*.png"))) == 4
    assert Path("night/results/a_overlay.png").stat().st_size > 0


def test_masks_that_a_label_image_does_not_have_are_told_of_and_can_be_written_without_a_run(
    movies, model, capsys
):
    both = ("movies/a.tif", *RED, "-p", "the red square", "--into", "night", *HERE)
    assert batch(*both) == 0
    labels = tifffile.imread("night/results/a_labels.ome.tif")
    assert set(np.unique(labels)) == {0, 2}  # the first is where the second is
    told = capsys.readouterr().out
    assert "Overlap: In 1 of 1 unit masks cover each other" in told
    assert '-o "{name}.coco.json"' in told
    before = runs_of(model)
    assert batch(*both, "-o", "{name}.coco.json") == 0
    assert "Overlap:" not in capsys.readouterr().out
    assert runs_of(model) == before
    coco = json.loads(Path("night/results/a.coco.json").read_text())
    assert len(coco["annotations"]) == 8  # of two objects on four frames


def test_the_format_of_the_table_can_be_asked_for_later(movies, model, capsys):
    pytest.importorskip("pyarrow")
    assert batch("movies", *RED, *HERE) == 0
    assert batch("movies_batch", "--table", "parquet", *HERE) == 0
    assert "Objects: " in (told := capsys.readouterr().out)
    assert "objects.parquet" in told
    assert batch("movies", *RED, *HERE) == 0  # nothing else was said
    assert not Path("movies_batch/objects.csv").exists()


def test_a_movie_that_is_split_is_one_result_of_several_units(movies, model, capsys):
    write_colours(movies / "long.tif", num_frames=12)
    flags = ("--window-frames", "5", "--overlap-frames", "2", "--into", "night")
    assert batch("movies/long.tif", *RED, *flags, *HERE) == 0
    assert len(units_of("night")) == 4  # three windows, and what merges them
    assert "Units:   1 done" in capsys.readouterr().out
    assert batch("status", "night") == 0
    assert "1 unit: 1 done." in capsys.readouterr().out
    assert len(tifffile.imread("night/results/long_labels.ome.tif")) == 12
    before = runs_of(model)
    assert batch("movies/long.tif", *RED, *flags, *HERE) == 0
    assert runs_of(model) == before


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["movies"], "sentence"),
        (["nowhere", *RED], "nowhere"),
        (["movies", *RED, "-o", "{nmae}.csv"], "{name}"),
        (["movies", *RED, "-o", "{name}.xyz"], "xyz"),
        (["movies", *RED, "--jobs", "3"], "slurm"),
        (["movies", *RED, "--engine", "slurm", "--jobs", "0"], "jobs"),
        (["movies", *RED, "--model", "sa3va"], "sa3va"),
        (["movies", *RED, "--write-script", "job.sh"], "--engine slurm"),
        (["movies", *RED, "--watch", "--engine", "slurm", "--write-script", "job.sh"], "--watch"),
        (["movies", *RED, "--into", "movies"], "other files"),
        (["movies", *RED, "--engine", "slurm"], "no sbatch on this machine"),
        (["movies", *RED, "--engine", "sge", "--into", "a night"], "cannot stand in the header"),
        (["movies", *RED, "--engine", "sge", "--write-script", "taken.sh"], "is there already"),
        (["movies", *RED, "--into", "taken.sh/night"], "batch folder"),
        (["movies", *RED, "--into", "/proc/night"], "The batch folder /proc/night cannot be made"),
    ],
)
def test_a_bad_request_is_exit_code_2_with_the_reason_and_nothing_is_done(
    movies, model, capsys, monkeypatch, arguments, message
):
    monkeypatch.setenv("PATH", "")  # whatever this machine has
    Path("taken.sh").touch()
    assert batch(*arguments) == 2
    assert message in capsys.readouterr().err
    assert model.calls == []
    assert sorted(path.name for path in Path().iterdir()) == ["movies", "taken.sh"]


def test_all_that_cannot_be_done_is_told_at_once_before_a_unit_begins(movies, model, capsys):
    Path("out").mkdir()
    Path("out/a.csv").write_text("somebody's")
    (movies / "b.tif").unlink()
    Path("two.csv").write_text("path\nmovies/a.tif\nmovies/b.tif\n")
    asked = ("two.csv", *RED, "-o", "../../out/{name}.csv", "--into", "night", *HERE)
    asked = (*asked[:4], str(Path("out/{name}.csv").absolute()), *asked[5:])
    assert batch(*asked) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "2 problems" in said
    assert "is there already" in said
    assert "no file or folder" in said
    assert not Path("night").exists()
    # Those that can be done are, if that is wished.
    assert batch(*asked, "--skip-broken", "--attempts", "1") == 3
    assert batch("night", "--overwrite", *HERE) == 3
    assert Path("out/a.csv").read_text() == "somebody's"


def test_a_batch_is_not_gone_on_with_on_a_disk_without_room_for_what_is_left(movies, model, capsys):
    folder = made_folder(
        Path("night").absolute(),
        made_unit("u1", write_vast(movies.absolute() / "vast.zarr"), sentences=("the cell",)),
    )
    assert batch("night", *HERE) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "will be written" in said
    assert "Nothing was begun: 1 problem (--skip-broken" in said
    assert units_of("night") == {"u1": "waiting"}
    assert model.calls == []
    assert list((folder.path / "runs").iterdir()) == []
