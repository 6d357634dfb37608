"""The table of a batch: what it says of units, and that only what has changed is drawn anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QPalette
from qtpy.QtWidgets import QWidget

from napari_sa2va._tests.made_batches import batch_by_hand, finish
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.remove import remove
from napari_sa2va.batch.unit import Output
from napari_sa2va.core.palette import contrast
from napari_sa2va.gui.batch.look import state_color
from napari_sa2va.gui.batch.model import LEFT, MOVIE, STATE, BatchModel
from napari_sa2va.gui.batch.parts import BatchParts
from napari_sa2va.gui.batch.reader import FolderReader
from napari_sa2va.gui.batch.rows import WORDS, MovieRow
from napari_sa2va.gui.batch.table import BatchTable
from napari_sa2va.gui.batch.view import Offers
from napari_sa2va.gui.timeline_look import look_of


@pytest.fixture
def model(qapp) -> BatchModel:
    return BatchModel(QPalette())


def texts(model: BatchModel, at: int) -> list[str]:
    return [str(model.index(at, column).data()) for column in range(model.columnCount())]


def test_a_row_says_where_its_unit_stands(tmp_path: Path, model) -> None:
    folder = batch_by_hand(tmp_path / "night", 5)
    finish(folder, "0001")
    finish(folder, "0002", "nothing")
    finish(folder, "0003", "failed", certain=True, cause="Frame 3 is cut off.", hint="Copy it.")
    held = folder.runs.take("0004", 1, claim_here("w", key="key 4"))
    held.beat(frames_done=4, frames_planned=10, stage="tracking")
    model.take(FolderReader(folder).look().rows)
    assert texts(model, 0) == ["movie 1", "done", "100%", "", "1 of 2 (0.75)"]
    assert texts(model, 1) == ["movie 2", "nothing found", "100%", "", "0 of 2"]
    assert texts(model, 2)[:2] == ["movie 3", "failed"]
    # 90 s were foretold of each, and the first took 5 s: of the 5 s of this one, 6 frames of 10 are left.
    assert texts(model, 3) == ["movie 4", "working", "40%", "3 s", ""]
    assert texts(model, 4) == ["movie 5", "waiting", "0%", "", ""]
    tip = model.index(2, STATE).data(Qt.ItemDataRole.ToolTipRole)
    assert "Frame 3 is cut off.\nCopy it." in tip


def test_masks_that_are_kept_are_counted_while_the_next_worker_loads(tmp_path: Path) -> None:
    folder = batch_by_hand(tmp_path / "night", 2)
    finish(folder, "0001", "stopped", frames=7)
    finish(folder, "0002", frames=10)
    reader = FolderReader(folder)
    stopped, done = reader.look().rows
    assert (stopped.state, stopped.share) == ("waiting", 0.7)
    held = folder.runs.take("0001", 2, claim_here("w", key="key 1"))
    held.beat(stage="loading", frames_planned=10)
    (row,) = reader.look().rows
    assert (row.words, row.share) == ("loading", 0.7)
    held.beat(stage="tracking", frames_done=6)  # one frame after the safe point is done again
    (row,) = reader.look().rows
    assert (row.words, row.share) == ("working", 0.6)
    # What is to be done anew begins anew.
    assert done.share == 1.0
    folder.retry(["0002"])
    (row,) = [row for row in reader.look().rows if row.unit_id == "0002"]
    assert (row.state, row.share) == ("waiting", 0.0)


def test_what_has_failed_and_is_tried_again_is_told_from_what_is_known_to_be_damaged(
    tmp_path: Path,
) -> None:
    folder = batch_by_hand(tmp_path / "night", 2)
    finish(folder, "0001", "failed", cause="The drive is away.")
    facts = folder.facts()["0002"]
    folder.add_facts([facts.model_copy(update={"problem": "It is cut off.", "num_frames": 0})])
    again, damaged = FolderReader(folder).look().rows
    assert (again.words, again.cause) == ("waiting again", "The drive is away.")
    assert (damaged.words, damaged.cause) == ("waiting", "It is cut off.")


def test_units_that_are_taken_out_leave_the_table(tmp_path: Path, model) -> None:
    folder = batch_by_hand(tmp_path / "night", 3)
    reader = FolderReader(folder)
    model.take(reader.look().rows)
    remove(folder, ["0002"])  # by anybody, such as the command line
    seen = reader.look()
    assert (seen.rows, seen.gone, seen.total) == ((), ("0002",), 2)
    model.remove(seen.gone)
    assert [row.unit_id for row in model.rows] == ["0001", "0003"]
    assert reader.look().gone == ()


def test_masks_that_cover_each_other_are_told_where_the_format_cannot_keep_them(
    tmp_path: Path,
) -> None:
    folder = batch_by_hand(tmp_path / "night", 2)
    outputs = {"0001": "ome-tiff", "0002": "coco"}
    for unit_id, kind in outputs.items():
        output = Output(path=str(tmp_path / unit_id), kind=kind)
        folder.add([folder.units()[unit_id].model_copy(update={"outputs": (output,)})], {})
        finish(folder, unit_id, overlap_frames=3, outputs=(output.path,))
    flat, whole = FolderReader(folder).look().rows
    words = "on 3 frames masks cover each other, and OME-TIFF (labels) holds one object per pixel"
    assert ("Overlap", words) in flat.details
    assert "Overlap" not in dict(whole.details)


def test_only_rows_that_have_changed_are_told(tmp_path: Path, model, qtbot) -> None:
    folder = batch_by_hand(tmp_path / "night", 300)
    reader = FolderReader(folder)
    first = reader.look()
    assert len(first.rows) == 300
    model.take(first.rows)
    told = []
    model.dataChanged.connect(lambda top, bottom, *_: told.append((top.row(), bottom.row())))
    finish(folder, "0007")
    finish(folder, "0008")
    finish(folder, "0100", "nothing")
    second = reader.look()
    assert [row.unit_id for row in second.rows] == ["0007", "0008", "0100"]
    model.take(second.rows)
    assert told == [(6, 7), (99, 99)]
    assert reader.look().rows == ()


def test_new_units_are_added_below(tmp_path: Path, model) -> None:
    folder = batch_by_hand(tmp_path / "night", 2)
    reader = FolderReader(folder)
    model.take(reader.look().rows)
    unit = folder.units()["0001"]
    folder.add([unit.model_copy(update={"unit_id": "0003", "movie": "another"})], {})
    model.take(reader.look().rows)
    assert [model.index(row, MOVIE).data() for row in range(3)] == ["movie 1", "movie 2", "another"]


def test_states_differ_in_words_and_marks_and_are_easy_to_read(qapp) -> None:
    assert len(set(WORDS.values())) == len(WORDS)
    for window, text in (("#262930", "#f0f1f2"), ("#efebe9", "#3b3a39")):  # napari's themes
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Window, window)
        palette.setColor(QPalette.ColorRole.WindowText, text)
        look = look_of(palette)
        for state in WORDS:
            assert contrast(state_color(state, look), look.track) >= 2.0, (state, window)


def test_what_is_dropped_on_the_table_is_told_as_paths(model, qtbot, tmp_path: Path) -> None:
    table = BatchTable(model)
    qtbot.addWidget(table)
    data = QMimeData()
    address = "https://somewhere.org/plate.zarr"
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "a movie.tif")), QUrl(address)])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    with qtbot.waitSignal(table.dropped) as told:
        table.dropEvent(event)
    assert told.args == [[str(tmp_path / "a movie.tif"), address]]


def test_any_column_sorts_and_states_filter(model, qtbot) -> None:
    table = BatchTable(model)
    qtbot.addWidget(table)
    model.take([
        MovieRow("1", "b", "done", found=1, asked=2, left_s=None),
        MovieRow("2", "c", "waiting", left_s=30.0),
        MovieRow("3", "a", "failed"),
        MovieRow("4", "d", "waiting", left_s=9000.0),
    ])  # fmt: skip
    assert [row.movie for row in table.listed] == ["b", "c", "a", "d"], "as they were added"
    for column, expected in ((MOVIE, "abcd"), (STATE, "cdba")):
        table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
        assert "".join(row.movie for row in table.listed) == expected
    table.sortByColumn(LEFT, Qt.SortOrder.DescendingOrder)
    assert [row.movie for row in table.listed][:2] == ["d", "c"]
    table.show_only(frozenset({"waiting"}))
    assert [row.movie for row in table.listed] == ["d", "c"]
    # A row that comes into the state that is listed appears, and another one goes.
    model.take([MovieRow("3", "a", "waiting"), MovieRow("2", "c", "done")])
    assert {row.movie for row in table.listed} == {"a", "d"}
    table.choose("4")
    assert [row.unit_id for row in table.chosen] == ["4"]
    assert table.current == MovieRow("4", "d", "waiting", left_s=9000.0)


def test_what_a_selection_offers_is_found_without_the_model_being_asked_for_each_row(
    model, qtbot, monkeypatch
) -> None:
    asked = []
    data = BatchModel.data
    monkeypatch.setattr(BatchModel, "data", lambda *a: (asked.append(a), data(*a))[1])
    panel = QWidget()
    qtbot.addWidget(panel)
    parts = BatchParts(panel)
    states = ["waiting", "done", "running", "failed"] * 25
    parts.model.take(
        MovieRow(f"{n:03d}", f"movie {n:03d}", state) for n, state in enumerate(states)
    )
    table = parts.table
    table.sortByColumn(MOVIE, Qt.SortOrder.DescendingOrder)
    table.selectAll()
    assert asked, "as Qt does to sort"
    asked.clear()
    nothing = {"num_planned": 0, "is_busy": False, "is_adding": False, "is_starting": False}
    parts.show_offers(Offers(), **nothing)
    assert (parts.retry_action.isEnabled(), parts.remove_action.isEnabled()) == (True, True)
    assert asked == []
    assert [row.unit_id for row in table.chosen] == [f"{n:03d}" for n in reversed(range(100))]
    # Of several pieces, as they stand in the table.
    table.clearSelection()
    table.setSelectionMode(table.SelectionMode.MultiSelection)
    for place in (97, 1, 2, 93):
        table.selectRow(place)
    assert [row.unit_id for row in table.chosen] == ["098", "097", "006", "002"]
    table.show_only(frozenset({"running"}))
    parts.show_offers(Offers(), **nothing)
    assert [row.unit_id for row in table.chosen] == ["098", "006", "002"]
    assert (parts.retry_action.isEnabled(), parts.remove_action.isEnabled()) == (False, False)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["well-A07-488nm", "well-A12-488nm"], ["…A07…", "…A12…"]),
        (["exp 12", "exp 112"], ["…12", "…112"]),  # no figure of a number is left out
        (["control", "controlled"], ["control", "controlled"]),
        (["a-1", "a-2"], ["a-1", "a-2"]),  # a mark is as wide as what it stands for
        (["alone-in-the-batch"], ["alone-in-the-batch"]),
    ],
)
def test_names_are_told_apart_by_what_they_do_not_have_in_common(model, names, short) -> None:
    model.take(MovieRow(str(number), name, "waiting") for number, name in enumerate(names))
    model.leave_out_common(True)
    assert [model.index(row, MOVIE).data() for row in range(len(names))] == short


def test_names_that_fit_are_shown_whole_and_others_without_what_is_common(model, qtbot) -> None:
    table = BatchTable(model)
    qtbot.addWidget(table)
    table.show()
    name = "experiment-2026-11-mouse-{}-confocal-green"
    model.take(MovieRow(str(n), name.format(f"{n:02d}"), "waiting") for n in range(20))
    index = table.model().index(7, MOVIE)
    for width, shown in ((900, name.format("07")), (300, "…07…"), (900, name.format("07"))):
        table.resize(width, 300)
        assert index.data() == shown
        assert index.data(Qt.ItemDataRole.AccessibleTextRole) == name.format("07")
        assert name.format("07") in index.data(Qt.ItemDataRole.ToolTipRole)


def test_a_narrow_table_waives_columns_and_gets_them_back(model, qtbot) -> None:
    table = BatchTable(model)
    qtbot.addWidget(table)
    table.show()
    shown = {}
    for width in (252, 330, 440, 252, 440):
        table.resize(width, 300)
        shown[width] = [not table.isColumnHidden(column) for column in range(model.columnCount())]
        qtbot.waitUntil(lambda: not table.horizontalScrollBar().isVisible())
    assert shown[252] == [True, True, True, False, False]
    assert shown[330] == [True, True, True, True, False]
    assert shown[440] == [True] * 5
