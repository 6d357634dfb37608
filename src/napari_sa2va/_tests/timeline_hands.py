"""What the tests of the timeline do with it: show, click, press, look at pixels."""

import numpy as np
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_sa2va._tests.made_timelines import doubt, lane, timeline
from napari_sa2va.gui.timeline_canvas import TimelineCanvas
from napari_sa2va.gui.timeline_lane import LANE_PX
from napari_sa2va.gui.timeline_view import TimelineView

LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier

SHOWN = timeline(
    lane(1, name="red cell", score={3: 0.41}, corrected=[5], locked=[5]),
    lane(2, name="blue cell", absent=[7, 8], unknown=[9]),
    doubts=[doubt(3, 1), doubt(7, 2)],
    key_frames=[0, 5],
    reviewed=[1],
    curves={"Area (µm²)": {1: np.arange(10.0), 2: np.full(10, np.nan)}},
)


def shown_view(qtbot) -> TimelineView:
    """A shown timeline with two objects on ten frames, the first one selected."""
    view = TimelineView()
    qtbot.addWidget(view)
    view.resize(800, 168)
    view.set_timeline(SHOWN)
    view.set_selected(1)
    view.show()
    qtbot.waitExposed(view)
    return view


class Said:
    """What the timeline says, in order."""

    def __init__(self, view: TimelineView) -> None:
        self.all: list[tuple] = []
        for name in (
            "frame_chosen", "object_chosen", "review_toggled", "lock_toggled", "curve_chosen",
        ):  # fmt: skip
            getattr(view, name).connect(lambda *said, name=name: self.all.append((name, *said)))


def place(view: TimelineView, frame: int, row: int = 0) -> QPoint:
    """Middle of a frame's cell in a lane."""
    rows = view.lanes.rows
    return QPoint(round(view.time_axis.x_of(frame + 0.5)), rows.top_of(row) + rows.height // 2)


def along(view: TimelineView, frame: int) -> QPoint:
    """A frame on the ruler, or on the plot."""
    return QPoint(round(view.time_axis.x_of(frame + 0.5)), 20)


def press(view: TimelineView, key: Qt.Key, modifier: Qt.KeyboardModifier = NO_KEY) -> None:
    QTest.keyClick(view, key, modifier)


def turn(
    canvas: TimelineCanvas, at: QPoint, notches: int, modifier: Qt.KeyboardModifier = NO_KEY
) -> None:
    """Turn the wheel away from the user, or towards them."""
    event = QWheelEvent(
        QPointF(at),
        QPointF(canvas.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        modifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)


def picture(widget: QWidget) -> np.ndarray:
    """What a widget looks like: uint8 (height, width, 3)."""
    image = widget.grab().toImage()
    return np.array(
        [
            [image.pixelColor(x, y).getRgb()[:3] for x in range(image.width())]
            for y in range(image.height())
        ]
    )


def cell(view: TimelineView, pixels: np.ndarray, frame: int, row: int = 0) -> np.ndarray:
    """Pixels of one frame in one lane, without the seams."""
    top = view.lanes.rows.top_of(row)
    left, right = (round(view.time_axis.x_of(place)) for place in (frame, frame + 1))
    return pixels[top : top + LANE_PX, left + 2 : right - 2]
