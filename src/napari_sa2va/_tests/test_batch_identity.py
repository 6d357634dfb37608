from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_sa2va._tests.ngff_labels import labelled
from napari_sa2va._tests.ngff_stores import write_ngff
from napari_sa2va.batch.planning.identity import (
    ABSENT,
    content_at,
    content_key,
    identity_of,
    weights_of,
)
from napari_sa2va.batch.unit import Part
from napari_sa2va.presets import preset
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings import RunSettings
from napari_sa2va.settings_fields import settings_fields, with_values
from napari_sa2va.writers.write import write_result

MOVIE = np.arange(2 * 16 * 16, dtype=np.uint8).reshape(2, 16, 16)


def set_time(path: Path, seconds: int) -> None:
    os.utime(path, ns=(seconds * 10**9, seconds * 10**9))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one of them deeper."""
    made = tmp_path / "frames"
    (made / "deep").mkdir(parents=True)
    for number, name in enumerate(["0.png", "1.png", "deep/2.png"]):
        (made / name).write_bytes(b"x" * (number + 1))
        set_time(made / name, 1000 + number)
    return made


def test_a_file_is_another_one_when_its_size_or_its_time_changes(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(b"abc")
    set_time(file, 1000)
    first = identity_of(str(file))
    assert content_at(str(file)).num_bytes == 3
    file.write_bytes(b"abd")
    assert identity_of(str(file)) != first
    set_time(file, 1000)
    assert identity_of(str(file)) == first
    file.write_bytes(b"abcd")
    set_time(file, 1000)
    assert identity_of(str(file)) != first


def test_a_folder_is_the_same_wherever_it_is_and_whatever_hidden_files_are_in_it(
    folder: Path, tmp_path: Path
) -> None:
    first = content_at(str(folder))
    assert first.num_bytes == 6
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "Thumbs.db").write_bytes(b"x")
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)  # with the times of all files
    assert content_at(str(folder)) == content_at(str(moved)) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda f: (f / "deep" / "2.png").write_bytes(b"yyyy"),
        lambda f: set_time(f / "deep" / "2.png", 5),
        lambda f: (f / "3.png").write_bytes(b"z"),
        lambda f: (f / "0.png").unlink(),
        lambda f: (f / "0.png").rename(f / "00.png"),
        lambda f: (f / "0.png").rename(f / "deep" / "0.png"),
    ],
    ids=["size", "time", "more", "fewer", "renamed", "moved"],
)
def test_a_folder_is_another_one_when_any_file_in_it_changes(folder: Path, change) -> None:
    first = identity_of(str(folder))
    change(folder)
    assert identity_of(str(folder)) != first


def test_a_pattern_stands_for_the_files_that_it_names(folder: Path) -> None:
    first = content_at(str(folder / "*.png"))
    assert first.num_bytes == 3
    (folder / "deep" / "2.png").unlink()
    assert content_at(str(folder / "*.png")) == first
    (folder / "1.png").unlink()
    assert content_at(str(folder / "*.png")) != first


def test_what_is_not_there_and_addresses_have_an_identity_too(tmp_path: Path) -> None:
    assert identity_of(str(tmp_path / "gone.tif")) == ABSENT
    assert identity_of(str(tmp_path / "gone" / "*.png")) == ABSENT
    a, b = (identity_of(f"https://server/{name}.zarr") for name in "ab")
    assert a != b


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_that_are_written_into_an_image_leave_it_what_it_was(
    version: str, tmp_path: Path
) -> None:
    store = write_ngff(tmp_path / "a.ome.zarr", MOVIE, version=version)
    zarr.consolidate_metadata(str(store))
    first = content_at(str(store))
    write_result(store / "labels" / "cells", labelled(store, np.minimum(MOVIE, 1)), "ome-zarr")
    assert (store / "labels" / "cells").is_dir()
    assert content_at(str(store)) == first
    _, pixels = next(zarr.open_group(str(store), mode="a").arrays())
    pixels[0, 0, 0] = 77
    assert identity_of(str(store)) != first.identity


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_other_metadata_make_another_image(version: str, tmp_path: Path) -> None:
    store = write_ngff(tmp_path / "a.ome.zarr", MOVIE, version=version)
    first = identity_of(str(store))
    zarr.open_group(str(store), mode="a").attrs["note"] = "x"
    assert identity_of(str(store)) != first


def test_a_folder_called_labels_that_is_no_group_of_an_image_counts(folder: Path) -> None:
    first = identity_of(str(folder))
    (folder / "labels").mkdir()
    (folder / "labels" / "0.png").write_bytes(b"x")
    assert identity_of(str(folder)) != first


def key(**changed) -> str:
    asked = {
        "identity": "file 3 1000",
        "arguments": OpenArguments(channels=(0, 1)),
        "sentences": ("the cell", "its nucleus"),
        "settings": preset("sa2va-i"),
        "weights": {"model.safetensors": "ab"},
    }
    return content_key(**(asked | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"identity": "file 3 1001"},
        {"arguments": OpenArguments(channels=(1, 0))},
        {"arguments": OpenArguments(channels=(0, 1), series=0)},
        {"sentences": ("its nucleus", "the cell")},
        {"settings": preset("sa2va")},
        {"weights": {"model.safetensors": "ac"}},
        {"weights": {"model.safetensors": "ab", "decoder.safetensors": "ab"}},
        {"part": Part(first_frame=0, last_frame=9)},
        {"part": Part(first_frame=0, last_frame=9, box=(0, 0, 4, 4))},
    ],
)
def test_what_masks_depend_on_changes_the_key(changed) -> None:
    assert key(**changed) != key()


def test_what_masks_do_not_depend_on_leaves_the_key(tmp_path: Path) -> None:
    assert key(arguments=OpenArguments(channels=(0, 1), name="first mouse")) == key()
    settings = preset("sa2va-i").model_copy(update={"preset": "mine"})
    assert key(settings=settings) == key()


NOT_IN_KEY = {
    "model.name", "model.device", "model.sam2_decoder", "memory.pictures_at_once",
    "memory.objects_at_once", "memory.offload_language", "memory.offload_frames",
    "memory.step_down",
}  # fmt: skip
_OTHER = {int: 7, float: 0.5, str: "other"}


@pytest.mark.parametrize("field", settings_fields(), ids=lambda field: field.name)
def test_every_setting_is_in_the_key_but_where_it_runs_and_how_it_spends_memory(field) -> None:
    rules = {"sampling": "interval", "tracking.propagation": "range"}
    if field.owners:  # with a rule that has it
        rule = field.path.rpartition(".")[0]
        usual = with_values(RunSettings(), {rule: field.owners[-1]} | (
            {"sampling.frames": (0,)} if field.owners[-1] == "manual" else {}))  # fmt: skip
    else:
        usual = RunSettings()
    value = usual
    for name in field.path.split("."):
        value = getattr(value, name)
    if field.path in rules:
        other = rules[field.path]
    elif isinstance(value, bool):
        other = not value
    elif field.choices:
        other = next(c for c in field.choices if c != value)
    else:
        other = (1,) if isinstance(value, tuple) else _OTHER[type(value)]
    changed = with_values(usual, {field.path: other})
    assert changed != usual
    assert (key(settings=changed) == key(settings=usual)) == (field.path in NOT_IN_KEY)


def test_without_weights_the_name_of_the_model_counts() -> None:
    other = with_values(RunSettings(), {"model.name": "other"})
    assert key(settings=other, weights={}) != key(settings=RunSettings(), weights={})


def test_a_key_is_the_same_in_another_process_and_after_json() -> None:
    again = RunSettings.model_validate_json(
        json.dumps(
            dict(reversed(json.loads(preset("sa2va-i").model_dump_json()).items()))
        )
    )  # fmt: skip
    assert key(settings=again) == key()
    code = (
        "from napari_sa2va._tests.test_batch_identity import key\n"
        "print(key(weights=dict([('b', '1'), ('a', '2')])))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {key(weights={"a": "2", "b": "1"})}


def test_weights_are_those_of_the_model_and_of_the_decoder_that_it_borrows(tmp_path: Path) -> None:
    nano = weights_of(RunSettings().model)
    assert len(nano) == 1
    decoder = tmp_path / "sam2.safetensors"
    decoder.write_bytes(b"x")
    borrowed = with_values(RunSettings(), {"model.sam2_decoder": str(decoder)}).model
    assert set(weights_of(borrowed)) == {*nano, "sam2.safetensors"}
    absent = with_values(RunSettings(), {"model.name": "sa2va-i-26b"}).model
    assert weights_of(absent) == {}
