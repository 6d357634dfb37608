"""File > Save of Labels layers in napari, ours and anybody's, read back by other programs."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.layers import Image, Labels
from npe2 import PluginManager
from PIL import Image as Picture
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from napari_sa2va._tests.made_workspaces import workspace_on
from napari_sa2va.core.errors import AxesError, ClipError, OutputError, RequestError, ShapeMismatch
from napari_sa2va.gui.labels_result import result_of_layer
from napari_sa2va.plugin import writer as door
from napari_sa2va.writers import WRITERS

NAME = "napari-sa2va"
BOXES = {"left": [(2, 3, 8, 9)] * 4, "right": [None, (4, 6, 10, 16), (4, 6, 10, 16), None]}


def movie() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (4, 16, 20), dtype=np.uint8)


@pytest.fixture
def plugins() -> PluginManager:
    """napari's plugins, ours among them."""
    manager = PluginManager.instance()
    manager.discover()
    return manager


@pytest.fixture
def ours(make_napari_viewer_proxy, plugins):
    """A viewer with an image and a layer of ours on it; the objects overlap on frames 1 and 2."""
    viewer = make_napari_viewer_proxy()
    image = viewer.add_image(movie(), name="movie", scale=(2, 0.5, 0.5), units=("s", "um", "um"))
    workspace = workspace_on(viewer, image, BOXES)
    viewer.layers.selection = {workspace.layer}
    return viewer, workspace


def save(viewer, path: Path) -> list[str]:
    """What File > Save Selected does once a name is chosen."""
    return viewer.layers.save(str(path), selected=True, plugin=NAME)


def test_our_layer_is_saved_with_names_sizes_and_what_the_labels_cannot_show(
    ours, tmp_path: Path
) -> None:
    viewer, workspace = ours
    out = tmp_path / "cells.ome.tif"
    assert save(viewer, out) == [str(out)]
    with tifffile.TiffFile(out) as file:
        np.testing.assert_array_equal(file.asarray(), workspace.layer.data)
        for words in ("left", "right", 'PhysicalSizeX="0.5"', 'TimeIncrement="2.0"'):
            assert words in file.ome_metadata
    # Both masks are whole there, although they overlap.
    assert save(viewer, tmp_path / "cells.json") == [str(tmp_path / "cells.json")]
    read = COCO(str(tmp_path / "cells.json"))
    areas = sorted(int(coco_mask.area(a["segmentation"])) for a in read.loadAnns(read.getAnnIds()))
    assert areas == [36] * 4 + [60] * 2


@pytest.mark.parametrize("name", ["cells.ome.tif", "cells.ome.zarr"])
def test_what_was_saved_opens_again_as_labels_with_names_and_colours(
    ours, name: str, tmp_path: Path
) -> None:
    viewer, workspace = ours
    save(viewer, tmp_path / name)
    (layer,) = viewer.open(str(tmp_path / name), plugin=NAME)
    assert isinstance(layer, Labels)
    shown = layer.data[0] if layer.multiscale else layer.data
    np.testing.assert_array_equal(np.asarray(shown), workspace.layer.data)
    np.testing.assert_allclose(layer.scale, workspace.layer.scale)
    assert dict(zip(layer.features["index"], layer.features["name"], strict=True)) == {
        1: "left",
        2: "right",
    }
    np.testing.assert_allclose(layer.get_color(2), workspace.layer.get_color(2), atol=0.01)


