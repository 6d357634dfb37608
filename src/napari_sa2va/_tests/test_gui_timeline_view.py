"""The timeline under the user's hands: clicks, keys, the menu, zoom and scroll bars."""

import gc
import weakref

import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_sa2va._tests.made_timelines import doubt, lane, timeline
from napari_sa2va._tests.timeline_hands import (
    CTRL,
    LEFT,
    NO_KEY,
    SHIFT,
    SHOWN,
    Said,
    along,
    place,
    press,
    shown_view,
    turn,
)
from napari_sa2va.gui.timeline_curves import AREA
from napari_sa2va.gui.timeline_view import TimelineView


@pytest.fixture
def view(qtbot) -> TimelineView:
    return shown_view(qtbot)


@pytest.fixture
def said(view) -> Said:
    return Said(view)


def test_a_click_on_a_lane_goes_to_its_frame_and_says_so(view, said) -> None:
    QTest.mouseClick(view.lanes, LEFT, NO_KEY, place(view, 4, row=1))
    assert said.all == [("frame_chosen", 4)]
    assert view.frame == 4
    assert view.selected == 1


def test_a_click_on_the_ruler_or_the_plot_goes_to_its_frame(view, said) -> None:
    QTest.mouseClick(view.ruler, LEFT, NO_KEY, along(view, 6))
    view.show_plot()
    QTest.mouseClick(view.plot, LEFT, NO_KEY, along(view, 2))
    assert said.all == [("frame_chosen", 6), ("frame_chosen", 2)]


def test_dragging_goes_from_frame_to_frame_and_stops_at_the_ends(view, said) -> None:
    QTest.mousePress(view.lanes, LEFT, NO_KEY, place(view, 4))
    for x in (place(view, 5).x(), place(view, 5).x() + 2, place(view, 6).x(), 5000, -50):
        QTest.mouseMove(view.lanes, QPoint(x, 10))
        QApplication.processEvents()
    QTest.mouseRelease(view.lanes, LEFT, NO_KEY, QPoint(0, 10))
    assert [frame for _, frame in said.all] == [4, 5, 6, 9, 0]


def test_a_click_on_a_name_chooses_the_object_and_leaves_the_frame(view, said) -> None:
    QTest.mouseClick(view.lanes, LEFT, NO_KEY, QPoint(30, place(view, 0, row=1).y()))
    assert said.all == [("object_chosen", 2)]
    assert (view.selected, view.frame) == (2, 0)


def test_a_click_below_the_last_name_chooses_nothing(view, said) -> None:
    QTest.mouseClick(view.lanes, LEFT, NO_KEY, QPoint(30, view.lanes.height() - 2))
    assert said.all == []


def test_a_double_click_locks_the_object_of_that_lane_on_that_frame(view, said) -> None:
    QTest.mouseDClick(view.lanes, LEFT, NO_KEY, place(view, 8, row=1))
    assert ("lock_toggled", 2, 8) in said.all


def test_setting_frame_object_and_curve_says_nothing(view, said) -> None:
    view.set_frame(5)
    view.set_selected(2)
    view.set_curve(AREA)
    view.set_timeline(timeline())
    assert said.all == []


def test_arrows_step_and_stop_at_the_ends(view, said) -> None:
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left):
        press(view, key)
    press(view, Qt.Key.Key_End)
    press(view, Qt.Key.Key_Right)
    press(view, Qt.Key.Key_Home)
    assert said.all == [("frame_chosen", frame) for frame in (1, 2, 1, 9, 0)]


def test_up_and_down_choose_objects(view, said) -> None:
    press(view, Qt.Key.Key_Up)
    press(view, Qt.Key.Key_Down)
    press(view, Qt.Key.Key_Down)
    press(view, Qt.Key.Key_Up)
    assert said.all == [("object_chosen", 2), ("object_chosen", 1)]


def test_down_chooses_the_first_object_where_none_is_selected(view, said) -> None:
    view.set_selected(None)
    press(view, Qt.Key.Key_Down)
    assert said.all == [("object_chosen", 1)]


