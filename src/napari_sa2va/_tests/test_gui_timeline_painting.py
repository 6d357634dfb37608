"""What is seen of the timeline: pixels of lanes, ruler and plot."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QApplication

from napari_sa2va._tests.made_timelines import doubt, lane, timeline
from napari_sa2va._tests.timeline_hands import SHOWN, Said, along, cell, picture, shown_view
from napari_sa2va.gui.timeline_curves import AREA, SCORE, STEADINESS
from napari_sa2va.gui.timeline_lane import DOUBTS_PX, STRIP_PX
from napari_sa2va.gui.timeline_view import TimelineView


@pytest.fixture
def view(qtbot) -> TimelineView:
    return shown_view(qtbot)


@pytest.fixture
def said(view) -> Said:
    return Said(view)


def test_the_plot_offers_all_quantities_and_says_which_is_chosen(view, said) -> None:
    view.header.plot_button.click()
    box = view.header.curve_box
    assert box.isVisible()
    assert [box.itemText(n) for n in range(box.count())] == [
        SCORE, AREA, STEADINESS, "Area (µm²)",
    ]  # fmt: skip
    box.setCurrentIndex(3)
    box.textActivated.emit(box.currentText())
    assert said.all == [("curve_chosen", "Area (µm²)")]
    assert view.curve == "Area (µm²)"


def test_the_value_at_the_cursor_is_written_with_its_unit(view) -> None:
    view.show_plot()
    view.set_frame(3)
    assert view.plot.value_text() == "0.41"
    view.set_curve("Area (µm²)")
    assert view.plot.value_text() == "3 µm²"
    view.set_selected(2)
    assert view.plot.value_text() == "–"
    view.set_selected(None)
    assert view.plot.value_text() == ""


def test_a_curve_that_comes_later_is_waited_for(view) -> None:
    view.set_curve("Speed (µm/s)")
    assert view.curve == SCORE
    view.set_timeline(timeline(curves={"Speed (µm/s)": {1: np.zeros(10)}}))
    assert view.curve == view.header.curve_box.currentText() == "Speed (µm/s)"
    view.set_timeline(timeline())
    assert view.curve == SCORE


def test_values_of_all_objects_are_in_the_tool_tip_of_the_plot(view) -> None:
    view.show_plot()
    view.set_curve("Area (µm²)")
    assert view.plot.tip_at(along(view, 4), view.plot.sight).split("\n") == [
        "Frame 4, Area (µm²)", "red cell: 4 µm²", "blue cell: –",
    ]  # fmt: skip


def test_the_curve_is_drawn_and_stops_at_nan(view) -> None:
    values = np.full(10, 5.0)
    values[4:6] = np.nan
    values[0] = 0.0
    view.set_timeline(timeline(lane(1), curves={"Size (px)": {1: values}}))
    view.set_curve("Size (px)")
    view.show_plot()
    view.set_frame(9)
    QApplication.processEvents()
    pixels, axis = picture(view.plot), view.time_axis
    colored = (pixels.max(axis=2) - pixels.min(axis=2) > 60).any(axis=0)
    columns = [round(axis.x_of(frame)) for frame in (2.5, 3.2, 4.5, 5.5, 7)]
    assert colored[columns].tolist() == [True, True, False, False, True]


def test_with_no_object_selected_all_curves_are_drawn_alike(view) -> None:
    view.show_plot()
    view.set_timeline(timeline(lane(1), lane(2, score=dict.fromkeys(range(10), 0.5))))
    strengths = []
    for selected in (1, None):
        view.set_selected(selected)
        QApplication.processEvents()
        pixels = picture(view.plot)[:, round(view.time_axis.x_of(5))].astype(int)
        strengths.append((pixels[:, 2] - pixels[:, 0]).max())  # object 2 is blue
    assert strengths[0] > 0
    assert strengths[1] > 1.5 * strengths[0]


def test_marks_are_drawn_on_their_frames_only(view) -> None:
    view.set_frame(0)
    pixels = picture(view.lanes)
    plain = cell(view, pixels, 4)
    marked = cell(view, pixels, 5)[:, : plain.shape[1]]
    changed = (plain[:, : marked.shape[1]] != marked).any(axis=(1, 2))
    assert changed[DOUBTS_PX : DOUBTS_PX + STRIP_PX].any()  # corrected
    assert changed[DOUBTS_PX + STRIP_PX :].any()  # locked
    assert not changed[: DOUBTS_PX - 1].any()  # not in doubt
    again = cell(view, pixels, 6)[:, : plain.shape[1]]
    assert (plain[:, : again.shape[1]] == again).all()


def test_a_doubtful_frame_has_a_red_mark_above_its_strip(view) -> None:
    pixels = picture(view.lanes)
    for frame, in_doubt in ((2, False), (3, True)):
        above = cell(view, pixels, frame)[:DOUBTS_PX].astype(int)
        red = (above[..., 0] > above[..., 1] + 80) & (above[..., 0] > above[..., 2] + 60)
        assert red.any() == in_doubt


def test_absent_known_and_unknown_frames_look_different(view) -> None:
    pixels = picture(view.lanes)
    looks = [cell(view, pixels, frame, row=1) for frame in (5, 7, 9)]
    narrowest = min(look.shape[1] for look in looks)
    there, absent, unknown = (look[DOUBTS_PX : DOUBTS_PX + STRIP_PX, :narrowest] for look in looks)
    assert len({look.tobytes() for look in (there, absent, unknown)}) == 3
    assert (absent == absent[:, :1]).all()  # level
    assert not (unknown == unknown[:, :1]).all()  # hatched


def test_one_bad_frame_of_ten_thousand_is_seen(view) -> None:
    good = timeline(lane(num_frames=10_000))
    bad = timeline(lane(num_frames=10_000, score={5000: 0.0}))
    view.set_timeline(good)
    before = picture(view.lanes)
    view.set_timeline(bad)
    changed = (picture(view.lanes) != before).any(axis=(0, 2))
    column = int(view.time_axis.x_of(5000))
    assert np.flatnonzero(changed).tolist() == [column]


def test_the_ruler_marks_key_frames_and_reviewed_frames_in_rows_of_their_own(view) -> None:
    view.set_frame(9)
    marked = picture(view.ruler)
    view.set_timeline(timeline(*SHOWN.lanes))
    changed = (marked != picture(view.ruler)).any(axis=2)
    key, reviewed = round(view.ruler.key_row()), round(view.ruler.review_row())

    def frames(y: int) -> set[int]:
        return {view.time_axis.frame_at(x) for x in np.flatnonzero(changed[y])}

    assert frames(key - 2) == {0, 5}
    assert frames(reviewed) == {1}


def test_the_cursor_runs_through_ruler_lanes_and_plot(view) -> None:
    for canvas, plotted in ((view.ruler, False), (view.lanes, False), (view.plot, True)):
        view.show_plot(plotted)
        view.set_frame(2)
        QApplication.processEvents()
        before = picture(canvas)
        view.set_frame(7)
        changed = (picture(canvas) != before).any(axis=2)
        for frame in (2, 7):
            edge = round(view.time_axis.x_of(frame)) - 1
            assert changed[5:, edge - 1 : edge + 2].any(axis=1).mean() > 0.9


def test_only_lanes_that_changed_are_drawn_again(view) -> None:
    view.grab()
    kept = dict(view.lanes._drawn)
    assert set(kept) == {1, 2}
    view.set_timeline(timeline(lane(1, name="red cell", absent=[2]), SHOWN.lanes[1],
                               doubts=[doubt(7, 2)]))  # fmt: skip
    view.grab()
    assert view.lanes._drawn[2] is kept[2]
    assert view.lanes._drawn[1] is not kept[1]


def test_another_palette_is_taken_at_once(view) -> None:
    grounds = []
    for paper, ink in (("#202020", "#eeeeee"), ("#eeeeee", "#202020")):
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Window, QColor(paper))
        palette.setColor(QPalette.ColorRole.WindowText, QColor(ink))
        view.setPalette(palette)
        pixels = picture(view.lanes)
        # The second lane is not selected: above its strip is the ground.
        grounds.append(tuple(cell(view, pixels, 2, row=1)[2, 5]))
    assert grounds == [(0x20, 0x20, 0x20), (0xEE, 0xEE, 0xEE)]


def test_long_names_are_shortened_and_whole_in_the_tool_tip(view) -> None:
    name = "Die helle Zelle am linken oberen Rand, die sich im Verlauf zweimal teilt"
    view.set_timeline(timeline(lane(1, name=name)))
    assert view.time_axis.left <= 240
    assert view.lanes.tip_at(QPoint(30, 10), view.lanes.sight) == name
