"""Make the pictures of the dock in docs/images, from a real viewer and a real run of nano.

On a machine without a screen:

    xvfb-run -a -s "-screen 0 1920x1080x24" python docs/make_screenshots.py

Everything but times and free memory in the pictures is the same in every run.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

IMAGES = Path(__file__).parent / "images"
SENTENCES = ("the red cell", "the large yellow cell", "the green cell")  # the last is not there
QUESTIONS = ("Where is the blue cell?", "the red cell")  # nano answers these rightly, not all
SIZE = (1366, 768)
FRAME = 8  # on show in the picture of the whole window
HOLD_AT = 10  # frames done in the picture of a run on its way
PATIENCE_S = 1800

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.gui.dock import SentenceDock
    from napari_sa2va.gui.request import Message, Request


class Holding:
    """The pipeline, which waits after some frames until it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, request: Request, cancel: CancelToken) -> Iterator[Message]:
        """Run a request."""
        from napari_sa2va.gui.request import messages_of
        from napari_sa2va.pipeline.events import FrameMasks

        done = 0
        for message in messages_of(request, cancel):
            yield message
            done += type(message) is FrameMasks
            if done == HOLD_AT:
                self.go_on.wait()


def main() -> None:
    """Make every picture."""
    # The settings of whoever runs this must not show.
    os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")
    import napari

    from napari_sa2va.gui.dock import SentenceDock

    IMAGES.mkdir(exist_ok=True)
    viewer = napari.Viewer()
    source = Holding()
    dock = SentenceDock(viewer, source)
    viewer.window.add_dock_widget(dock, name="Segment by sentence", area="right")
    viewer.window._qt_window.resize(*SIZE)
    viewer.open_sample("napari-sa2va", "generated_movie")

    take_message(dock)
    dock.sentences.setPlainText("\n".join(SENTENCES))
    take_settings(dock)
    take_models(dock)
    take_running(dock, source)
    take_window(viewer, dock)
    take_talk(viewer)
    take_stack(viewer, dock)
    # A viewer that is closed while its canvas is drawn can take long to go.
    sys.stdout.flush()
    os._exit(0)


def take_settings(dock: SentenceDock) -> None:
    """The settings, opened, in full length."""
    dock.settings.advanced.button.setChecked(True)
    settle()
    save(dock.settings, "dock-settings.png")
    dock.settings.advanced.button.setChecked(False)


def take_models(dock: SentenceDock) -> None:
    """The window of models, for the sentences in the dock."""
    dock.settings.show_models()
    window = dock.settings.window_of_models
    assert window is not None
    wait(lambda: not window.controller.busy)
    window.select("sa2va-4b")
    window.resize(760, 460)
    save(window, "models.png")
    dock.settings.end()


def take_running(dock: SentenceDock, source: Holding) -> None:
    """A run on its way, then let it end."""
    dock.run()
    wait(lambda: dock.panel.progress.value() == HOLD_AT or not dock.controller.running)
    save(dock.panel, "dock-running.png")
    source.go_on.set()
    wait(lambda: not dock.controller.running)
    if dock.panel.message.text():
        raise SystemExit(dock.panel.message.text())


def take_window(viewer: Viewer, dock: SentenceDock) -> None:
    """The whole window after a run."""
    viewer.dims.set_current_step(0, FRAME)
    settle()
    viewer.screenshot(str(IMAGES / "dock.png"), canvas_only=False, flash=False)
    print(IMAGES / "dock.png")


def take_talk(viewer: Viewer) -> None:
    """The whole window after a conversation about the frame in view."""
    from napari_sa2va.gui.talk_dock import TalkDock

    talk = TalkDock(viewer)
    placed = viewer.window.add_dock_widget(talk, name="Ask about it", area="right", tabify=True)
    talk.about.setCurrentIndex(1)
    talk.caption_button.click()
    wait(lambda: not talk.controller.busy)
    for question in QUESTIONS:
        talk.say(question)
        wait(lambda: not talk.controller.busy)
    if talk.panel.message.text():
        raise SystemExit(talk.panel.message.text())
    talk.select(max(talk.controller.sinks), 1)
    viewer.dims.set_current_step(0, FRAME)
    settle()
    viewer.screenshot(str(IMAGES / "dock-talk.png"), canvas_only=False, flash=False)
    print(IMAGES / "dock-talk.png")
    viewer.window.remove_dock_widget(placed)


def take_message(dock: SentenceDock) -> None:
    """An error with its hint."""
    dock.run()  # no sentence was typed
    save(dock.panel, "dock-message.png")


def take_stack(viewer: Viewer, dock: SentenceDock) -> None:
    """What is asked of a layer with time and z."""
    import numpy as np

    viewer.layers.clear()
    stack = np.zeros((20, 7, 64, 64), np.uint16)
    stack[:, 3, 20:40, 20:40] = 4000
    viewer.add_image(
        stack,
        name="stack",
        axis_labels=("t", "z", "y", "x"),
        scale=(5, 2, 0.5, 0.5),
        units=("s", "um", "um", "um"),
        contrast_limits=(0, 4095),
    )
    viewer.dims.set_current_step(1, 3)
    save(dock.picker, "dock-stack.png")


def save(widget: object, name: str) -> None:
    """Save a part of the dock."""
    settle()
    widget.grab().save(str(IMAGES / name))  # type: ignore[attr-defined]
    print(IMAGES / name)


def settle() -> None:
    """Let everything be laid out and drawn."""
    for _ in range(40):
        _process_events()


def wait(until: Callable[[], bool]) -> None:
    """Let the viewer live until something is so."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not until():
        if time.monotonic() > give_up_at:
            raise SystemExit("The run takes too long.")
        _process_events()
        time.sleep(0.01)


def _process_events() -> None:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()


if __name__ == "__main__":
    main()