@pytest.mark.parametrize(
    ("title", "typed", "made"),
    [("COCO JSON", "a.json", "a.json"), ("DAVIS (indexed PNG)", "frames", "frames/00003.png")],
)
def test_the_dialog_of_napari_saves_in_the_format_that_is_chosen_there(
    ours, title: str, typed: str, made: str, tmp_path: Path, monkeypatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    viewer, _ = ours

    def choose(self, parent, caption, start, filter: str, **more) -> tuple[str, str]:
        (chosen,) = (entry for entry in filter.split(";;") if f" {title}" in entry)
        return str(tmp_path / typed), chosen

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    viewer.window._qt_window._qt_viewer._save_layers_dialog(selected=True)
    assert (tmp_path / made).is_file()


def test_without_a_plugin_napari_takes_ours_where_it_has_no_own(ours, tmp_path: Path) -> None:
    viewer, _ = ours
    for name in ("a.ome.tif", "a.json", "a.nii.gz", "a.csv"):
        assert viewer.layers.save(str(tmp_path / name), selected=True) == [str(tmp_path / name)]
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert "left" in file.ome_metadata


def test_what_is_lost_is_said_as_a_notification(ours, tmp_path: Path) -> None:
    from napari.utils.notifications import notification_manager

    viewer, _ = ours
    save(viewer, tmp_path / "cells.ome.tif")
    said = [notice.message for notice in notification_manager.records]
    assert any("Objects overlap on 2 frame(s)" in message for message in said), said


def test_every_format_saves_our_layer_under_its_own_ending(ours, tmp_path: Path, plugins) -> None:
    viewer, _ = ours
    single = [w for w in plugins.iter_compatible_writers(["labels"]) if w.plugin_name == NAME]
    assert len(single) == len(WRITERS)
    saved = set()
    for contribution in single:
        kind = contribution.command.removeprefix(f"{NAME}.write_").replace("_", "-")
        if kind in NEED_MORE:
            continue
        chosen = viewer.layers.save(  # as the dialog does with the format that is chosen there
            str(tmp_path / kind), selected=True, _writer=contribution
        )
        (path,) = map(Path, chosen)
        about = next(w.FORMAT for w in WRITERS if w.FORMAT.kind == kind)
        assert path.name == kind + (about.suffixes[0] if about.suffixes else "")
        assert path.is_dir() == about.is_folder
        saved.add(kind)
    assert saved == {w.FORMAT.kind for w in WRITERS} - NEED_MORE


NEED_MORE = {"dicom-seg"}
"""What can only be written of a source of its own kind."""


def test_an_overlay_of_our_layer_shows_its_movie(ours, tmp_path: Path) -> None:
    viewer, _ = ours
    out = tmp_path / "cells.mp4"
    assert save(viewer, out) == [str(out)]
    with av.open(str(out)) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == 4


def test_a_layer_of_anybody_is_saved_with_its_names_and_sizes(
    make_napari_viewer_proxy, plugins, tmp_path: Path
) -> None:
    viewer = make_napari_viewer_proxy()
    labels = np.zeros((4, 16, 20), np.int32)
    labels[1:, 2:5, 3:7] = 70_000
    layer = viewer.add_labels(
        labels, name="mine", scale=(0.1, 0.25, 0.25), units=("s", "um", "um"),
        features={"index": [70_000], "name": ["the large one"]},
    )  # fmt: skip
    viewer.layers.selection = {layer}
    out = tmp_path / "mine.ome.tif"
    assert save(viewer, out) == [str(out)]
    with tifffile.TiffFile(out) as file:
        np.testing.assert_array_equal(file.asarray(), labels)
        assert "the large one" in file.ome_metadata
        assert 'PhysicalSizeX="0.25"' in file.ome_metadata
        assert 'TimeIncrement="0.1"' in file.ome_metadata


def test_an_image_and_its_labels_make_an_overlay_together(
    make_napari_viewer_proxy, plugins, tmp_path: Path
) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(movie(), name="movie")
    labels = np.zeros((4, 16, 20), np.uint8)
    labels[:, 3:9, 4:12] = 1
    layer = viewer.add_labels(labels, name="mine")
    viewer.layers.selection = {layer}
    with pytest.raises(OutputError, match="save its image together"):
        save(viewer, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
    assert viewer.layers.save(str(tmp_path / "a.png"), plugin=NAME) == [str(tmp_path / "a.png")]
    with Picture.open(tmp_path / "a.png") as sheet:
        assert sheet.size[0] > 100


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_of_labels_alone_has_all_but_intensities(
    make_napari_viewer_proxy, plugins, ending: str, tmp_path: Path
) -> None:
    viewer = make_napari_viewer_proxy()
    labels = np.zeros((4, 16, 20), np.uint8)
    labels[1:, 3:9, 4:12] = 7
    layer = viewer.add_labels(
        labels, name="mine", scale=(2, 0.5, 0.5), units=("s", "um", "um"),
        features={"index": [7], "name": ["the large one"]},
    )  # fmt: skip
    out = tmp_path / f"mine{ending}"
    assert layer.save(str(out), plugin=NAME) == [str(out)]
    table = pd.read_csv(out) if ending == ".csv" else pd.read_parquet(out)
    assert table[["index", "name", "frame", "time_s", "area_um2"]].values.tolist() == [
        [7, "the large one", t, 2 * t, 12] for t in (1, 2, 3)
    ]
    assert not [name for name in table if "intensity" in name or name.startswith("mean_")]


@pytest.fixture
def channels(make_napari_viewer_proxy, plugins, tmp_path: Path):
    """A file of two channels as our reader opens it, and labels of a square on it."""
    data = np.zeros((4, 2, 16, 20), np.uint16)
    data[:, 0, 3:9, 4:12], data[:, 1, 3:9, 4:12] = 100, 3000
    tifffile.imwrite(
        tmp_path / "two.ome.tif", data,
        metadata={"axes": "TCYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5,
                  "Channel": {"Name": ["dapi", "gfp"]}},
    )  # fmt: skip
    viewer = make_napari_viewer_proxy()
    first, _ = viewer.open(str(tmp_path / "two.ome.tif"), plugin=NAME)
    labels = np.zeros((4, 16, 20), np.uint8)
    labels[:, 3:9, 4:12] = 1
    viewer.add_labels(labels, name="mine", scale=first.scale, units=first.units)
    return viewer


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_of_channels_and_labels_measures_every_channel(
    channels, ending: str, tmp_path: Path
) -> None:
    out = tmp_path / f"both{ending}"
    assert channels.layers.save(str(out), plugin=NAME) == [str(out)]
    table = pd.read_csv(out) if ending == ".csv" else pd.read_parquet(out)
    assert len(table) == 4
    assert set(table["area_um2"]) == {6 * 8 * 0.25}
    means = {name: set(table[name]) for name in table if name.startswith("mean_")}
    assert sorted(map(tuple, means.values())) == [(100.0,), (3000.0,)], means


def test_an_overlay_of_channels_and_labels_shows_their_mixture(channels, tmp_path: Path) -> None:
    out = tmp_path / "both.png"
    assert channels.layers.save(str(out), plugin=NAME) == [str(out)]
    assert channels.layers.save(str(tmp_path / "both.mp4"), plugin=NAME)
    with Picture.open(out) as sheet:
        assert sheet.size[0] > 100


def test_images_that_do_not_lie_pixel_on_pixel_are_no_channels(channels, tmp_path: Path) -> None:
    channels.add_image(np.zeros((4, 5, 6), np.uint8), name="other")
    with pytest.raises(AxesError, match="'other' has not the shape"):
        channels.layers.save(str(tmp_path / "both.csv"), plugin=NAME)
    assert not (tmp_path / "both.csv").exists()


def test_labels_whose_name_has_no_ending_are_saved_as_ome_tiff(ours, tmp_path: Path) -> None:
    viewer, workspace = ours
    assert save(viewer, tmp_path / "a_ctc") == [str(tmp_path / "a_ctc.ome.tif")]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a_ctc.ome.tif"), workspace.layer.data)


def test_what_cannot_be_saved_is_said_and_nothing_is_left(ours, tmp_path: Path, plugins) -> None:
    viewer, _ = ours
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    writers = plugins.iter_compatible_writers(["labels"])
    folder = next(w for w in writers if w.command == f"{NAME}.write_davis")
    with pytest.raises(OutputError, match="is there already"):
        viewer.layers.save(str(tmp_path / "full"), selected=True, _writer=folder)
    with pytest.raises(OutputError, match="no folder"):
        save(viewer, tmp_path / "missing" / "a.json")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["thesis.txt"]


def test_only_formats_that_are_there_have_a_function() -> None:
    with pytest.raises(AttributeError, match="write_doc"):
        door.write_doc  # noqa: B018


# Layers as results


def test_a_copy_of_our_layer_is_what_it_shows_and_not_the_project(ours) -> None:
    viewer, workspace = ours
    copy = viewer.add_labels(np.array(workspace.layer.data), metadata=workspace.layer.metadata)
    copy.data[0] = 5
    assert [s.object_id for s in result_of_layer(copy).subjects] == [1, 2, 5]
    assert [s.object_id for s in result_of_layer(workspace.layer).subjects] == [1, 2]


def test_axes_of_a_layer_become_frames_and_planes() -> None:
    data = np.zeros((3, 2, 5, 6), np.uint8)  # t z y x
    data[1, 0], data[2, 1] = 7, 8
    layer = Labels(
        data, axis_labels=("t", "z", "y", "x"), scale=(2, 3, 1, 1),
        units=("s", "um", "um", "um"),
    )  # fmt: skip
    result = result_of_layer(layer)
    assert (result.num_planes, result.clip.num_frames, result.size) == (2, 3, (5, 6))
    assert [int(result.labels(f).max()) for f in range(6)] == [0, 7, 0, 0, 0, 8]
    assert result.clip.frame_interval_s == 2
    assert result.clip.z_step_um == 3
    assert result.clip.pixel_size_um == (1, 1)


def test_a_stack_of_planes_plays_through_z() -> None:
    layer = Labels(
        np.ones((3, 5, 6), np.uint8), axis_labels=("z", "y", "x"), scale=(3, 1, 2),
        units=("um", "um", "um"),
    )  # fmt: skip
    clip = result_of_layer(layer).clip
    assert (clip.time_axis, clip.z_step_um, clip.pixel_size_um) == ("Z", 3, (1, 2))
    assert clip.frame_interval_s is None


def test_labels_that_cannot_be_followed_are_refused() -> None:
    with pytest.raises(RequestError, match="more axes than time and planes"):
        result_of_layer(Labels(np.zeros((2, 2, 2, 4, 4), np.uint8)))
    with pytest.raises(ClipError, match="the value -1"):
        result_of_layer(Labels(np.full((2, 4, 4), -1, np.int16)))
    other = Image(movie()[:3, :5, :6])
    with pytest.raises(ShapeMismatch, match="'Image' has 3 frames of 5 × 6 px"):
        result_of_layer(Labels(np.zeros((2, 4, 4), np.uint8)), [other])
