"""What every writer owes, and what is written is read back by another program."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import tomllib
import weakref
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import ModuleType

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_sa2va import writers
from napari_sa2va._tests import made_dicom
from napari_sa2va._tests.killed_writers import moments
from napari_sa2va._tests.made_results import of_images, of_masks
from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.result import Result, Shown
from napari_sa2va.writers.write import Written, write_result

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:Empty frame"
    ),  # of ctc_metrics: there are none, as asked for
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # of pycocotools
]

SMALL = np.zeros((3, 6, 8), np.uint16)
for _t in range(3):
    SMALL[_t, 1:3, _t : _t + 2] = 1
    SMALL[_t, 4:, 4:] = 2
SMALL[1, 4:] = 0  # object 2 is away for a frame
OTHER = SMALL[:, ::-1, ::-1].copy()


# --- What another program reads: the label image of each frame, in the order of the result's frames.


def _tiff(path: Path, result: Result) -> np.ndarray:
    stack = tifffile.imread(path).reshape(-1, result.num_z, *result.size)
    return stack.swapaxes(0, 1).reshape(-1, *result.size)


def _davis(path: Path, result: Result) -> np.ndarray:
    return np.array([np.array(Image.open(file)) for file in sorted(path.iterdir())])


def _mevis(path: Path, result: Result) -> np.ndarray:
    labels = np.zeros((result.num_frames, *result.size), np.uint32)
    for number, subject in enumerate(result.subjects):
        for f, file in enumerate(sorted((path / str(number)).iterdir())):
            labels[f][np.array(Image.open(file)) == 255] = subject.object_id
    return labels


def _mots(path: Path, result: Result) -> np.ndarray:
    from pycocotools import mask as coco_masks

    labels = np.zeros((result.num_frames, *result.size), np.uint32)
    for line in path.read_text().splitlines():
        f, track, _, height, width, text = line.split(" ")
        code = {"size": [int(height), int(width)], "counts": text.encode()}
        labels[int(f)][coco_masks.decode(code) == 1] = int(track) % 1000
    return labels


def _coco(path: Path, result: Result) -> np.ndarray:
    from pycocotools.coco import COCO

    coco = COCO(path)
    labels = np.zeros((result.num_frames, *result.size), np.uint32)
    for entry in coco.anns.values():
        labels[coco.imgs[entry["image_id"]]["frame_id"]][coco.annToMask(entry) == 1] = entry[
            "track_id"
        ]
    return labels


def _ctc(path: Path, result: Result) -> np.ndarray:
    from ctc_metrics.scripts.validate import validate_sequence

    if (path / "res_track.txt").stat().st_size:  # it cannot read an empty table
        assert validate_sequence(str(path), threads=1) == {"Valid": 1}
    return _ctc_images(path, "mask", "res_track.txt", result)


def _ctc_truth(path: Path, result: Result) -> np.ndarray:
    return _ctc_images(path / "TRA", "man_track", "man_track.txt", result)


def _ctc_images(folder: Path, start: str, table: str, result: Result) -> np.ndarray:
    ids = {s.object_id for s in result.subjects}
    parent_of = {}
    for line in (folder / table).read_text().splitlines():
        label, _, _, parent = map(int, line.split(" "))
        parent_of[label] = parent
    object_of = np.zeros(max(parent_of, default=0) + 1, int)
    for label in parent_of:
        origin = label
        while origin not in ids:
            origin = parent_of[origin]
        object_of[label] = origin
    stacks = [
        tifffile.imread(file).reshape(result.num_z, *result.size)
        for file in sorted(folder.glob(f"{start}*.tif"))
    ]
    return object_of[np.array(stacks).swapaxes(0, 1).reshape(-1, *result.size)]


def _nifti(path: Path, result: Result) -> np.ndarray:
    import nibabel

    volume = np.asarray(nibabel.load(path).dataobj)
    volume = volume.reshape(*volume.shape[:3], result.num_times)  # (X, Y, Z, T)
    return volume.transpose(2, 3, 1, 0).reshape(-1, *result.size)


def _ome_zarr(path: Path, result: Result) -> np.ndarray:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Label, Reader

    (node,) = Reader(parse_url(str(path)))()
    assert node.load(Label)
    stack = np.asarray(node.data[0]).reshape(-1, result.num_z, *result.size)
    return stack.swapaxes(0, 1).reshape(-1, *result.size)


READ_BACK: dict[str, Callable[[Path, Result], np.ndarray]] = {
    "coco": _coco,
    "ctc": _ctc,
    "ctc-truth": _ctc_truth,
    "davis": _davis,
    "mevis": _mevis,
    "mots": _mots,
    "nifti": _nifti,
    "ome-tiff": _tiff,
    "ome-zarr": _ome_zarr,
}
# Read back in the tests of their own: pictures, polygons, tables of objects.
NO_MASKS = {
    "dicom-seg",
    "geff",
    "overlay-movie",
    "overlay-sheet",
    "parquet",
    "table",
    "trackmate",
    "yolo",
}
# For a writer that needs the movie's own file: it is made in an empty folder, and is the source of
# the clip of the result that is given back.
SOURCES: dict[str, Callable[[Path, Result], Result]] = {"dicom-seg": made_dicom.with_source}
_sources = TemporaryDirectory()


# --- How a writer is called.


def _place(writer: ModuleType, folder: Path) -> Path:
    return folder / f"a{(writer.FORMAT.suffixes or ('',))[0]}"


def _write(writer: ModuleType, folder: Path, result: Result, *, overwrite: bool = False) -> Written:
    if _kind(writer) in SOURCES:
        result = SOURCES[_kind(writer)](Path(mkdtemp(dir=_sources.name)), result)
    return write_result(_place(writer, folder), result, _kind(writer), overwrite=overwrite)


def _content(folder: Path) -> dict[str, bytes]:
    """All files in a folder and below, by their paths in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _counting(result: Result, on_frame: Callable[[int], None]) -> Result:
    """The same result, but somebody is told of each frame before it is given."""

    def frame(f: int) -> Shown:
        on_frame(f)
        return result.frame(f)

    return replace(result, frame=frame)