def test_n_jumps_from_doubt_to_doubt_and_to_the_object_in_doubt(view, said) -> None:
    press(view, Qt.Key.Key_N)
    assert said.all == [("frame_chosen", 3)]  # the object in doubt is selected already
    press(view, Qt.Key.Key_N)
    assert said.all[1:] == [("frame_chosen", 7), ("object_chosen", 2)]
    press(view, Qt.Key.Key_N)
    assert len(said.all) == 3
    press(view, Qt.Key.Key_N, SHIFT)
    assert said.all[3:] == [("frame_chosen", 3), ("object_chosen", 1)]


def test_jumps_pass_over_reviewed_frames(view, said) -> None:
    view.set_timeline(timeline(doubts=[doubt(3), doubt(7)], reviewed=[3]))
    press(view, Qt.Key.Key_N)
    assert said.all == [("frame_chosen", 7)]


def test_r_and_l_ask_for_marks_at_the_cursor(view, said) -> None:
    view.set_frame(5)
    press(view, Qt.Key.Key_R)
    press(view, Qt.Key.Key_L)
    view.set_selected(None)
    press(view, Qt.Key.Key_L)
    assert said.all == [("review_toggled", 5), ("lock_toggled", 1, 5)]


def test_plus_and_minus_zoom_around_the_cursor(view) -> None:
    view.set_timeline(timeline(lane(num_frames=1000)))
    view.set_frame(500)
    before = view.time_axis.x_of(500.5)
    press(view, Qt.Key.Key_Plus)
    assert view.time_axis.span == pytest.approx(1000 / 1.5)
    assert view.time_axis.x_of(500.5) == pytest.approx(before)
    press(view, Qt.Key.Key_Minus)
    assert view.time_axis.is_whole


def test_keys_of_others_are_left_to_them(view, said) -> None:
    parent = QWidget()
    heard = []
    parent.keyPressEvent = lambda event: heard.append(event.key())
    view.setParent(parent)
    press(view, Qt.Key.Key_B)
    press(view, Qt.Key.Key_N, CTRL)
    press(view, Qt.Key.Key_N)
    view.setParent(None)
    assert [key for key in heard if key != Qt.Key.Key_Control] == [Qt.Key.Key_B, Qt.Key.Key_N]
    assert said.all == [("frame_chosen", 3)]


def labels(menu) -> list[str]:
    return [action.text() for action in menu.actions() if not action.isSeparator()]


def test_the_menu_of_a_frame_offers_lock_and_review(view, said) -> None:
    menu = view.menu_for(5, 1)
    assert labels(menu)[:2] == ["Unlock 'red cell' on frame 5", "Frame 5 is reviewed"]
    for action in menu.actions()[:2]:
        action.trigger()
    assert said.all == [("lock_toggled", 1, 5), ("review_toggled", 5)]
    assert labels(view.menu_for(1, 2))[:2] == [
        "Lock 'blue cell' on frame 1",
        "Frame 1 is not reviewed",
    ]


def test_the_menu_jumps_and_shows_all_frames(view, said) -> None:
    actions = {action.text(): action for action in view.menu_for(None, None).actions()}
    assert not actions["Previous doubtful frame"].isEnabled()
    assert not actions["Show all frames"].isEnabled()
    actions["Next doubtful frame"].trigger()
    assert said.all == [("frame_chosen", 3)]
    turn(view.lanes, place(view, 5), 1, CTRL)
    assert not view.time_axis.is_whole
    {a.text(): a for a in view.menu_for(None, None).actions()}["Show all frames"].trigger()
    assert view.time_axis.is_whole


def test_ctrl_and_wheel_zoom_around_the_mouse(view) -> None:
    view.set_timeline(timeline(lane(num_frames=1000)))
    at = place(view, 250)
    frame = view.time_axis.frame_at(at.x())
    turn(view.lanes, at, 4, CTRL)
    assert view.time_axis.span == pytest.approx(1000 / 1.25**4)
    assert view.time_axis.frame_at(at.x()) == frame
    assert view.along_bar.isVisible()
    turn(view.lanes, at, -10, CTRL)
    assert view.time_axis.is_whole
    assert not view.along_bar.isVisible()


def test_the_wheel_pans_where_all_lanes_fit_and_scrolls_lanes_where_they_do_not(view) -> None:
    turn(view.lanes, place(view, 5), 2, CTRL)
    first = view.time_axis.first
    turn(view.lanes, place(view, 5), -1)
    panned = view.time_axis.first
    assert panned > first
    view.set_timeline(timeline(*(lane(number) for number in range(1, 13))))
    QApplication.processEvents()
    turn(view.lanes, place(view, 5), -1)
    assert view.lanes.scrolled == 60
    assert view.time_axis.first == panned
    turn(view.lanes, place(view, 5), 1, SHIFT)
    assert view.lanes.scrolled == 60
    assert view.time_axis.first < panned


