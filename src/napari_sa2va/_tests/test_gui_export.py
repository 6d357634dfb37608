"""Masks written from the dock: the formats that are offered, the place, stopping, what was lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pycocotools.coco import COCO
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_sa2va._tests.fakes import colour_clip
from napari_sa2va._tests.made_workspaces import workspace_on
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.export_dialog import FormatDialog
from napari_sa2va.gui.export_panel import ExportPanel
from napari_sa2va.gui.exporter import Export, Stopped, offers_for, suggested
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.writers import WRITERS, davis, ome_tiff
from napari_sa2va.writers.result import Result, of_masklets

WAIT_MS = 15_000
BOXES = {"left": [(2, 3, 8, 9)] * 4, "right": [None, (4, 6, 10, 16), (4, 6, 10, 16), None]}


def result_with(object_id: int = 1, planes: int = 1) -> Result:
    clip = colour_clip(4)
    masklet = Masklet.empty(object_id, "it", "", (4 * planes, clip.height, clip.width))
    for t in range(4 * planes):
        masklet.set_mask(t, clip.rgb(t % 4)[..., 0] > 0)
    return of_masklets(clip, [masklet], num_planes=planes)


# Without a window


def test_every_format_is_offered_and_what_cannot_hold_the_masks_says_why() -> None:
    assert {o.about.kind for o in offers_for(result_with())} == {w.FORMAT.kind for w in WRITERS}
    refusals = {o.about.kind: o.refusal for o in offers_for(result_with(300))}
    assert refusals["ome-tiff"] == ""
    assert "ids up to 254" in refusals["davis"]
    assert "refers to DICOM frames" in refusals["dicom-seg"]
    refusals = {o.about.kind: o.refusal for o in offers_for(result_with(planes=2))}
    assert refusals["nifti"] == ""
    assert "has no z axis" in refusals["coco"]
    order = [bool(o.refusal) for o in offers_for(result_with(planes=2))]
    assert order == sorted(order)


def test_labels_of_an_image_in_a_store_are_offered_a_place_in_it(tmp_path: Path) -> None:
    store = tmp_path / "movie.ome.zarr"
    store.mkdir()
    result = result_with()
    inside = replace(result, clip=replace(result.clip, source=str(store)))
    of = {offer.about.kind: offer for offer in offers_for(inside)}
    assert of["ome-zarr"].store == store
    assert "it goes into movie.ome.zarr" in of["ome-zarr"].words
    assert {kind for kind, offer in of.items() if offer.store} == {"ome-zarr"}
    assert all(offer.store is None for offer in offers_for(result))


def test_a_name_is_suggested_that_every_system_allows() -> None:
    assert suggested("movie: C=0 / 1", ome_tiff.FORMAT, "/data") == Path(
        "/data/movie- C-0 - 1.ome.tif"
    )
    assert suggested("", davis.FORMAT, "/data") == Path("/data/masks-davis")


def test_an_export_counts_its_frames_and_can_be_stopped(tmp_path: Path) -> None:
    token, result = CancelToken(), result_with()
    export = Export(result, tmp_path / "a.tif", "ome-tiff", overwrite=False)
    (written,) = export.run(token)
    assert (export.done, export.total) == (4, 4)
    before = written.path.read_bytes()

    def stopping(f: int):
        if f == 1:
            token.cancel()
        return result.frame(f)

    again = replace(result, frame=stopping)
    export = Export(again, tmp_path / "a.tif", "ome-tiff", overwrite=True)
    assert list(export.run(token)) == [Stopped()]
    assert export.done == 2
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
    assert written.path.read_bytes() == before


def test_frames_count_in_the_order_in_which_they_are_written(tmp_path: Path) -> None:
    # OME-TIFF goes time by time, so that of two planes the fifth frame is asked for as the second.
    result, asked, counts = result_with(planes=2), [], []

    def frame(f: int):
        asked.append(f)
        counts.append(export.done)
        return result.frame(f)

    export = Export(replace(result, frame=frame), tmp_path / "a.tif", "ome-tiff", overwrite=False)
    list(export.run(CancelToken()))
    assert asked == [0, 4, 1, 5, 2, 6, 3, 7]
    assert counts == [1, 2, 3, 4, 5, 6, 7, 8]


# In the dock


@pytest.fixture
def panel(make_napari_viewer_proxy, qtbot):
    """The panel with masks to export, two of which overlap, and what it says."""
    viewer = make_napari_viewer_proxy()
    movie = np.random.default_rng(0).integers(0, 255, (4, 16, 20), dtype=np.uint8)
    workspace = workspace_on(viewer, viewer.add_image(movie, name="movie"), BOXES)
    bench = Bench(viewer)
    bench.take(workspace)
    made = ExportPanel(bench)
    qtbot.addWidget(made)
    said: list[str] = []
    made.refused.connect(lambda message, hint: said.append(f"{message} {hint}"))
    made.told.connect(lambda message, hint: said.append(message))
    made.said = said
    return made


def finish(panel: ExportPanel, qtbot) -> None:
    qtbot.waitUntil(lambda: not panel.busy, timeout=WAIT_MS)


def test_masks_are_written_as_they_were_when_it_began(panel, tmp_path: Path, qtbot) -> None:
    workspace = panel._bench.workspace
    shown = np.array(workspace.layer.data)
    panel.export_to(tmp_path / "cells", ome_tiff.FORMAT)
    assert panel.busy
    assert panel.row.cancel_button.isEnabled()
    workspace.do(Paint(frame=0, masks={1: workspace.project.state.cell(1, 1).code}))
    finish(panel, qtbot)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "cells.ome.tif"), shown)
    assert "cells.ome.tif" in panel.row.stage.text()
    (lost,) = panel.said
    assert "Objects overlap on 2 frame(s)" in lost


def test_what_cannot_be_written_is_said_and_the_next_try_goes_on(
    panel, tmp_path: Path, qtbot
) -> None:
    (tmp_path / "a.ome.tif").write_bytes(b"precious")
    panel.export_to(tmp_path / "a.ome.tif", ome_tiff.FORMAT)
    assert not panel.busy
    assert "is there already" in panel.said.pop()
    panel.export_to(tmp_path / "a.ome.tif", ome_tiff.FORMAT, overwrite=True)
    finish(panel, qtbot)
    assert tifffile.imread(tmp_path / "a.ome.tif").max() == 2


def test_without_masks_there_is_nothing_to_export(make_napari_viewer_proxy, qtbot) -> None:
    panel = ExportPanel(Bench(make_napari_viewer_proxy()))
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.refused) as refused:
        panel.row.start_button.click()
    assert "no masks to keep" in refused.args[0]


def test_a_person_chooses_a_format_and_then_a_place(
    panel, tmp_path: Path, qtbot, monkeypatch
) -> None:
    asked = []

    def choose() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, FormatDialog):
            return
        timer.stop()
        screen = (1366, 768)
        assert dialog.width() < screen[0]
        assert dialog.height() < screen[1]
        assert dialog.chosen.about.kind == "ome-tiff"
        dialog.choose("coco")
        assert "scores" in dialog.keeps.text()
        dialog.choose_button.click()

    def name(parent, title: str, start: str, endings: str) -> tuple[str, str]:
        asked.append((Path(start).name, endings))
        return str(tmp_path / "cells.json"), endings

    monkeypatch.setattr(QFileDialog, "getSaveFileName", name)
    timer = QTimer()
    timer.timeout.connect(choose)
    timer.start(10)
    panel.row.start_button.click()
    finish(panel, qtbot)
    assert asked == [("movie.json", "COCO JSON (run-length codes) (*.json)")]
    assert len(COCO(str(tmp_path / "cells.json")).getAnnIds()) == 6
    # The next time begins with the same format.
    assert FormatDialog(offers_for(result_with()), panel._kind).chosen.about.kind == "coco"


def test_a_format_that_cannot_hold_the_masks_says_why_and_cannot_be_taken(qtbot) -> None:
    dialog = FormatDialog(offers_for(result_with(300)), "davis")
    qtbot.addWidget(dialog)
    assert dialog.chosen.about.kind != "davis"
    assert dialog.choose_button.isEnabled()
    last = dialog.list.topLevelItem(dialog.list.topLevelItemCount() - 1)
    dialog.list.setCurrentItem(last)
    assert dialog.chosen.refusal
    assert dialog.keeps.text() == dialog.chosen.refusal
    assert not dialog.choose_button.isEnabled()