def _kind(writer: ModuleType) -> str:
    return writer.FORMAT.kind


def _each(wanted: Callable[[ModuleType], bool]) -> pytest.MarkDecorator:
    """The test is run for all writers of a kind."""
    return pytest.mark.parametrize("writer", [w for w in WRITERS if wanted(w)], ids=_kind)


def _has_reader(writer: ModuleType) -> bool:
    return _kind(writer) in READ_BACK


each_writer = _each(lambda w: True)
each_read_back = _each(_has_reader)
each_folder = _each(lambda w: w.FORMAT.is_folder)
each_without_overlaps = _each(lambda w: _has_reader(w) and not w.FORMAT.overlaps)
each_with_a_largest_id = _each(lambda w: _has_reader(w) and w.FORMAT.most_ids)


def test_every_writer_module_is_on_the_list() -> None:
    modules = (m.name for m in pkgutil.iter_modules(writers.__path__))
    loaded = [importlib.import_module(f"napari_sa2va.writers.{name}") for name in modules]
    assert {m for m in loaded if hasattr(m, "FORMAT")} == set(WRITERS)


def test_every_writer_is_read_back_by_another_program() -> None:
    assert {_kind(w) for w in WRITERS} == READ_BACK.keys() | NO_MASKS


def test_kinds_and_endings_tell_writers_apart() -> None:
    kinds = [_kind(w) for w in WRITERS]
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
    path = _write(writer, tmp_path, of_images(SMALL)).path
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_dir() == writer.FORMAT.is_folder


@each_writer
def test_what_is_there_is_replaced_only_if_told_so(writer: ModuleType, tmp_path: Path) -> None:
    path = _write(writer, tmp_path, of_images(SMALL)).path
    old = _content(tmp_path)
    with pytest.raises(OutputError, match="is there already"):
        _write(writer, tmp_path, of_images(OTHER))
    assert _content(tmp_path) == old
    _write(writer, tmp_path, of_images(OTHER), overwrite=True)
    assert _content(tmp_path) != old
    assert list(tmp_path.iterdir()) == [path]