def test_the_scroll_bar_pans(view) -> None:
    view.set_timeline(timeline(lane(num_frames=1000)))
    turn(view.lanes, QPoint(400, 10), 10, CTRL)
    view.along_bar.setValue(view.along_bar.maximum())
    axis = view.time_axis
    assert axis.first == pytest.approx(1000 - axis.span, abs=0.1)


def test_the_cursor_is_kept_in_view(view) -> None:
    view.set_timeline(timeline(lane(num_frames=1000)))
    turn(view.lanes, QPoint(view.lanes.width() - 10, 10), 10, CTRL)
    view.set_frame(3)
    axis = view.time_axis
    assert axis.first <= 3 < axis.first + axis.span


def test_selecting_the_same_object_again_leaves_the_lanes_where_they_are(view) -> None:
    view.set_timeline(timeline(*(lane(number) for number in range(1, 13))))
    QApplication.processEvents()
    view.down_bar.setValue(100)
    view.set_selected(1)
    assert view.lanes.scrolled == 100


def test_selecting_an_object_scrolls_to_its_lane(view) -> None:
    view.set_timeline(timeline(*(lane(number) for number in range(1, 13))))
    QApplication.processEvents()
    assert view.down_bar.isVisible()
    view.set_selected(12)
    rows, room = view.lanes.rows, view.lanes.height()
    assert rows.top_of(11) + rows.height <= room
    view.set_selected(1)
    assert view.lanes.scrolled == 0


def test_zoom_stays_while_a_run_goes_on_and_ends_with_another_movie(view) -> None:
    turn(view.lanes, place(view, 5), 1, CTRL)
    zoomed = view.time_axis
    view.set_timeline(timeline(lane(1, absent=[4]), lane(2)))
    assert view.time_axis == zoomed
    view.set_timeline(timeline(lane(1, num_frames=50)))
    assert view.time_axis.is_whole


def test_its_letters_are_not_taken_for_shortcuts_of_the_window(view) -> None:
    def kept(key: Qt.Key) -> bool:
        """Whether the widget claims a key before the window looks for a shortcut."""
        event = QKeyEvent(QEvent.Type.ShortcutOverride, key, NO_KEY)
        event.ignore()
        QApplication.sendEvent(view, event)
        return event.isAccepted()

    assert [kept(key) for key in (Qt.Key.Key_N, Qt.Key.Key_B)] == [True, False]
    view.set_timeline(None)
    assert not kept(Qt.Key.Key_N)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_fits_under_the_canvas_of_a_small_screen(make_napari_viewer_proxy, theme) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    viewer.theme = theme
    view = TimelineView()
    viewer.window.add_dock_widget(view, area="bottom")
    view.window().resize(1366, 768)
    QApplication.processEvents()
    # As high with three objects as while empty.
    empty = view.sizeHint().height()
    view.set_timeline(timeline(*(lane(number) for number in (1, 2, 3))))
    QApplication.processEvents()
    assert empty == view.sizeHint().height() <= 170
    assert not view.down_bar.isVisible()
    turn(view.lanes, QPoint(600, 10), 1, CTRL)
    QApplication.processEvents()
    assert view.along_bar.isVisible()
    assert not view.down_bar.isVisible()


def test_its_letters_do_not_reach_naparis_keys(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    heard = []
    viewer.bind_key("n", lambda _: heard.append("n"))
    view = TimelineView()
    viewer.window.add_dock_widget(view, area="bottom")
    view.set_timeline(SHOWN)
    view.set_selected(1)
    said = Said(view)
    press(view, Qt.Key.Key_N)
    assert said.all == [("frame_chosen", 3)]
    assert heard == []


def test_nothing_is_left_of_it_once_it_is_deleted(qtbot) -> None:
    view = TimelineView()
    view.set_timeline(SHOWN)
    view.show()
    view.menu_for(3, 1)
    view.grab()
    gone = weakref.ref(view)
    view.close()
    view.deleteLater()
    del view

    def collected() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(collected)
