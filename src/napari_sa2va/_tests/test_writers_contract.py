"""What every writer owes, whatever its format is."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import tomllib
import tracemalloc
import weakref
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from napari_sa2va import writers
from napari_sa2va._tests.every_writer import (
    LEFT,
    OTHER,
    RIGHT,
    SMALL,
    content,
    each,
    each_read_back,
    each_writer,
    kind_of,
    observed,
    write,
)
from napari_sa2va._tests.killed_writers import moments
from napari_sa2va._tests.made_results import of_images, of_masks
from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.result import Shown


def test_every_writer_module_is_on_the_list() -> None:
    modules = (m.name for m in pkgutil.iter_modules(writers.__path__))
    loaded = [importlib.import_module(f"napari_sa2va.writers.{name}") for name in modules]
    assert {m for m in loaded if hasattr(m, "FORMAT")} == set(WRITERS)


def test_kinds_and_endings_tell_writers_apart() -> None:
    kinds = [kind_of(w) for w in WRITERS]
    endings = [suffix for w in WRITERS for suffix in w.FORMAT.suffixes]
    assert len(set(kinds)) == len(kinds)
    assert len(set(endings)) == len(endings)
    assert all(e.startswith(".") and e == e.lower() for e in endings)


@each_writer
def test_a_packages_extra_is_one_of_ours(writer: ModuleType) -> None:
    about = writer.FORMAT
    assert bool(about.extra) == bool(about.packages)
    project = Path(__file__).parents[3] / "pyproject.toml"
    if about.extra and project.exists():
        extras = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
        assert about.extra in extras


@each_writer
def test_nothing_is_beside_what_is_written(writer: ModuleType, tmp_path: Path) -> None:
    path = write(writer, tmp_path, of_images(SMALL)).path
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_dir() == writer.FORMAT.is_folder


@each_writer
def test_what_is_there_is_replaced_only_if_told_so(writer: ModuleType, tmp_path: Path) -> None:
    path = write(writer, tmp_path, of_images(SMALL)).path
    old = content(tmp_path)
    with pytest.raises(OutputError, match="is there already"):
        write(writer, tmp_path, of_images(OTHER))
    assert content(tmp_path) == old
    write(writer, tmp_path, of_images(OTHER), overwrite=True)
    assert content(tmp_path) != old
    assert list(tmp_path.iterdir()) == [path]


@each(lambda w: w.FORMAT.is_folder)
def test_files_of_others_stay_in_a_folder_that_is_replaced(
    writer: ModuleType, tmp_path: Path
) -> None:
    path = write(writer, tmp_path, of_images(SMALL)).path
    old = content(path)
    (path / "notes.txt").write_text("mine")
    write(writer, tmp_path, of_images(SMALL[:2]), overwrite=True)
    new = content(path)
    assert new.pop("notes.txt") == b"mine"
    assert len(new) <= len(old)  # no frame of the longer clip is left


@each_writer
@pytest.mark.parametrize("is_there", [False, True])
def test_a_writer_that_fails_halfway_leaves_what_was_there(
    writer: ModuleType, is_there: bool, tmp_path: Path
) -> None:
    if is_there:
        write(writer, tmp_path, of_images(OTHER))
    old = content(tmp_path)

    def fail(f: int) -> None:
        if f == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(writer, tmp_path, observed(of_images(SMALL), fail), overwrite=True)
    assert content(tmp_path) == old
    assert len(list(tmp_path.iterdir())) == is_there


@each_writer
@pytest.mark.parametrize("is_there", [False, True])
def test_what_is_not_to_be_put_in_its_place_leaves_what_was_there(
    writer: ModuleType, is_there: bool, tmp_path: Path
) -> None:
    if is_there:
        write(writer, tmp_path, of_images(OTHER))
    old = content(tmp_path)

    def not_ready() -> None:
        assert content(tmp_path) != old, "asked when all is written"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(writer, tmp_path, of_images(SMALL), overwrite=True, ready=not_ready)
    assert content(tmp_path) == old
    assert len(list(tmp_path.iterdir())) == is_there


@each_writer
def test_frames_are_asked_for_in_turn_and_not_kept(writer: ModuleType, tmp_path: Path) -> None:
    labels = np.concatenate([SMALL] * 4)
    result = of_images(labels)
    asked: list[int] = []
    alive: list[weakref.ref[Shown]] = []
    most = 0

    def frame(f: int) -> Shown:
        nonlocal most
        asked.append(f)
        most = max(most, sum(ref() is not None for ref in alive))
        shown = result.frame(f)
        alive.append(weakref.ref(shown))
        return shown

    write(writer, tmp_path, replace(result, frame=frame))
    turns = 1 + sum(later <= earlier for earlier, later in pairwise(asked))
    assert set(asked) == set(range(len(labels)))
    assert turns <= 2
    assert most <= 1


@each_read_back
def test_memory_does_not_grow_with_the_length_of_the_movie(
    writer: ModuleType, tmp_path: Path
) -> None:
    side = 128
    one = np.zeros((side, side), np.uint16)
    one[20:100, 30:90] = 1

    def peak(num_frames: int) -> int:
        result = of_images(np.broadcast_to(one, (num_frames, side, side)))
        tracemalloc.start()
        write(writer, tmp_path, result, overwrite=True)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)  # imports do not count
    assert peak(60) - peak(10) < 5 * one.nbytes


@each_writer
@pytest.mark.parametrize(("overlap", "kept"), [("last", "later"), ("first", "earlier")])
def test_an_overlap_is_told_of_where_it_is_lost(
    writer: ModuleType, overlap: str, kept: str, tmp_path: Path
) -> None:
    result = of_masks({1: LEFT, 2: RIGHT}, overlap=overlap)
    told = write(writer, tmp_path, result).warnings
    about = [text for text in told if "overlap" in text]
    if writer.FORMAT.overlaps:
        assert about == []
    else:
        assert len(about) == 1
        assert about[0].startswith("Objects overlap on 2 frame(s), from frame 1 on")
        assert f"the {kept} one was kept" in about[0]


@each_writer
def test_no_overlap_is_told_of_where_there_is_none(writer: ModuleType, tmp_path: Path) -> None:
    apart = of_masks({1: LEFT, 2: RIGHT & ~LEFT})
    told = write(writer, tmp_path, apart).warnings
    assert not any("overlap" in text for text in told)


@each_writer
def test_parents_and_a_crop_are_told_of_where_they_are_lost(
    writer: ModuleType, tmp_path: Path
) -> None:
    result = of_images(SMALL, parents={2: [1]})
    clip = result.clip.crop(0, 0, 6, 8)  # all of it, but that is not what is asked
    told = write(writer, tmp_path, replace(result, clip=clip)).warnings
    assert any("divided or merged" in text for text in told) != writer.FORMAT.parents
    assert any("rows 0 to 5" in text for text in told) != (
        writer.FORMAT.place or writer.FORMAT.shows_movie
    )


NAMES = {
    1: "../../x",
    2: "CON",
    3: 'a/b\\c:d*?"<>|',
    4: "\x00\x1b\n\ud800",
    5: "Zelle \u00b5 \U0001f9ec",
    6: "",
}


@each_writer
@pytest.mark.parametrize("clip_name", ["../../x", "CON", "a/b", "\x00\n\u00b5", ""])
def test_a_name_leads_nowhere_else(writer: ModuleType, clip_name: str, tmp_path: Path) -> None:
    labels = np.arange(2 * 4 * 6).reshape(2, 4, 6) % 7
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write(writer, inner, of_images(labels, names=NAMES, name=clip_name)).path
    assert list(tmp_path.iterdir()) == [inner]
    assert list(inner.iterdir()) == [path]
    assert not any(".." in name or "CON" in name for name in content(inner))


@each_writer
def test_an_object_hidden_by_another_does_no_harm(writer: ModuleType, tmp_path: Path) -> None:
    write(writer, tmp_path, of_masks({1: RIGHT, 2: RIGHT | LEFT}))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders by kind and moment, in which a process that replaced OTHER with SMALL was killed."""
    root = tmp_path_factory.mktemp("killed")
    module = "napari_sa2va._tests.killed_writers"
    subprocess.run([sys.executable, "-m", module, str(root)], check=True, timeout=300)
    return root


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize(
    ("writer", "moment"),
    [(writer, moment) for writer in WRITERS for moment in moments(writer.FORMAT)],
    ids=lambda value: value if isinstance(value, str) else kind_of(value),
)
def test_a_killed_process_leaves_what_was_there(
    writer: ModuleType, moment: str, killed: Path
) -> None:
    folder = killed / kind_of(writer) / moment
    before = content(folder.with_name(f"{moment}-before"))
    if moment == "rename-2":
        # Between two renames the old folder bears another name; who writes next puts that right.
        with pytest.raises(ZeroDivisionError):
            write(writer, folder, observed(of_images(SMALL), lambda f: 1 // 0), overwrite=True)
    # What a process could not clear away any more begins with a point.
    now = {name: data for name, data in content(folder).items() if not name.startswith(".")}
    assert now == before
