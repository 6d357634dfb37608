"""Labels inside OME-Zarr images and by themselves, read back by ome-zarr-py, ome-zarr-models and zarr."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sa2va._tests.made_results import HARD_NAME, masklet, of_images, seventy_thousand
from napari_sa2va._tests.ngff_labels import check_image, image_files, labelled, read_labels
from napari_sa2va._tests.ngff_stores import metadata, write_by_hand, write_ngff, zipped
from napari_sa2va.core.axes import arrange
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.palette import color_of
from napari_sa2va.readers.ome_zarr import read
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers.result import Shown, of_labels, of_masklets
from napari_sa2va.writers.write import write_result

RNG = np.random.default_rng(9)
MOVIE = RNG.integers(0, 250, (4, 2, 3, 12, 16)).astype(np.uint8)  # TCZYX
LABELS = (RNG.integers(0, 3, (4, 12, 16)) * RNG.integers(0, 2, (4, 12, 16))).astype(np.uint16)
versions = pytest.mark.parametrize("version", ["0.4", "0.5"])


@versions
def test_labels_lie_inside_the_image_and_are_what_its_library_shows(
    version: str, tmp_path: Path
) -> None:
    scale = {"t": 0.5, "y": 0.2, "x": 0.3}
    path = write_ngff(
        tmp_path / "a.ome.zarr", MOVIE[:, :, 0], "tcyx", version=version, scale=scale, levels=2
    )
    before = image_files(path)
    write_result(path, labelled(path, LABELS, channels=0))
    assert image_files(path) == before
    check_image(path)
    (full, half), about = read_labels(path)
    np.testing.assert_array_equal(full, LABELS)
    assert full.dtype == np.uint16
    np.testing.assert_array_equal(half, LABELS[:, 1::2, 1::2])  # the nearest pixel: no new ids
    assert about["color"][2] == [c / 255 for c in (*color_of(2), 255)]
    assert about["properties"][1] == {"name": "cell 1", "text": ""}
    label = zarr.open_group(str(path), mode="r", path="labels/napari-sa2va")
    image = zarr.open_group(str(path), mode="r")
    assert label.metadata.zarr_format == image.metadata.zarr_format
    assert _multiscale(label)["axes"] == [_multiscale(image)["axes"][i] for i in (0, 2, 3)]
    for ours, theirs in zip(
        _multiscale(label)["datasets"], _multiscale(image)["datasets"], strict=True
    ):
        whole = theirs["coordinateTransformations"][0]["scale"]
        assert ours["coordinateTransformations"][0]["scale"] == [whole[i] for i in (0, 2, 3)]
    assert _ngff(label)["image-label"]["source"] == {"image": "../../"}
    recording = read(path / "labels" / "napari-sa2va")
    assert (recording.pixel_size_um, recording.frame_interval_s) == ((0.2, 0.3), 0.5)


def _ngff(group: zarr.Group) -> dict[str, Any]:
    attributes = group.attrs.asdict()
    return attributes.get("ome", attributes)


def _multiscale(group: zarr.Group) -> dict[str, Any]:
    return _ngff(group)["multiscales"][0]


def test_labels_of_one_plane_or_of_a_crop_lie_where_they_belong(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE, "tczyx")
    write_result(path, labelled(path, LABELS, channels=0, z=2))
    expected = np.zeros((4, 3, 12, 16), np.uint16)
    expected[:, 2] = LABELS
    np.testing.assert_array_equal(read_labels(path)[0][0], expected)

    crop = labelled(path, LABELS[:, 2:9, 5:11], channels=0, z=1, box=(2, 5, 9, 11))
    write_result(path / "labels" / "crop", crop, "ome-zarr")
    expected = np.zeros((4, 3, 12, 16), np.uint16)
    expected[:, 1, 2:9, 5:11] = LABELS[:, 2:9, 5:11]
    np.testing.assert_array_equal(read_labels(path, "crop")[0][0], expected)
    check_image(path)


def test_labels_of_several_planes_and_of_z_that_plays(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE, "tczyx")
    planes = np.concatenate([LABELS, LABELS[::-1], LABELS])
    write_result(path, labelled(path, planes, 3, channels=0, z=0))
    shown = read_labels(path)[0][0]
    np.testing.assert_array_equal(shown.swapaxes(0, 1).reshape(planes.shape), planes)

    stack = write_ngff(tmp_path / "b.zarr", MOVIE[0, 0], "zyx")
    write_result(stack, labelled(stack, LABELS[:3]))
    np.testing.assert_array_equal(read_labels(stack)[0][0], LABELS[:3])


def test_labels_of_a_projection_are_one_plane_as_thick_as_the_stack(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE, "tczyx", scale={"z": 2.0})
    write_result(path, labelled(path, LABELS, channels=0, z="max"))
    shown, _ = read_labels(path)
    np.testing.assert_array_equal(shown[0][:, 0], LABELS)
    assert shown[0].shape[1] == 1
    (step,) = _multiscale(zarr.open_group(str(path), path="labels/napari-sa2va"))["datasets"]
    scale, moved = step["coordinateTransformations"]
    assert scale["scale"] == [1.0, 6.0, 1.0, 1.0]  # planes at 0, 2 and 4 um
    assert moved["translation"] == [0.0, 2.0, 0.0, 0.0]
    check_image(path)


@pytest.mark.parametrize("axes", ["yxt", "xyt", "ytx", "tyx"])
def test_labels_have_the_order_of_the_images_axes(axes: str, tmp_path: Path) -> None:
    turn = ["tyx".index(a) for a in axes]
    pixels = MOVIE[:, 0, 0].transpose(turn)
    path = write_by_hand(tmp_path / "a.zarr", pixels, metadata(axes), chunks=(5, 5, 4))
    write_result(path, labelled(path, LABELS))
    array = zarr.open_array(str(path), path="labels/napari-sa2va/0", mode="r")
    np.testing.assert_array_equal(array[:], LABELS.transpose(turn))
    assert array.metadata.dimension_names == tuple(axes)


def test_a_level_with_fewer_planes_and_frames_gets_the_nearest(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", MOVIE[:, 0, 0], metadata(paths=("0", "small")))
    zarr.open_group(str(path), mode="a").create_array("small", shape=(2, 4, 5), dtype="u1")
    write_result(path, labelled(path, LABELS))
    small = zarr.open_array(str(path), path="labels/napari-sa2va/1", mode="r")[:]
    # Frames 1 and 3 of 4; rows 1, 4, 7, 10 of 12; columns 1, 4, 8, 11, 14 of 16.
    expected = LABELS[np.ix_([1, 3], [1, 4, 7, 10], [1, 4, 8, 11, 14])]
    np.testing.assert_array_equal(small, expected)


@versions
def test_labels_are_added_to_those_that_are_there(version: str, tmp_path: Path) -> None:
    from ome_zarr.format import format_from_version
    from ome_zarr.writer import write_labels

    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0], version=version)
    fmt = format_from_version(version)
    group = zarr.open_group(str(path), mode="a")
    theirs = LABELS[::-1].astype(np.int32)
    write_labels(theirs, group, "theirs", scaler=None, scale_factors=[], fmt=fmt, axes="tyx")
    write_result(path, labelled(path, LABELS))
    listed = _ngff(zarr.open_group(str(path), path="labels", mode="r"))["labels"]
    assert listed == ["theirs", "napari-sa2va"]
    np.testing.assert_array_equal(read_labels(path, "theirs")[0][0], theirs)
    np.testing.assert_array_equal(read_labels(path)[0][0], LABELS)
    check_image(path)


@versions
def test_labels_are_replaced_only_if_told_so(version: str, tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0], version=version)
    write_result(path, labelled(path, LABELS))
    other = LABELS[::-1].copy()
    with pytest.raises(OutputError, match="are there already") as caught:
        write_result(path, labelled(path, other))
    assert "labels/cells" in caught.value.hint.replace(os.sep, "/")
    np.testing.assert_array_equal(read_labels(path)[0][0], LABELS)
    for labels in (other, LABELS):
        write_result(path, labelled(path, labels), overwrite=True)
        np.testing.assert_array_equal(read_labels(path)[0][0], labels)
        check_image(path)
    write_result(path / "labels" / "cells", labelled(path, other), "ome-zarr")
    np.testing.assert_array_equal(read_labels(path, "cells")[0][0], other)
    # Nothing is left of what was replaced.
    folder = path / "labels" / "napari-sa2va"
    assert len([f for f in folder.iterdir() if f.is_dir()]) == 1
    assert not list(path.rglob("*.new"))


def test_labels_of_another_program_are_replaced_with_all_their_arrays(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0], version="0.4")
    labels = path / "labels"
    write_by_hand(labels / "cells", LABELS, metadata(version="0.4"), zarr_format=2)
    (labels / "cells" / "0").rename(labels / "cells" / "s0")
    renamed = metadata(version="0.4", paths=("s0",))
    zarr.open_group(str(labels / "cells"), mode="a").attrs.update(renamed)
    with pytest.raises(OutputError, match="there already"):
        write_result(labels / "cells", labelled(path, LABELS), "ome-zarr")
    write_result(labels / "cells", labelled(path, LABELS), "ome-zarr", overwrite=True)
    assert sorted(f.name for f in (labels / "cells").iterdir()) == [".zattrs", ".zgroup", "0"]


def test_the_series_that_was_opened_gets_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    root = zarr.open_group(str(path), mode="w")
    root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for series in ("0", "1"):
        write_ngff(path / series, MOVIE[:, 0, 0])
    write_result(path, labelled(path, LABELS, series=1))
    assert (path / "1" / "labels" / "napari-sa2va").is_dir()
    assert not (path / "0" / "labels").exists()
    check_image(path / "1")
    unknown = labelled(path / "0", LABELS)
    with pytest.raises(OutputError, match="holds 2") as caught:
        write_result(path, unknown)
    assert caught.value.hint == f"Name one image: {path / '0'}"


def test_masks_of_something_else_are_refused(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0])
    before = sorted(tmp_path.rglob("*"))
    for wrong in (LABELS[:, :, 1:], LABELS[:, 1:], np.concatenate([LABELS, LABELS])):
        with pytest.raises(OutputError, match="The masks have"):
            write_result(path, of_images(wrong))
    assert sorted(tmp_path.rglob("*")) == before


def test_an_image_that_grew_since_takes_labels_of_the_frames_there_were(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", MOVIE[:, 0, 0], metadata(), chunks=(1, 12, 16))
    result = labelled(path, LABELS)
    zarr.open_array(str(path), path="0", mode="a").resize((6, 12, 16))
    write_result(path, result)
    shown = read_labels(path)[0][0]
    assert shown.shape == (6, 12, 16)
    np.testing.assert_array_equal(shown[:4], LABELS)
    assert not shown[4:].any()


def test_where_no_labels_can_be_put_that_is_said(tmp_path: Path) -> None:
    archive = zipped(write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0]), tmp_path / "a.zarr.zip")
    with pytest.raises(OutputError, match="is a file"):
        write_result(archive, of_images(LABELS), "ome-zarr")
    zarr.create_array(str(tmp_path / "bare.zarr"), data=LABELS)
    with pytest.raises(OutputError, match="no NGFF metadata"):
        write_result(tmp_path / "bare.zarr", of_images(LABELS))
    with pytest.raises(OutputError, match="no folder"):
        write_result(tmp_path / "gone" / "a.zarr", of_images(LABELS))
    old = {"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]}
    path = write_by_hand(tmp_path / "old.zarr", MOVIE, old, zarr_format=2)
    with pytest.raises(OutputError, match=r"NGFF version 0\.1"):
        write_result(path, labelled(path, LABELS, channels=0, z=0))
    with pytest.raises(OutputError, match="no name for labels"):
        write_result(tmp_path / "a.zarr" / "labels" / ".hidden", of_images(LABELS), "ome-zarr")


def test_damaged_metadata_of_labels_are_not_written_over(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0])
    write_result(path, labelled(path, LABELS))
    list_file = path / "labels" / "zarr.json"
    for broken in ("{", "[]", '{"attributes": {"ome": {"labels": 7}}}'):
        list_file.write_text(broken)
        with pytest.raises(OutputError):
            write_result(path / "labels" / "other", labelled(path, LABELS), "ome-zarr")
        assert list_file.read_text() == broken
        assert not (path / "labels" / "other").exists()


@versions
@pytest.mark.parametrize("is_there", [False, True])
def test_a_writer_that_fails_leaves_the_store_as_it_was(
    is_there: bool, version: str, tmp_path: Path
) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0], version=version)
    result = labelled(path, LABELS)
    if is_there:
        write_result(path, result)
    before = {f: f.read_bytes() for f in path.rglob("*") if f.is_file()}

    def frame(f: int) -> Shown:
        if f == 2:
            raise KeyboardInterrupt
        return result.frame(f)

    with pytest.raises(KeyboardInterrupt):
        write_result(path, replace(result, frame=frame), overwrite=True)
    assert {f: f.read_bytes() for f in path.rglob("*") if f.is_file()} == before
    assert (path / "labels").exists() == is_there


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_in_the_place_of_labels_stays(zarr_format: int, tmp_path: Path) -> None:
    version = "0.4" if zarr_format == 2 else "0.5"
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0], version=version)
    array = zarr.create_array(
        str(path), name="labels/cells", data=LABELS, zarr_format=zarr_format, overwrite=True
    )
    with pytest.raises(OutputError, match="is an array, not labels"):
        write_result(path / "labels" / "cells", labelled(path, LABELS), "ome-zarr", overwrite=True)
    np.testing.assert_array_equal(array[:], LABELS)


def test_an_image_whose_arrays_are_not_what_its_metadata_say_gets_no_labels(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", MOVIE[:, :, 0], metadata("tyx"))
    with pytest.raises(OutputError, match="do not have the axes TYX"):
        write_result(path, of_images(LABELS))
    assert not (path / "labels").exists()


def test_a_label_store_of_the_older_kind_is_replaced_whole(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", LABELS, metadata(version="0.4"), zarr_format=2)
    zarr.open_group(str(path), mode="a").attrs["image-label"] = {}
    with pytest.raises(OutputError, match="is there already"):
        write_result(path, of_images(LABELS[::-1].copy()))
    write_result(path, of_images(LABELS[::-1].copy()), overwrite=True)
    assert sorted(f.name for f in path.iterdir()) == ["0", "zarr.json"]
    np.testing.assert_array_equal(read(path).data.compute(), LABELS[::-1])


@versions
def test_consolidated_metadata_tell_of_the_labels_too(version: str, tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0], version=version)
    zarr.consolidate_metadata(str(path))
    for overwrite in (False, True):
        write_result(path, labelled(path, LABELS), overwrite=overwrite)
        whole = zarr.open_group(str(path), mode="r", use_consolidated=True)
        label = whole["labels/napari-sa2va"]
        assert isinstance(label, zarr.Group)
        level = _multiscale(label)["datasets"][0]["path"]
        np.testing.assert_array_equal(label[level][:], LABELS)
        assert list(label.array_keys()) == [level]
        np.testing.assert_array_equal(whole["0" if "0" in whole else "s0"][:], MOVIE[:, 0, 0])
    write_result(path / "labels" / "more", labelled(path, LABELS), "ome-zarr")
    whole = zarr.open_group(str(path), mode="r", use_consolidated=True)
    assert sorted(whole["labels"].group_keys()) == ["more", "napari-sa2va"]


def test_copies_of_metadata_above_a_series_tell_of_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.open_group(str(path), mode="w").attrs["ome"] = {"bioformats2raw.layout": 3}
    write_ngff(path / "0", MOVIE[:, 0, 0])
    zarr.consolidate_metadata(str(path))
    write_result(path / "0", labelled(path / "0", LABELS), "ome-zarr")
    whole = zarr.open_group(str(path), mode="r", use_consolidated=True)
    np.testing.assert_array_equal(whole["0/labels/napari-sa2va/0"][:], LABELS)


def test_a_store_of_its_own_is_a_label_image(tmp_path: Path) -> None:
    from ome_zarr_models.v05.image_label import ImageLabel

    path = tmp_path / "masks.ome.zarr"
    result = of_images(
        LABELS, pixel_size_um=(0.2, 0.3), frame_interval_s=0.5, names={1: HARD_NAME, 2: "b"},
        parents={2: [1]},
    )  # fmt: skip
    write_result(path, result)
    ImageLabel.from_zarr(zarr.open_group(str(path), mode="r"))
    (full,), about = read_labels(path, "masks")
    np.testing.assert_array_equal(full, LABELS)
    assert about["properties"][1] == {"name": HARD_NAME, "text": "", "parents": []}
    assert about["properties"][2]["parents"] == [1]
    recording = read(path)
    assert (recording.axes, recording.pixel_size_um) == ("TYX", (0.2, 0.3))
    assert recording.frame_interval_s == 0.5


def test_a_store_that_somebody_else_makes_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "masks.ome.zarr"
    result = of_images(LABELS, names={1: "a"})

    def frame(f: int) -> Shown:
        path.mkdir(exist_ok=True)
        (path / "zarr.json").write_text("of somebody else")
        return result.frame(f)

    with pytest.raises(OutputError, match="is there already"):
        write_result(path, replace(result, frame=frame))
    assert [p.name for p in tmp_path.rglob("*")] == ["masks.ome.zarr", "zarr.json"]
    assert (path / "zarr.json").read_text() == "of somebody else"


def test_a_crop_in_a_store_of_its_own_says_where_it_lies(tmp_path: Path) -> None:
    result = of_images(LABELS, pixel_size_um=(0.5, 0.25))
    crop = of_labels(result.clip.crop(2, 4, 10, 12), lambda f: LABELS[f, 2:10, 4:12], names={1: ""})
    write_result(tmp_path / "a.zarr", crop)
    (dataset,) = _multiscale(zarr.open_group(str(tmp_path / "a.zarr")))["datasets"]
    assert dataset["coordinateTransformations"] == [
        {"type": "scale", "scale": [1.0, 0.5, 0.25]},
        {"type": "translation", "translation": [0.0, 1.0, 1.0]},
    ]


def test_a_large_label_image_has_smaller_copies(tmp_path: Path) -> None:
    labels = np.zeros((1, 700, 1100), np.uint16)
    labels[0, 100:, 300:] = 5
    write_result(tmp_path / "a.zarr", of_images(labels, pixel_size_um=(1.0, 1.0)))
    recording = read(tmp_path / "a.zarr")
    assert [level.shape for level in recording.pyramid] == [(1, 350, 550), (1, 175, 275)]
    np.testing.assert_array_equal(recording.data.compute(), labels)
    np.testing.assert_array_equal(recording.pyramid[0].compute(), labels[:, 1::2, 1::2])


def test_seventy_thousand_objects_keep_their_ids(tmp_path: Path) -> None:
    image = write_ngff(tmp_path / "a.zarr", np.tile(MOVIE[:1, 0, 0, :10, :14], (1, 25, 20)))
    labels = seventy_thousand()
    write_result(image, labelled(image, labels))
    (full,), about = read_labels(image)
    assert full.dtype == np.uint32
    np.testing.assert_array_equal(full, labels)
    assert len(about["properties"]) == 70_000


def test_the_overlap_rule_is_said(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:1, 0, 0])
    mask = np.ones((12, 16), bool)
    result = of_masklets(open_clip(path), [masklet(1, mask), masklet(2, mask)], overlap="first")
    assert "overlap on 1 frame" in write_result(path, result).warnings[0]
    label = zarr.open_group(str(path), path="labels/napari-sa2va")
    assert label.attrs["napari-sa2va"] == {"overlap": "first"}
    assert (read_labels(path)[0][0] == 1).all()


def test_what_is_empty_takes_no_room(tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE[:, 0, 0])
    labels = np.zeros_like(LABELS)
    labels[2, 5, 5] = 1
    write_result(path, labelled(path, labels))
    chunks = [f for f in (path / "labels").rglob("*") if f.is_file() and f.name != "zarr.json"]
    assert len(chunks) == 1


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_labels_of_any_image_are_read_back(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    version = data.draw(st.sampled_from(["0.4", "0.5"]))
    axes = "".join(
        data.draw(
            st.permutations(["t", "y", "x", *data.draw(st.sampled_from(["", "z", "c", "zc"]))])
        )
    )
    shape = {a: data.draw(st.integers(1, 6)) for a in axes}
    image = RNG.integers(0, 99, tuple(shape.values())).astype(np.uint8)
    path = tmp_path_factory.mktemp("any") / "a.zarr"
    write_by_hand(
        path, image, metadata(axes, version=version), zarr_format=2 if version == "0.4" else 3,
        chunks=tuple(data.draw(st.integers(1, n)) for n in image.shape),
    )  # fmt: skip
    box = None
    if data.draw(st.booleans()):
        y0, x0 = (data.draw(st.integers(0, shape[a] - 1)) for a in "yx")
        y1 = data.draw(st.integers(y0 + 1, shape["y"]))
        box = (y0, x0, y1, data.draw(st.integers(x0 + 1, shape["x"])))
    z = data.draw(st.integers(0, shape.get("z", 1) - 1))
    channel, plane = (0 if "c" in axes else None), (z if "z" in axes else None)
    arranged = arrange(read(path), time="T", channels=channel, z=plane)
    clip = Clip(arranged.frames, source=str(path), z=arranged.z)
    if box is not None:
        clip = clip.crop(*box)
    size = (clip.num_frames, clip.height, clip.width)
    ids = data.draw(st.sampled_from([[1], [2, 255], [3, 65_536]]))
    labels = RNG.choice([0, *ids], size).astype(np.uint32)
    write_result(path, of_labels(clip, labels.__getitem__, names=dict.fromkeys(ids, "")))
    array = zarr.open_array(str(path), path="labels/napari-sa2va/0", mode="r")
    kept = [a for a in axes if a != "c"]
    whole = array[:].transpose([kept.index(a) for a in "tzyx" if a in kept])
    planes = whole[:, z] if "z" in axes else whole
    y0, x0, y1, x1 = box or (0, 0, shape["y"], shape["x"])
    np.testing.assert_array_equal(planes[:, y0:y1, x0:x1], labels)
    assert np.count_nonzero(whole) == np.count_nonzero(labels)
    assert array.dtype == (np.uint16 if max(ids) < 65_536 else np.uint32)