@each_folder
def test_files_of_others_stay_in_a_folder_that_is_replaced(
    writer: ModuleType, tmp_path: Path
) -> None:
    path = _write(writer, tmp_path, of_images(SMALL)).path
    old = _content(path)
    (path / "notes.txt").write_text("mine")
    _write(writer, tmp_path, of_images(SMALL[:2]), overwrite=True)
    new = _content(path)
    assert new.pop("notes.txt") == b"mine"
    assert len(new) <= len(old)  # no frame of the longer clip is left


@each_writer
@pytest.mark.parametrize("is_there", [False, True])
def test_a_writer_that_fails_halfway_leaves_what_was_there(
    writer: ModuleType, is_there: bool, tmp_path: Path
) -> None:
    if is_there:
        _write(writer, tmp_path, of_images(OTHER))
    old = _content(tmp_path)

    def fail(f: int) -> None:
        if f == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _write(writer, tmp_path, _counting(of_images(SMALL), fail), overwrite=True)
    assert _content(tmp_path) == old
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

    _write(writer, tmp_path, replace(result, frame=frame))
    turns = 1 + sum(later <= earlier for earlier, later in pairwise(asked))
    assert set(asked) == set(range(len(labels)))
    assert turns <= 2
    assert most <= 1


@each_read_back
def test_memory_does_not_grow_with_the_length_of_the_movie(
    writer: ModuleType, tmp_path: Path
) -> None:
    import tracemalloc

    side = 128
    one = np.zeros((side, side), np.uint16)
    one[20:100, 30:90] = 1

    def peak(num_frames: int) -> int:
        result = of_images(np.broadcast_to(one, (num_frames, side, side)))
        tracemalloc.start()
        _write(writer, tmp_path, result, overwrite=True)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)  # imports do not count
    assert peak(60) - peak(10) < 5 * one.nbytes


LEFT, RIGHT = np.zeros((2, 3, 4, 6), bool)
LEFT[:, :, :4] = True
RIGHT[1:, :, 3:] = True


@each_writer
@pytest.mark.parametrize(("overlap", "kept"), [("last", "later"), ("first", "earlier")])
def test_an_overlap_is_told_of_where_it_is_lost(
    writer: ModuleType, overlap: str, kept: str, tmp_path: Path
) -> None:
    result = of_masks({1: LEFT, 2: RIGHT}, overlap=overlap)
    told = _write(writer, tmp_path, result).warnings
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
    told = _write(writer, tmp_path, apart).warnings
    assert not any("overlap" in text for text in told)


@each_writer
def test_parents_and_a_crop_are_told_of_where_they_are_lost(
    writer: ModuleType, tmp_path: Path
) -> None:
    result = of_images(SMALL, parents={2: [1]})
    clip = result.clip.crop(0, 0, 6, 8)  # all of it, but that is not what is asked
    told = _write(writer, tmp_path, replace(result, clip=clip)).warnings
    assert any("divided or merged" in text for text in told) != writer.FORMAT.parents
    assert any("rows 0 to 5" in text for text in told) != writer.FORMAT.place


NAMES = {
    1: "../../x",
    2: "CON",
    3: 'a/b\\c:d*?"<>|',
    4: "\x00\x1b\n",
    5: "Zelle \u00b5 \U0001f9ec",
    6: "",
}


@each_writer
@pytest.mark.parametrize("clip_name", ["../../x", "CON", "a/b", "\x00\n\u00b5", ""])
def test_a_name_leads_nowhere_else(writer: ModuleType, clip_name: str, tmp_path: Path) -> None:
    labels = np.arange(2 * 4 * 6).reshape(2, 4, 6) % 7
    inner = tmp_path / "inner"
    inner.mkdir()
    path = _write(writer, inner, of_images(labels, names=NAMES, name=clip_name)).path
    assert list(tmp_path.iterdir()) == [inner]
    assert list(inner.iterdir()) == [path]
    assert not any(".." in name or "CON" in name for name in _content(inner))


def _written_and_read(writer: ModuleType, result: Result) -> np.ndarray:
    with TemporaryDirectory() as folder:
        path = _write(writer, Path(folder), result).path
        return READ_BACK[_kind(writer)](path, result)


@st.composite
def _labels(draw: st.DrawFn) -> np.ndarray:
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=5))
    ids = draw(st.lists(st.integers(1, 254), min_size=1, max_size=3))
    labels = draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, *ids])))
    return labels.astype(draw(st.sampled_from([np.uint8, np.uint16, np.int32, np.int64])))


few = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@each_read_back
@given(labels=_labels(), data=st.data())
@few
def test_what_is_written_is_read_back(
    writer: ModuleType, labels: np.ndarray, data: st.DataObject
) -> None:
    """Any size from one pixel on, one frame and more, empty frames, no object, z that plays."""
    axis = data.draw(st.sampled_from(["T", "Z", None] if len(labels) == 1 else ["T", "Z"]))
    np.testing.assert_array_equal(
        _written_and_read(writer, of_images(labels, time_axis=axis)), labels
    )


@each_read_back
@given(labels=_labels(), planes=st.integers(2, 3))
@few
def test_planes_are_read_back_where_there_may_be_some(
    writer: ModuleType, labels: np.ndarray, planes: int
) -> None:
    result = of_images(
        np.concatenate([np.roll(labels, z, axis=2) for z in range(planes)]), num_planes=planes
    )
    if writer.FORMAT.planes:
        back = _written_and_read(writer, result)
        np.testing.assert_array_equal(back, [result.labels(f) for f in range(result.num_frames)])
    else:
        with pytest.raises(OutputError, match="has no z axis"):
            _written_and_read(writer, result)


@each_without_overlaps
@pytest.mark.parametrize("overlap", ["last", "first"])
def test_who_keeps_a_pixel_is_as_was_asked(writer: ModuleType, overlap: str) -> None:
    result = of_masks({1: LEFT, 2: RIGHT}, overlap=overlap)
    back = _written_and_read(writer, result)
    assert back[1, 0].tolist() == [1, 1, 1, 2 if overlap == "last" else 1, 2, 2]


@each_writer
def test_an_object_hidden_by_another_does_no_harm(writer: ModuleType, tmp_path: Path) -> None:
    _write(writer, tmp_path, of_masks({1: RIGHT, 2: RIGHT | LEFT}))


@each_writer
def test_ids_beyond_16_bits_are_held_or_refused(writer: ModuleType, tmp_path: Path) -> None:
    labels = np.array([[[0, 70_000], [65_536, 1]]], np.uint32)
    result = of_images(labels)
    if 0 < writer.FORMAT.most_ids < 70_000:
        with pytest.raises(OutputError, match="there is 70000"):
            _write(writer, tmp_path, result)
        assert list(tmp_path.iterdir()) == []
        return
    path = _write(writer, tmp_path, result).path
    if _has_reader(writer):
        np.testing.assert_array_equal(READ_BACK[_kind(writer)](path, result), labels)


@each_with_a_largest_id
def test_the_largest_id_is_held(writer: ModuleType, tmp_path: Path) -> None:
    most = writer.FORMAT.most_ids
    labels = np.array([[[0, most], [most - 1, 1]]], np.uint32)
    path = _write(writer, tmp_path, of_images(labels)).path
    np.testing.assert_array_equal(READ_BACK[_kind(writer)](path, of_images(labels)), labels)


# --- A process that is killed.


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders by kind and moment, in which a process that replaced OTHER with SMALL was killed."""
    root = tmp_path_factory.mktemp("killed")
    module = "napari_sa2va._tests.killed_writers"
    subprocess.run([sys.executable, "-m", module, str(root)], check=True, timeout=120)
    return root


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize(
    ("writer", "moment"),
    [(writer, moment) for writer in WRITERS for moment in moments(writer.FORMAT)],
    ids=lambda value: value if isinstance(value, str) else _kind(value),
)
def test_a_killed_process_leaves_what_was_there(
    writer: ModuleType, moment: str, killed: Path
) -> None:
    folder = killed / _kind(writer) / moment
    before = _content(folder.with_name(f"{moment}-before"))
    if moment == "rename-2":
        # Between two renames the old folder bears another name; who writes next puts that right.
        with pytest.raises(ZeroDivisionError):
            _write(writer, folder, _counting(of_images(SMALL), lambda f: 1 // 0), overwrite=True)
    # What a process could not clear away any more begins with a point.
    now = {name: data for name, data in _content(folder).items() if not name.startswith(".")}
    assert now == before
