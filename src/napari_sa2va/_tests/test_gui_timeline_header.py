"""The buttons over the timeline, and all that it says in words."""

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QWidget

from napari_sa2va._tests.made_timelines import lane, timeline
from napari_sa2va._tests.timeline_hands import SHOWN, Said, along, place, press, shown_view
from napari_sa2va.gui.timeline_canvas import TimelineCanvas
from napari_sa2va.gui.timeline_view import TimelineView
from napari_sa2va.gui.timeline_words import EMPTY


@pytest.fixture
def view(qtbot) -> TimelineView:
    return shown_view(qtbot)


@pytest.fixture
def said(view) -> Said:
    return Said(view)


def test_the_buttons_do_what_the_keys_do(view, said) -> None:
    header = view.header
    header.later_button.click()
    header.later_button.click()
    header.earlier_button.click()
    header.review_box.click()
    header.lock_box.click()
    assert [one for one in said.all if one[0] != "object_chosen"] == [
        ("frame_chosen", 3), ("frame_chosen", 7), ("frame_chosen", 3),
        ("review_toggled", 3), ("lock_toggled", 1, 3),
    ]  # fmt: skip


def test_jump_buttons_are_off_where_no_doubt_lies_ahead(view) -> None:
    def states() -> tuple[bool, bool]:
        return view.header.earlier_button.isEnabled(), view.header.later_button.isEnabled()

    assert states() == (False, True)
    view.set_frame(5)
    assert states() == (True, True)
    view.set_frame(7)
    assert states() == (True, False)


def test_the_boxes_show_what_is_and_not_what_was_asked_for(view) -> None:
    view.set_frame(5)
    assert view.header.lock_box.isChecked()
    assert not view.header.review_box.isChecked()
    view.header.review_box.click()
    assert not view.header.review_box.isChecked()
    view.set_timeline(timeline(lane(1, locked=[]), reviewed=[5]))
    assert view.header.review_box.isChecked()
    assert not view.header.lock_box.isChecked()


def test_nothing_can_be_locked_while_no_object_is_selected(view) -> None:
    assert view.header.lock_box.isEnabled()
    view.set_selected(None)
    assert not view.header.lock_box.isEnabled()
    view.set_selected(99)
    assert not view.header.lock_box.isEnabled()


def test_the_row_counts_what_is_left_and_tells_the_doubts_of_the_frame(view) -> None:
    assert view.header.counts.text() == "2 doubtful, 1 reviewed"
    assert view.header.words.text() == ""
    view.set_frame(3)
    assert view.header.words.text() == "red cell – Doubt on frame 3."
    view.set_timeline(timeline())
    assert view.header.counts.text() == "nothing doubtful"


def test_tool_tips_tell_the_keys(view) -> None:
    header = view.header
    for part, key in (
        (header.earlier_button, "(Shift+N)"),
        (header.later_button, "(N)"),
        (header.review_box, "(R)"),
        (header.lock_box, "(L)"),
    ):
        assert part.toolTip().endswith(key)
    assert "Ctrl+wheel" in header.legend_button.legend()


def test_every_control_has_a_name_for_screen_readers(view) -> None:
    for control in view.findChildren(QWidget):
        if isinstance(control, QAbstractButton | QComboBox | TimelineCanvas):
            words = control.accessibleName() or getattr(control, "text", str)()
            assert words, control


def test_a_narrow_row_breaks_in_two_and_no_control_is_clipped(qtbot) -> None:
    heights = []
    for width in (1100, 420):
        view = TimelineView()
        qtbot.addWidget(view)
        view.header.review_box.setText("Durchgesehen")
        view.header.lock_box.setText("Gesperrt")
        view.set_timeline(SHOWN)
        view.set_frame(3)
        view.resize(width, 200)
        view.show()
        qtbot.waitExposed(view)
        QApplication.processEvents()
        assert view.width() == width
        heights.append(view.header.height())
        for control in view.header.findChildren(QAbstractButton):
            if control.isVisible() and control is not view.header.legend_button:
                assert control.width() >= control.minimumSizeHint().width(), control.text()
        assert view.header.counts.width() >= view.header.counts.sizeHint().width()
    assert heights[1] > heights[0]


def test_longer_counts_break_the_row_without_a_new_size(view, qtbot) -> None:
    header = view.header

    def below() -> int:
        return header.review_box.mapTo(header, QPoint()).y() - header.counts.y()

    assert abs(below()) < 10
    header.counts.setText("12345 zweifelhafte Bilder, von denen 12345 durchgesehen sind")
    qtbot.waitUntil(lambda: below() > 10)
    assert view.width() == 800


def test_the_description_says_the_state_at_the_cursor(view) -> None:
    view.set_frame(3)
    assert view.accessibleDescription() == (
        "Frame 3: red cell present, score 0.41. Doubtful: red cell – Doubt on frame 3."
    )
    view.set_frame(5)
    assert view.accessibleDescription() == (
        "Frame 5: red cell present, score 1.00, corrected, locked. Key frame."
    )
    view.set_selected(None)
    view.set_frame(9)
    assert view.accessibleDescription() == (
        "Frame 9: red cell present, score 1.00; blue cell no result yet."
    )


def test_tool_tips_tell_name_state_and_doubts(view) -> None:
    sight = view.lanes.sight
    assert view.lanes.tip_at(QPoint(30, 10), sight) == "red cell"
    assert view.lanes.tip_at(place(view, 3), sight).split("\n") == [
        "Frame 3: red cell present, score 0.41",
        "Area 100 px, J with the frame before 0.90",
        "Doubt on frame 3.",
    ]
    assert view.lanes.tip_at(place(view, 8, row=1), sight).startswith("Frame 8: blue cell absent")
    assert view.lanes.tip_at(place(view, 9, row=1), sight) == "Frame 9: blue cell no result yet"
    assert view.ruler.tip_at(along(view, 5), sight) == "Frame 5: key frame"
    assert view.ruler.tip_at(along(view, 7), sight) == "Frame 7\nblue cell – Doubt on frame 7."


def test_an_empty_timeline_says_what_will_be_seen(qtbot) -> None:
    view = TimelineView()
    qtbot.addWidget(view)
    view.show()
    for nothing in (None, timeline(), None):
        view.set_timeline(nothing)
        assert view.empty.isVisible() == (nothing is None)
        assert view.lanes.isVisible() == (nothing is not None)
    assert view.empty.text() == view.accessibleDescription() == EMPTY
    for key in (Qt.Key.Key_Right, Qt.Key.Key_N, Qt.Key.Key_R, Qt.Key.Key_Plus):
        press(view, key)


def test_a_timeline_without_frames_or_objects_is_empty(view) -> None:
    view.set_timeline(timeline(lane(num_frames=0)))
    assert view.empty.isVisible()


def test_frames_beyond_the_movie_are_shown_as_its_last(view) -> None:
    view.set_frame(500)
    assert view.accessibleDescription().startswith("Frame 9: red cell present")
    press(view, Qt.Key.Key_Left)
    assert view.frame == 8
