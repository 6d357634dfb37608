"""The lower part of the dock: what is said of a run that is faster than anybody can read."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QEvent, QObject

from napari_sa2va.gui.run_panel import RunPanel

WAIT_MS = 120_000


@pytest.fixture
def panel(qtbot) -> RunPanel:
    made = RunPanel()
    qtbot.addWidget(made)
    made.set_running(True)
    return made


def test_the_first_frame_is_told_at_once_and_the_last_in_a_moment(panel, qtbot) -> None:
    panel.show_progress(1, 50, None)
    assert panel.progress.value() == 1
    assert panel.stage.text() == "1 of 50 frames done"
    for done in range(2, 31):
        panel.show_progress(done, 50, 4.0)
    assert panel.progress.value() == 1, "not for every frame"
    qtbot.waitUntil(lambda: panel.progress.value() == 30, timeout=WAIT_MS)
    assert panel.stage.text() == "30 of 50 frames done, 4 s left"


def test_what_is_said_after_the_progress_is_not_overwritten_by_it(panel, qtbot) -> None:
    panel.show_progress(1, 50, None)
    panel.show_progress(2, 50, None)
    panel.show_stage("Stopping …")
    assert panel.progress.value() == 2
    qtbot.waitUntil(lambda: not panel._pause.isActive(), timeout=WAIT_MS)
    assert panel.stage.text() == "Stopping …"
    panel.show_progress(50, 50, None)
    panel.show_outcome("Done.")
    assert panel.progress.value() == 50
    assert panel.stage.text() == "Done."


class Paints(QObject):
    """Counts how often a widget is painted."""

    count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.Paint
        return False


def test_a_bar_whose_value_changes_does_not_draw_the_window_at_once(panel, qtbot) -> None:
    panel.show()
    qtbot.waitExposed(panel)
    panel.show_progress(1, 50, None)
    paints = Paints()
    panel.progress.installEventFilter(paints)
    qtbot.waitUntil(lambda: not panel._pause.isActive(), timeout=WAIT_MS)
    paints.count = 0
    panel.show_progress(30, 50, None)
    assert paints.count == 0
    qtbot.waitUntil(lambda: paints.count > 0, timeout=WAIT_MS)
    assert panel.progress.value() == 30
