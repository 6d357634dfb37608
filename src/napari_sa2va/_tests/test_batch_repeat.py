"""How a batch is done again: what is written is read back and gives the same units."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from napari_sa2va._tests.finished_batches import add_unit, made_batch
from napari_sa2va._tests.movies import write_movie
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.inputs import rows_of
from napari_sa2va.batch.planning.naming import Naming
from napari_sa2va.batch.planning.plan import plan
from napari_sa2va.batch.planning.sheet import read_sheet
from napari_sa2va.batch.repeat import repeat_of, write_repeat
from napari_sa2va.batch.unit import Output
from napari_sa2va.presets import PRESETS
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings import RunSettings
from napari_sa2va.settings_fields import with_values


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    return made_batch(
        tmp_path / "night",
        command="napari-sa2va batch movies/*.tif -p 'the cell'",
        versions={"python": "3.11.7", "napari-sa2va": "0.2.0", "torch": "2.6.0+cpu"},
        weights={"nano": {"model.safetensors": "0f3c"}},
    )


def test_every_row_of_the_table_opens_the_same_movie_with_the_same_settings(folder) -> None:
    lii = with_values(
        PRESETS["sa2va-lii"], {"model.name": "sa2va-4b", "sampling": "uniform", "tracking.hide_absent": False}
    )  # fmt: skip
    units = [
        add_unit(folder, "0001-a", settings=PRESETS["sa2va-i"]),
        add_unit(
            folder,
            "0002-b",
            movie="the second, with a comma",
            settings=lii,
            arguments=OpenArguments(
                axes="TCYX", z="max", series=2, channels=(0, "GFP"),
                limits=((1.5, 2.0), (3.0, 4.0)), colors=("green", "#ff00ff"), box=(0, 1, 20, 30),
            ),
            annotations={"meta.mouse": "M7"},
        ),
    ]  # fmt: skip
    write_repeat(folder)
    rows = read_sheet(folder.path / "repeat.csv")
    for row, unit in zip(rows, units, strict=True):
        assert (row.path, row.name, row.arguments) == (unit.path, unit.movie, unit.arguments)
        assert row.annotations == unit.annotations
        assert with_values(PRESETS[row.preset], row.values) == folder.settings_of(unit)


def test_sentences_that_all_movies_share_are_in_the_command_and_others_in_the_table(folder) -> None:
    for n in (1, 2):
        add_unit(folder, f"000{n}-a", sentences=("the left cell", "-it's the right one"))
    add_unit(folder, "0003-b", sentences=("the boat", "=the ship"))
    repeat = write_repeat(folder)
    words = shlex.split(repeat.again)
    assert words[:3] == ["napari-sa2va", "batch", str(folder.path / "repeat.csv")]
    assert words[3:6] == ["-p", "the left cell", "--prompt=-it's the right one"]
    sentences = [row.sentences for row in read_sheet(folder.path / "repeat.csv")]
    assert sentences == [None, None, ("the boat", "=the ship")]


def test_it_is_repeated_into_another_folder(folder) -> None:
    add_unit(folder, "0001-a")
    words = shlex.split(repeat_of(folder).again)
    assert words[-2:] == ["--into", f"{folder.path}-again"]


def test_results_have_the_same_formats_again(folder) -> None:
    add_unit(folder, "0001-a")
    assert "-o" not in shlex.split(repeat_of(folder).again)  # the usual one
    results = [
        Output(path="/out/b.coco.json", kind="coco"),
        Output(path="/out/b.csv", kind="table"),
    ]
    add_unit(folder, "0002-b", outputs=results)
    words = shlex.split(repeat_of(folder).again)
    patterns = [words[i + 1] for i, word in enumerate(words) if word == "-o"]
    endings = [pattern.removeprefix("{movie}-{set}_labels") for pattern in patterns]
    assert endings == [".ome.tif", ".json", ".csv"]


@pytest.mark.parametrize(
    "flags",
    [
        ["-o", "{name}/{prompt}.csv", "-o", "{movie}"],
        ["-o", "{movie}", "--format", "ome-zarr"],
        ["--overlay", "mp4"],
        ["--window-frames", "200", "--overlap-frames", "16"],
        ["--tile-px", "512"],
    ],
)
def test_names_and_parts_are_asked_for_as_in_the_command(tmp_path, flags) -> None:
    first, *more = flags
    command = ["napari-sa2va", "batch", "movies", first, *more, "-p", "the cell"]
    folder = made_batch(tmp_path / "night", command=shlex.join(command))
    add_unit(folder, "0001-a")
    words = shlex.split(repeat_of(folder).again)
    assert words[5:-2] == flags
    tied = [*command[:3], f"{first}={more[0]}", *command[5:]] if first != "-o" else command
    folder.change_head(command=shlex.join(tied))
    assert shlex.split(repeat_of(folder).again) == words


def test_names_beside_the_movies_are_those_of_the_first_results_and_are_not_used_again(
    tmp_path,
) -> None:
    command = "napari-sa2va batch movies -o '{folder}/{name}.csv' -p 'the cell'"
    folder = made_batch(tmp_path / "night", command=command)
    add_unit(folder, "0001-a", outputs=[Output(path="/data/a.csv", kind="table")])
    assert shlex.split(repeat_of(folder).again)[5:-2] == ["-o", "{movie}-{set}_labels.csv"]


def test_movies_that_still_grow_are_opened_as_such_again(folder) -> None:
    add_unit(folder, "0001-a", arguments=OpenArguments(growing=True))
    assert "--growing" in shlex.split(repeat_of(folder).again)
    add_unit(folder, "0002-b")
    assert "--growing" not in shlex.split(repeat_of(folder).again)


def test_the_units_of_the_table_are_those_of_the_batch(folder, tmp_path) -> None:
    movies = [write_movie(tmp_path / f"{name}.mp4", 3) for name in "ab"]
    asked = [("the cell", "the boat"), ("the left cell",)]
    naming = Naming.of((), None, tmp_path)
    first = plan(
        rows_of([str(movie) for movie in movies]).rows,
        settings=PRESETS["sa2va-lii"], naming=naming, prompt_sets=asked,
    )  # fmt: skip
    folder.add(first.units.values(), first.settings)
    repeat = write_repeat(folder)
    words = shlex.split(repeat.again)
    common = [words[i + 1] for i, word in enumerate(words) if word == "-p"]
    again = plan(
        rows_of([words[2]]).rows, settings=PRESETS["sa2va-i"], naming=naming, prompt_sets=[common]
    )  # fmt: skip
    keys = [unit.key for unit in first.units.values()]
    assert len(set(keys)) == 4
    assert [unit.key for unit in again.units.values()] == keys


def test_versions_are_those_of_the_batch_without_what_no_package_index_knows(folder) -> None:
    repeat = repeat_of(folder)
    assert repeat.install == "uv pip install --python 3.11.7 napari-sa2va==0.2.0 torch==2.6.0"
    assert repeat.versions["torch"] == "2.6.0+cpu"


def test_programs_read_the_rest_as_json(folder) -> None:
    unit = add_unit(folder, "0001-a")
    write_repeat(folder)
    said = json.loads((folder.path / "repeat.json").read_text(encoding="utf-8"))
    assert said["command"] == "napari-sa2va batch movies/*.tif -p 'the cell'"
    assert said["weights"] == {"nano": {"model.safetensors": "0f3c"}}
    assert said["batch_id"] == folder.head.batch_id
    assert RunSettings.model_validate(said["settings"][unit.settings]) == RunSettings()


def test_a_movie_that_was_split_is_one_row(folder) -> None:
    for n in (0, 1):
        add_unit(folder, f"0001-a-{n}", part={"first_frame": 5 * n, "last_frame": 5 * n + 9})
    add_unit(folder, "0001-a", parts=("0001-a-0", "0001-a-1"))
    assert write_repeat(folder).units == 1
    assert len(read_sheet(folder.path / "repeat.csv")) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        OpenArguments(),
        OpenArguments(time="Z", z=3, limits=(0.1, 4000.0), colors="green", channels=(1,)),
        OpenArguments(series="left eye", growing=True, rgb=False, name="a"),
    ],
)
def test_how_a_movie_is_opened_is_read_back_from_its_texts(arguments) -> None:
    assert OpenArguments.from_texts(arguments.as_texts()) == arguments
