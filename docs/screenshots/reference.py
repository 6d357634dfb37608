"""The pictures of docs/dock.md and docs/conversations.md."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from screenshots.stage import Stage, check, settle, wait

if TYPE_CHECKING:
    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.gui.request import Message, Request

SENTENCES = "dividing: the cell that divides\nthe blue cell\nthe green cell"
# nano answers these rightly; it does not always.
QUESTIONS = {"Where is the blue cell?": "at the centre", "the small cell": "small bright yellow"}
FRAME, TALK_FRAME = 14, 8  # on show in the pictures of the whole window
HOLD_AT = 10  # frames done in the picture of a run on its way


class Holding:
    """The pipeline, which waits after some frames until it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, request: Request, cancel: CancelToken) -> Iterator[Message]:
        """Run a request."""
        from napari_sa2va.gui.request import messages_of
        from napari_sa2va.pipeline.events import KeyMasks
        from napari_sa2va.project.job import Drawn

        done = 0
        for message in messages_of(request, cancel):
            yield message
            done += isinstance(message, Drawn) and not isinstance(message.event, KeyMasks)
            if done == HOLD_AT:
                self.go_on.wait()


def main() -> None:
    """Make every picture."""
    source = Holding()
    stage = Stage(source)
    stage.open_sample()
    take_message(stage)
    stage.dock.sentences.setPlainText(SENTENCES)
    take_settings(stage)
    take_models(stage)
    stage.open_timeline()
    take_running(stage, source)
    take_export(stage)
    stage.go_to(FRAME)
    stage.take("dock.png")
    take_talk(stage)


def take_message(stage: Stage) -> None:
    """An error with its hint."""
    stage.dock.run()  # no sentence was typed
    check(bool(stage.dock.panel.message.text()), "a run without a sentence is refused")
    stage.take_part(stage.dock.panel, "dock-message.png")
    stage.dock.panel.message.hide()


def take_settings(stage: Stage) -> None:
    """The settings, opened, in full length."""
    settings = stage.dock.settings
    settings.advanced.button.setChecked(True)
    stage.take_part(settings, "dock-settings.png")
    settings.advanced.button.setChecked(False)


def take_models(stage: Stage) -> None:
    """The window of models, for the sentences in the dock."""
    settings = stage.dock.settings
    settings.show_models()
    window = settings.window_of_models
    assert window is not None
    wait(lambda: not window.controller.busy)
    window.select("sa2va-4b")
    window.resize(760, 460)
    stage.take_part(window, "models.png")
    settings.end()


def take_running(stage: Stage, source: Holding) -> None:
    """A run on its way, then let it end."""
    stage.dock.run()
    panel = stage.dock.panel
    wait(lambda: panel.progress.value() == HOLD_AT or not stage.dock.controller.running)
    check(stage.dock.controller.running, "the run is on its way")
    stage.take_part(panel, "dock-running.png")
    source.go_on.set()
    stage.wait_for_run()


def take_export(stage: Stage) -> None:
    """The formats in which the masks can be written."""
    from napari_sa2va.gui.export_dialog import FormatDialog
    from napari_sa2va.gui.exporter import offers_for
    from napari_sa2va.gui.labels_result import result_of_workspace

    offers = offers_for(result_of_workspace(stage.workspace))
    check(not any(offer.refusal for offer in offers), "every format can hold the masks")
    dialog = FormatDialog(offers, "ome-tiff", stage.window)
    dialog.show()
    stage.take_part(dialog, "dock-export.png")
    dialog.close()


def take_talk(stage: Stage) -> None:
    """The whole window after a conversation about the frame in view."""
    from napari_sa2va.gui.talk_dock import TalkDock

    viewer = stage.viewer
    masks = stage.workspace.layer
    assert masks is not None
    masks.visible = False
    stage.go_to(TALK_FRAME)
    talk = TalkDock(viewer)
    viewer.window.add_dock_widget(talk, name="Ask about it", area="right", tabify=True)
    talk.about.setCurrentIndex(1)
    talk.caption_button.click()
    wait(lambda: not talk.controller.busy)
    for question, answer in QUESTIONS.items():
        talk.say(question)
        wait(lambda: not talk.controller.busy)
        said = talk.panel.transcript.toPlainText().rsplit("Model:", 1)[-1]
        check(answer in said, f"to {question!r}, nano answers {answer!r}, not {said!r}")
    check(not talk.panel.message.text(), talk.panel.message.text())
    talk.select(max(talk.controller.sinks), 1)
    viewer.dims.set_current_step(0, TALK_FRAME)
    settle()
    stage.take("dock-talk.png")
