"""The movie of a project: it is found again, and looks as it did; or its pixels are kept."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.made_projects import (
    NUM_FRAMES,
    PICTURES,
    corner,
    entry_of,
    grey_stack,
    looks,
    movie_in,
    saved_beside,
    work_on,
    write,
)
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.core.errors import ClipError
from napari_sa2va.project import Project
from napari_sa2va.project.find_clip import find_footage
from napari_sa2va.project.folder import open_project, save
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.readers.open import open_clip, read_recording


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return movie_in(tmp_path)


@pytest.fixture
def project(movie: Path) -> Project:
    return work_on(open_clip(movie))


@pytest.fixture
def saved(project: Project, movie: Path) -> Path:
    return saved_beside(project, movie)


def test_the_movie_is_found_where_it_was_and_where_it_is_seen_from_the_project(project, movie):
    path = movie.parent / "work" / "cells.sa2va"
    path.parent.mkdir()
    save(project, path)
    entry = entry_of(path)
    assert entry.path == str(movie)
    assert entry.relative_path == "../../movie.tif"
    assert entry.arguments[0].as_keywords() == {}
    assert entry.fingerprints[0].startswith("clip1-")
    moved = movie.parent.parent / "elsewhere"
    movie.parent.rename(moved)
    again = open_project(moved / "work" / "cells.sa2va")
    assert again.clip.source == str(moved / "movie.tif")
    assert looks(again.clip) == looks(open_clip(moved / "movie.tif"))


@pytest.mark.parametrize("place", ["cells.sa2va/movie.tif", "deep/er/movie.tif", "m.tif"])
def test_a_movie_that_was_moved_is_found_beside_and_below_the_project(saved, movie, place):
    target = saved.parent / place
    target.parent.mkdir(parents=True, exist_ok=True)
    movie.rename(target)
    footage = find_footage(saved)
    assert footage.first.source == str(target)
    assert looks(footage.first) == looks(open_clip(target))


def test_a_movie_is_found_in_a_folder_that_is_named_also_under_another_name(saved, movie, tmp_path):
    far = tmp_path / "far" / "below"
    far.mkdir(parents=True)
    shutil.move(saved, tmp_path / "alone")
    movie.rename(far / "renamed.tif")
    alone = (tmp_path / "alone").rename(tmp_path / "home" / "cells")
    with pytest.raises(ClipError) as caught:
        find_footage(alone)
    assert str(movie) in caught.value.message
    assert "is not there" in caught.value.message
    assert "--input" in caught.value.hint
    assert find_footage(alone, look_in=[tmp_path / "far"]).first.source.endswith("renamed.tif")
    assert find_footage(alone, video=far / "renamed.tif").first.num_frames == NUM_FRAMES


def test_another_movie_of_that_name_is_not_taken(saved, movie):
    other = PICTURES.copy()
    other[0, 0, 0] = 7
    tifffile.imwrite(movie, other, photometric="rgb", metadata={"axes": "TYXS"})
    with pytest.raises(ClipError, match=r"movie\.tif \(holds other pixels\)"):
        find_footage(saved)
    with pytest.raises(ClipError, match="holds other pixels"):
        find_footage(saved, video=movie)
    movie.write_bytes(b"II*\0")
    with pytest.raises(ClipError, match="cannot be read"):
        find_footage(saved)
    again = open_project(saved)
    assert again.footage is None
    assert again.state.masklet(1).frames_present


def test_a_project_that_is_saved_without_its_movie_still_knows_it(saved, movie, tmp_path):
    movie.rename(tmp_path / "movie.tif")
    again = open_project(saved)
    assert again.footage is None
    again.do(Rename(object_id=1, name="later"))
    save(again, saved)
    (tmp_path / "home" / "new").mkdir()
    save(again, tmp_path / "home" / "new" / "copy.sa2va")
    (tmp_path / "movie.tif").rename(movie)
    assert open_project(saved).footage is not None
    assert entry_of(tmp_path / "home" / "new" / "copy.sa2va").relative_path == "../../movie.tif"
    assert open_project(tmp_path / "home" / "new" / "copy.sa2va").footage is not None


@pytest.mark.parametrize("error", [ClipError("The file ends."), OSError(5, "Input/output error")])
@pytest.mark.parametrize("was_saved", [True, False])
def test_masks_are_saved_also_while_the_movie_cannot_be_read(
    project, movie, monkeypatch, error, was_saved
):
    path = movie.parent / "cells.sa2va"
    if was_saved:
        save(project, path)
    project.do(Rename(object_id=1, name="later"))
    movie.rename(movie.parent / "away")

    def frame(self, t):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Clip, "frame", frame)
        (note,) = save(project, path).notes
    assert "could not be read" in note
    assert "Save again" in note
    assert picture_of(open_project(path).state) == picture_of(project.state)
    (movie.parent / "away").rename(movie)
    assert (open_project(path).footage is not None) == was_saved
    assert save(project, path).notes == ()
    assert open_project(path).footage is not None


@pytest.mark.parametrize("asked", [
    {"axes": "TZYX", "z": 2}, {"axes": "TZYX", "z": "max"}, {"axes": "TZYX", "z": 1, "limits": (5, 900)},
    {"axes": "TCYX", "channels": [2, 0]}, {"axes": "TCYX", "channels": [1], "colors": ["magenta"]},
    {"axes": "ZTYX", "z": 0, "box": (2, 3, 12, 19)},
    {"axes": "TCYX", "colors": ["red", "#00ff80", "blue"], "limits": [(0, 9), (1, 3000), (7, 4000)]},
])  # fmt: skip
def test_a_clip_is_opened_with_the_choices_that_it_was_opened_with(tmp_path, asked):
    write(tmp_path / "m.tif", grey_stack(shape=(3, 3, 16, 20)))
    clip = open_clip(tmp_path / "m.tif", **asked)
    save(Project.of(clip), tmp_path / "p")
    again = open_project(tmp_path / "p").clip
    assert looks(again) == looks(clip)
    assert again.describe() == clip.describe()
    keywords = entry_of(tmp_path / "p").arguments[0].as_keywords()
    assert looks(open_clip(tmp_path / "m.tif", **keywords)) == looks(clip)


@pytest.mark.parametrize("cut", ["plane", "channel", "channels", "projection", "reversed"])
def test_a_clip_that_was_made_from_a_layer_is_found_in_the_file_of_the_layer(tmp_path, cut):
    data = grey_stack(shape=(4, 5, 3, 16, 20))
    path = tmp_path / "m.ome.tif"
    tifffile.imwrite(path, data, ome=True, metadata={"axes": "TZCYX"})
    whole = read_recording(path)
    arguments: dict = {"limits": (10.0, 3000.0)}
    if cut == "plane":
        part, axes, wanted = whole.data[:, 3, 1], "TYX", {"z": 3, "channels": (1,)}
    elif cut == "channel":
        part, axes, wanted = whole.data[:, :, 2], "TZYX", {"z": "mean", "channels": (2,)}
        arguments["z"] = "mean"
    elif cut == "channels":
        part, axes, wanted = whole.data[:, 0, [2, 0]], "TCYX", {"z": 0, "channels": (2, 0)}
        arguments |= {"colors": ["red", "#00ff00"], "limits": [(0.0, 9.0), (3.0, 8.0)]}
    elif cut == "projection":
        part, axes, wanted = whole.data.max(axis=1), "TCYX", {"z": "max"}
    else:  # no file holds this
        part, axes, wanted = whole.data[::-1, 3, 1], "TYX", None
    layer = replace(whole, data=part, axes=axes, pixel_size_um=(0.3, 0.4), channel_names=())
    clip = make_clip(layer, **arguments)
    assert clip.source == str(path)
    save(Project.of(clip), tmp_path / "p")
    entry = entry_of(tmp_path / "p")
    again = open_project(tmp_path / "p").clip
    assert looks(again) == looks(clip)
    assert again.pixel_size_um == (0.3, 0.4)
    if wanted is None:
        assert entry.embedded == "clip.ome.tif"
        return
    assert entry.embedded is None
    keywords = entry.arguments[0].as_keywords()
    assert {k: keywords[k] for k in wanted} == wanted
    assert looks(open_clip(path, **keywords)) == looks(clip)


# Pixels that no file holds


@pytest.mark.parametrize("dtype", ["uint8", "bool", "uint16", ">u2", "int32", "float32", "float16",
                                   "int64", "uint64"])  # fmt: skip
@pytest.mark.parametrize("shape", [(4, 16, 20), (1, 16, 20), (4, 16, 20, 3)])
def test_an_array_is_kept_in_the_project_in_its_own_dtype(tmp_path, dtype, shape):
    data = grey_stack("float64", shape) / 4000
    data = data > 0.5 if dtype == "bool" else data * (1 if dtype.startswith("float") else 250)
    data = data.astype(dtype)
    clip = open_clip(data, axes="TYXC" if len(shape) == 4 else "TYX", name="mine")
    save(Project.of(clip), tmp_path / "p")
    shutil.move(tmp_path / "p", tmp_path / "q")
    again = open_project(tmp_path / "q").clip
    assert again.frames.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(again.frame(0), clip.frame(0))
    assert looks(again) == looks(clip)
    assert again.name == "mine"
    assert again.describe() | {"source": None, "dtype": ""} == clip.describe() | {"dtype": ""}


def test_of_an_array_that_was_cropped_the_part_is_kept(tmp_path):
    clip = open_clip(grey_stack(), axes="ZYX", box=(2, 3, 12, 19), limits=(0, 900))
    save(Project.of(clip), tmp_path / "p")
    again = open_project(tmp_path / "p").clip
    assert again.frames.shape == (4, 10, 16)
    assert looks(again) == looks(clip)
    assert again.describe() == clip.describe() | {"source": again.source}


def test_pixels_are_written_frame_by_frame_and_only_once(tmp_path, monkeypatch):
    clip = open_clip(grey_stack())
    reads: list[int] = []
    whole = Clip.frame
    monkeypatch.setattr(Clip, "frame", lambda self, t: reads.append(t) or whole(self, t))
    project = Project.of(clip)
    save(project, tmp_path / "p")
    assert set(reads) == {0, 1, 2, 3}
    first = (tmp_path / "p" / "clip.ome.tif").stat()
    save(project, tmp_path / "p")
    second = (tmp_path / "p" / "clip.ome.tif").stat()
    assert (first.st_mtime_ns, first.st_ino) == (second.st_mtime_ns, second.st_ino)
    # Opened again, it is saved elsewhere with its pixels.
    save(open_project(tmp_path / "p"), tmp_path / "copy")
    shutil.rmtree(tmp_path / "p")
    assert looks(open_project(tmp_path / "copy").clip) == looks(clip)


def test_pixels_that_take_too_much_room_are_left_out_with_a_note(tmp_path):
    clip = open_clip(grey_stack())
    project = Project.of(clip)
    project.do(Paint(frame=0, masks={1: corner()}))
    (note,) = save(project, tmp_path / "p", embed_up_to=2559).notes  # it takes 4 * 16 * 20 * 2
    assert "0.0 MB" in note
    assert "not replayed" in note
    again = open_project(tmp_path / "p")
    assert again.footage is None
    assert again.state.masklet(1).frames_present == [0]
    with pytest.raises(ClipError, match="not replayed"):
        find_footage(tmp_path / "p")
    # Somebody writes the pixels to a file after all.
    write(tmp_path / "later.tif", grey_stack(), "TYX")
    assert looks(find_footage(tmp_path / "p", video=tmp_path / "later.tif").first) == looks(clip)
    assert save(project, tmp_path / "p", embed_up_to=2560).notes == ()
    assert looks(open_project(tmp_path / "p").clip) == looks(clip)


@pytest.mark.parametrize("is_file", [True, False])
@pytest.mark.parametrize("num_frames", [3, 1])
def test_several_planes_are_kept_and_found(tmp_path, is_file, num_frames):
    data = grey_stack(shape=(num_frames, 4, 16, 20))
    path = tmp_path / "m.tif"
    write(path, data, "TZYX")
    source = path if is_file else data

    def plane(z: int) -> Clip:
        return open_clip(source, axes="TZYX", time="T", z=z, limits=(0.0, 4000.0))

    project = Project((4 * num_frames, 16, 20), 4)
    project.footage = Footage(4, plane)
    save(project, tmp_path / "p")
    entry = entry_of(tmp_path / "p")
    assert (entry.embedded is None) == is_file
    footage = find_footage(tmp_path / "p")
    assert footage.planes == 4
    for z in range(4):
        assert looks(footage.clip_of(z)) == looks(plane(z))
    across = footage.across(num_frames - 1)
    assert across.num_frames == 4
    for z in range(4):
        np.testing.assert_array_equal(across.rgb(z), plane(z).rgb(num_frames - 1))
