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
                growing=True, rgb=False, name="the second",
            ),
            annotations={"meta.mouse": "M7"},
        ),
    ]  # fmt: skip
    write_repeat(folder)
    rows = read_sheet(folder.path / "repeat.csv")
    for row, unit in zip(rows, units, strict=True):
        arguments = row.arguments.model_copy(update={"name": row.name or None})
        assert (row.path, row.label, arguments) == (unit.path, unit.movie, unit.arguments)
        assert row.annotations == unit.annotations
        assert with_values(PRESETS[row.preset], row.values) == folder.settings_of(unit)


def test_sentences_that_all_movies_share_are_in_the_command_and_others_in_the_table(folder) -> None:
    for n in (1, 2):
        add_unit(folder, f"000{n}-a", sentences=("the left cell", "-it's the right one"))
    add_unit(folder, "0003-b", sentences=("the boat", "=the ship"))
    barred = ("the blue|red cell", "|a\\|b|", "\\")
    add_unit(folder, "0004-c", sentences=barred)
    repeat = write_repeat(folder)
    words = shlex.split(repeat.again)
    assert words[:3] == ["napari-sa2va", "batch", str(folder.path / "repeat.csv")]
    assert words[3:6] == ["-p", "the left cell", "--prompt=-it's the right one"]
    sentences = [row.sentences for row in read_sheet(folder.path / "repeat.csv")]
    assert sentences == [None, None, ("the boat", "=the ship"), barred]


def test_it_is_repeated_into_another_folder(folder) -> None:
    add_unit(folder, "0001-a")
    words = shlex.split(repeat_of(folder).again)
    assert words[-2:] == ["--into", f"{folder.path}-again"]


def test_each_movie_gets_the_files_that_it_had_under_their_names(folder) -> None:
    names = [
        ["results/a.csv"],
        ["results/b {set}-labels.ome.tif", "masks/b|1.coco.json"],
        ["results/~c", "results/c_overlay.png"],
    ]
    kinds = [["table"], ["ome-tiff", "coco"], ["davis", "overlay-sheet"]]
    for i in range(3):
        outputs = [
            Output(path=str(folder.path / name), kind=kind)
            for name, kind in zip(names[i], kinds[i], strict=True)
        ]
        add_unit(folder, f"000{i}-m", movie=f"m{i}", outputs=outputs)
    words = shlex.split(write_repeat(folder).again)
    assert not {"-o", "--format"} & set(words)
    rows = read_sheet(folder.path / "repeat.csv")
    naming = Naming.of((), None, Path("/night-again/results"))
    for i, row in enumerate(rows):
        outputs = naming.outputs({}, row.outputs, row.kind)
        assert [o.path for o in outputs] == [f"/night-again/{name}" for name in names[i]]
        assert [o.kind for o in outputs] == kinds[i]


def test_results_that_lay_elsewhere_get_the_usual_names_once_for_each_format(folder) -> None:
    outputs = [
        Output(path="/data/b.coco.json", kind="coco"),
        Output(path="/data/more/b.json", kind="coco"),
        Output(path="/data/b.zarr/labels/cell", kind="ome-zarr"),
        Output(path="/data/b", kind="ctc"),
        Output(path="/data/b.csv", kind="table"),
        Output(path=str(folder.results / "b_labels.csv"), kind="table"),
    ]
    add_unit(folder, "0001-b", outputs=outputs)
    write_repeat(folder)
    (row,) = read_sheet(folder.path / "repeat.csv")
    usual = "{movie}-{set}_labels"
    assert row.outputs == (f"{usual}.json", f"{usual}.ome.zarr", usual, "b_labels.csv")
    assert row.kind == "ctc"


@pytest.mark.parametrize(
    "flags", [["--window-frames", "200", "--overlap-frames", "16"], ["--tile-px", "512"]]
)
def test_parts_are_asked_for_as_in_the_command(tmp_path, flags) -> None:
    first, *more = flags
    command = ["napari-sa2va", "batch", "movies", "-o", "{name}.csv", first, *more]
    folder = made_batch(tmp_path / "night", command=shlex.join(command))
    add_unit(folder, "0001-a")
    words = shlex.split(repeat_of(folder).again)
    assert words[5:-2] == flags
    folder.change_head(command=shlex.join([*command[:5], f"{first}={more[0]}", *more[1:]]))
    assert shlex.split(repeat_of(folder).again) == words


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


def test_who_came_first_is_called_the_same_again_and_its_file_has_no_longer_name(
    folder, tmp_path
) -> None:
    asked = {"settings": RunSettings(), "prompt_sets": [["the cell"]]}
    naming = Naming.of(("{name}-{number}.csv",), None, folder.results)
    for day in ("day1", "day2"):
        (tmp_path / day).mkdir()
        rows = rows_of([str(write_movie(tmp_path / day / "a.mp4", 3))]).rows
        made = plan(rows, naming=naming, known=folder.units().values(), **asked)
        folder.add(made.units.values(), made.settings)
    write_repeat(folder)
    rows = rows_of([str(folder.path / "repeat.csv")]).rows
    again = plan(rows, naming=Naming.of((), None, folder.results), **asked).units
    assert [unit.movie for unit in again.values()] == ["a", "day2-a"]
    assert list(again.values()) == list(folder.units().values())


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
