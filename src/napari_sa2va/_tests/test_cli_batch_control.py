"""Dry runs, and what else can be asked of a batch: status, pause, retry, report, a script."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.batch_hands import light_batch
from napari_sa2va._tests.finished_batches import add_unit, end, made_batch
from napari_sa2va._tests.typed_batches import (
    HERE,
    RED,
    batch,
    runs_of,
    units_of,
    write_broken,
)  # fmt: skip
from napari_sa2va.batch.conduct import Look
from napari_sa2va.batch.engines.local import gpus
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.standing import Standing
from napari_sa2va.cli.batch.names import units_named
from napari_sa2va.cli.batch.progress import BatchProgress

# A dry run


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(movies, model, capsys):
    assert batch("movies", *RED, "--dry-run") == 0
    assert sorted(p.name for p in Path().iterdir()) == ["movies"]
    assert model.calls == []
    printed = capsys.readouterr().out
    for words in ("2 units.", "Time: about", "to load the model", "Memory: at most", "Disk: about",
                  "No problems.", "0001-a", "16 × 20", "results/a_labels.ome.tif"):  # fmt: skip
        assert words in printed, words


def test_a_dry_run_finds_every_movie_that_cannot_be_done_and_leaves_with_2(movies, model, capsys):
    write_broken(movies / "c.tif")
    with tifffile.TiffWriter(movies / "d.ome.tif", ome=True) as file:
        for _ in range(2):
            file.write(np.eye(16, dtype=np.uint8)[None].repeat(3, 0), metadata={"axes": "TYX"})
    assert batch("movies", *RED, "--dry-run") == 2
    printed = " ".join(capsys.readouterr().out.split())
    assert "c.tif holds no series" in printed
    assert "d.ome.tif holds 2 series" in printed
    assert "These units will fail, and all others will be done" in printed
    assert "2 problems" in printed
    assert "--skip-broken" not in printed


def test_a_dry_run_tells_what_keeps_the_batch_from_beginning_from_movies_that_fail_alone(
    movies, model, capsys
):
    write_broken(movies / "c.tif")
    (movies / "a.tif").unlink()
    Path("mice.csv").write_text("path\n" + "".join(f"movies/{n}.tif\n" for n in "abc"))
    assert batch("mice.csv", *RED, "--dry-run") == 2
    begins, fails = capsys.readouterr().out.partition("These units will fail")[::2]
    assert "There is no file or folder" in begins.partition("Nothing will begin")[2]
    assert "c.tif holds no series" in fails
    assert "There is no file or folder" not in fails
    assert "2 problems. With --skip-broken" in fails
    batch("mice.csv", *RED, "--dry-run", "--json")
    said = json.loads(capsys.readouterr().out)["problems"]
    assert [(p["units"], p["fails_alone"]) for p in said] == [
        (["0001-a"], False),
        (["0003-c"], True),
    ]
    # So it is without --dry-run, too.
    assert batch("mice.csv", *RED, *HERE) == 2
    assert batch("mice.csv", *RED, *HERE, "--skip-broken") == 3


def test_a_dry_run_for_other_programs_has_units_problems_and_sums(movies, model, capsys):
    assert batch("movies", *RED, "--dry-run", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["problems"] == []
    assert said["left"]["num_left"] == 2
    assert [u["facts"]["num_frames"] for u in said["units"]] == [4, 4]
    assert said["free_bytes"] > said["left"]["disk_bytes"] > 0
    left = said["left"]
    assert left["load_s"] > 0
    assert left["workers"] == max(len(gpus()), 1)
    assert left["seconds_with_them"] == pytest.approx(
        left["load_s"] + max(left["seconds"] / left["workers"], left["longest_s"])
    )


def test_a_dry_run_of_a_batch_knows_what_is_done(movies, model, capsys):
    assert batch("movies/a.tif", *RED, "--into", "night", *HERE) == 0
    capsys.readouterr()
    assert batch("movies", *RED, "--into", "night", "--dry-run", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["left"]["num_units"], said["left"]["num_left"]) == (2, 1)
    assert batch("night", "--dry-run") == 0
    assert "1 unit, 1 finished already." in capsys.readouterr().out


# Progress


def test_a_unit_that_ends_is_told_with_how_many_are_at_their_ends_by_then(tmp_path, capsys):
    folder = light_batch(tmp_path / "night", ["sleep 0"] * 3)
    at_ends = [Standing(f"{n:04d}", "done") for n in range(2)]
    again = Standing("0002", "waiting", attempts=1, generation=1)
    everything = {s.unit_id: s for s in [*at_ends, again]}
    with BatchProgress(folder) as progress:
        progress.show(Look(everything, (at_ends[0], again, at_ends[1]), workers=1))
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("(")[2] for line in lines] == ["1 of 3)", "1 of 3)", "2 of 3)"]


def test_whoever_looks_on_is_told_once_that_somebody_has_paused_the_batch(tmp_path, capsys):
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    look = Look(folder.standings(), (), workers=1)
    with BatchProgress(folder) as progress:
        for change in (folder.pause, folder.resume, folder.cancel):
            progress.show(look)
            change()
            progress.show(look)
            progress.show(look)
    assert capsys.readouterr().err.splitlines() == [
        f"It is paused. Go on with it: napari-sa2va batch resume {folder.path}",
        "It goes on.",
        f"It is cancelled. Go on with it: napari-sa2va batch {folder.path}",
    ]


def test_of_a_unit_that_was_stopped_status_tells_how_far_it_came(tmp_path, capsys):
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    (unit,) = folder.units().values()
    held = folder.runs.take("0000", 1, claim_here("w", key=unit.key))
    held.finish(Outcome(unit_id="0000", generation=1, state="stopped", key=unit.key, frames=17))
    folder.pause()
    assert batch("status", folder.path) == 0
    printed = capsys.readouterr().out
    assert "waiting  0000  17 frames so far" in printed
    assert "It is paused" in printed


def test_status_tells_that_outputs_do_not_have_all_of_the_masks(tmp_path, capsys):
    folder = made_batch(tmp_path / "night")
    end(folder, add_unit(folder, "0001-a"), overlap_frames=3)
    end(folder, add_unit(folder, "0002-b"))
    batch("status", folder.path)
    assert "In 1 of 2 units masks cover each other" in capsys.readouterr().out


def test_status_tells_that_workers_rest_after_what_may_pass(tmp_path, capsys):
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    (unit,) = folder.units().values()
    held = folder.runs.take("0000", 1, claim_here("w", key=unit.key))
    away = {"state": "failed", "cause": "The drive is away.", "passing": True}
    held.finish(
        Outcome.model_validate({"unit_id": "0000", "generation": 1, "key": unit.key} | away)
    )
    for is_tended in (True, False):
        with folder.tending() if is_tended else nullcontext():
            batch("status", folder.path)
        assert ("Workers rest" in capsys.readouterr().out) == is_tended


def test_status_tells_that_somebody_watches(tmp_path, capsys):
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    for is_watched in (True, False):
        with folder.watching() if is_watched else nullcontext():
            batch("status", folder.path)
        assert ("More movies may come" in capsys.readouterr().out) == is_watched


# Going on, and what else is asked of a batch


def test_a_batch_is_gone_on_with_by_its_folder_alone_and_its_units_are_not_asked_for_anew(
    movies, model, capsys
):
    assert batch("movies", *RED, *HERE) == 0
    assert batch("retry", "movies_batch", "*-a") == 0
    assert "0001-a" in capsys.readouterr().out
    before = runs_of(model)
    assert batch("movies_batch", *RED, *HERE) == 2
    assert "--into movies_batch" in capsys.readouterr().err
    assert batch("movies_batch", *HERE, "--attempts", "5") == 0
    assert BatchFolder.open("movies_batch").head.attempts == 5
    assert set(units_of().values()) == {"done"}
    assert runs_of(model) == before + 1


def test_units_that_failed_are_tried_again_when_somebody_says_so(movies, model, capsys):
    write_broken(movies / "c.tif")
    assert batch("movies", *RED, *HERE) == 3
    assert batch("movies_batch", *HERE) == 3
    assert batch("retry", "movies_batch") == 0
    assert "1 unit will be done again: 0003-c" in capsys.readouterr().out
    assert units_of()["0003-c"] == "waiting"
    assert batch("retry", "movies_batch", "nobody") == 2
    assert "movies_batch --units" in capsys.readouterr().err


def test_status_tells_counts_causes_and_what_to_do_and_everything_as_json(movies, model, capsys):
    write_broken(movies / "c.tif")
    assert batch("movies", *RED, *HERE) == 3
    batch("retry", "movies_batch")
    capsys.readouterr()
    assert batch("status", "movies_batch", "--units") == 0
    printed = capsys.readouterr().out
    assert "3 units: 2 done, 1 waiting." in printed
    assert "Nobody works on it now" in printed
    assert "done     0001-a  4 frames, 1 of 1 objects" in printed
    assert batch("status", "movies_batch", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["counts"]["done"] == 2
    assert said["units"][2]["state"] == "waiting"
    assert said["units"][0]["outcome"]["frames"] == 4
    assert batch("status", "movies") == 2
    assert "is no batch folder" in capsys.readouterr().err


def test_a_line_to_be_pasted_is_quoted_for_the_shell(tmp_path, capsys):
    folder = light_batch(tmp_path / "of ten years" / "night 1", ["sleep 0"]).path
    for words in ([], ["pause"], ["retry"]):
        batch(*(words or ["status"]), str(folder))
    pasted = [line for line in capsys.readouterr().out.splitlines() if "napari-sa2va" in line]
    for line in pasted:
        assert str(folder) in shlex.split(line.rpartition("napari-sa2va")[2]), line
    assert len(pasted) > 1


def test_following_a_batch_that_has_ended_tells_its_exit_code(movies, model, capsys):
    write_broken(movies / "c.tif")
    batch("movies", *RED, *HERE)
    assert batch("status", "movies_batch", "--follow") == 3


def test_pause_resume_and_cancel_leave_their_marks_and_going_on_takes_them_back(
    movies, model, capsys
):
    batch("movies", *RED, *HERE)
    folder = BatchFolder.open("movies_batch")
    assert batch("pause", "movies_batch") == 0
    assert folder.is_paused
    assert batch("resume", "movies_batch") == 0
    assert not folder.is_paused
    assert batch("cancel", "movies_batch") == 0
    assert folder.is_cancelled
    batch("retry", "movies_batch", "*")
    capsys.readouterr()
    batch("status", "movies_batch")
    assert "It is cancelled" in capsys.readouterr().out
    assert batch("movies_batch", *HERE) == 0
    assert not folder.is_cancelled


def test_a_worker_for_a_cancelled_batch_is_refused_until_the_cancel_is_taken_back(
    movies, model, capsys
):
    batch("movies", *RED, *HERE)
    batch("retry", "movies_batch", "b")
    batch("cancel", "movies_batch")
    assert batch("work", "movies_batch") == 2
    assert "batch resume movies_batch" in capsys.readouterr().err
    assert batch("resume", "movies_batch") == 0
    assert "cancel is taken back" in capsys.readouterr().out
    assert batch("work", "movies_batch") == 0
    assert set(units_of().values()) == {"done"}


def test_units_are_named_by_their_movies_as_well_and_by_patterns_of_either(movies, model, capsys):
    batch("movies", *RED, *HERE)
    for names, meant in {
        ("a",): ["0001-a"],
        ("b", "0001*"): ["0002-b", "0001-a"],
        ("[ab]",): ["0001-a", "0002-b"],
    }.items():
        assert units_named(BatchFolder.open("movies_batch"), names) == meant
    assert batch("retry", "movies_batch", "a") == 0
    assert "1 unit will be done again: 0001-a." in capsys.readouterr().out


def test_what_went_wrong_is_no_problem_any_more_when_it_is_to_be_done_again(movies, model, capsys):
    write_broken(movies / "c.tif")
    batch("movies", *RED, *HERE)
    capsys.readouterr()
    batch("status", "movies_batch")
    assert "c.tif holds no series" in capsys.readouterr().out
    batch("retry", "movies_batch")
    capsys.readouterr()
    batch("status", "movies_batch", "--units")
    printed = capsys.readouterr().out
    assert "waiting  0003-c" in printed
    assert "c.tif holds no series" not in printed


def test_the_accounts_are_written_again_when_they_are_asked_for(movies, model, capsys):
    batch("movies", *RED, *HERE)
    Path("movies_batch/report.html").unlink()
    assert batch("report", "movies_batch") == 0
    assert Path("movies_batch/report.html").exists()


def test_an_array_job_is_written_and_nothing_begun(movies, model, capsys):
    slurm = ("--engine", "slurm", "--jobs", "4", "--queue", "gpu", "--write-script", "job.sh")
    assert batch("movies", *RED, *slurm) == 0
    script = Path("job.sh").read_text()
    assert "#SBATCH --array=1-4" in script
    assert f"batch work {Path('movies_batch').absolute()}" in script
    assert os.access("job.sh", os.X_OK)
    assert set(units_of().values()) == {"waiting"}
    assert batch("movies", *RED, *slurm) == 2
    assert "is there already" in capsys.readouterr().err


def test_what_is_said_below_warnings_goes_into_the_log_if_that_is_asked_for(movies, model):
    write_broken(movies / "c.tif")
    batch("movies", *RED, "--log-level", "debug", *HERE)
    log = Path("movies_batch/log.txt").read_text()
    assert len([line for line in log.splitlines() if "  done  4 frames" in line]) == 2
    assert BatchFolder.open("movies_batch").head.log_level == "debug"


@pytest.mark.parametrize("asked", [["--help"], ["movies", "-r", "--help"]])
def test_the_help_shows_the_run_its_commands_and_all_flags_by_what_they_are_about(capsys, asked):
    assert batch(*asked) == 0
    printed = capsys.readouterr().out
    for words in ("Commands:", "status ", "The work:", "--dry-run", "The workers:", "--engine",
                  "--walltime", "The units:", "--prompts", "--window-frames", "--num-key-frames",
                  "Exit codes"):  # fmt: skip
        assert words in printed, words
