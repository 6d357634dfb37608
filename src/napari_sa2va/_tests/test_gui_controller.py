"""The dock's logic without Qt: which message reaches the view, and which is dropped."""

from unittest.mock import Mock

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import MemoryShortage, OutputError
from napari_sa2va.gui.controller import Controller, Sink, View
from napari_sa2va.gui.request import Failed, JobRequest, messages_of, prompts_in
from napari_sa2va.pipeline.events import Finished, KeyMasks, Note
from napari_sa2va.presets import preset
from napari_sa2va.project import Drawn, Job, Project
from napari_sa2va.project.steps.run import Run, Sentence


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Starter:
    """Starts nothing; the test says what the run says."""

    def __init__(self) -> None:
        self.says = []
        self.handles = []

    def __call__(self, request, on_message):
        self.says.append(on_message)
        self.handles.append(Mock(spec=["cancel"]))
        return self.handles[-1]


def project_of(*sentences: str) -> tuple[Project, Job]:
    project = Project.of(colour_clip())
    asked = [
        Sentence(object_id=number, name=text, text=text) for number, text in enumerate(sentences, 1)
    ]
    return project, project.begin(Run(sentences=tuple(asked), settings=preset("sa2va-i")))


def request_for(*sentences: str) -> JobRequest:
    project, job = project_of(*sentences)
    return JobRequest(job, lambda: project.footage)


def messages_of_a_run(*sentences: str, cancel: CancelToken | None = None):
    yield from messages_of(request_for(*sentences), cancel or CancelToken(), FakeModel())


class Parts(Controller):
    """A controller that makes a sink for every run."""

    def __init__(self, view, starter, clock) -> None:
        super().__init__(view, starter, clock)
        self.sinks = []

    def run(self, request) -> None:
        self.sinks.append(Mock(spec=Sink))
        super().run(request, self.sinks[-1])


@pytest.fixture
def parts():
    view, starter, clock = Mock(spec=View), Starter(), Clock()
    controller = Parts(view, starter, clock)
    return controller, view, starter, controller.sinks, clock


def test_a_run_goes_from_start_to_outcome(parts) -> None:
    controller, view, starter, sinks, _ = parts
    controller.run(request_for("the red square"))
    assert controller.running
    view.set_running.assert_called_with(True)
    for message in messages_of_a_run("the red square"):
        starter.says[0](message)
    assert not controller.running
    view.set_running.assert_called_with(False)
    view.show_answer.assert_called_once_with(1, "It is .", True)
    view.show_progress.assert_called_with(6, 6, None)
    assert view.show_outcome.call_args.args[0].startswith("Done: 6 frames in")
    assert "It was found." in view.show_outcome.call_args.args[0]
    view.show_error.assert_not_called()
    assert sinks[0].take.call_count == len(list(messages_of_a_run("the red square")))


def test_time_left_is_the_mean_so_far_times_the_frames_to_come(parts) -> None:
    controller, view, starter, _, clock = parts
    controller.run(request_for("the red square"))
    for message in messages_of_a_run("the red square"):
        if isinstance(message, Drawn):
            clock.now += 2.0
        starter.says[0](message)
    calls = [call.args for call in view.show_progress.call_args_list]
    # Two frames say too little. Frames 3, 4, 5 of 6 with 2 s each: key masks count as well, so
    # the clock ran on, but the mean between two finished frames is what counts.
    assert calls[:2] == [(1, 6, None), (2, 6, None)]
    assert calls[3] == (4, 6, 4.0)
    assert calls[4] == (5, 6, 2.0)


def test_what_is_not_there_is_said_once(parts) -> None:
    controller, view, starter, _, _ = parts
    controller.run(request_for("the elephant"))
    messages = list(messages_of_a_run("the elephant"))
    assert any(isinstance(m, Note) for m in messages), "the pipeline notes it too"
    for message in messages:
        starter.says[0](message)
    view.show_answer.assert_called_once_with(1, "There is no such thing.", False)
    view.show_note.assert_not_called()
    assert view.show_outcome.call_args.args[0].startswith("Nothing was found")


def test_any_other_note_is_shown(parts) -> None:
    controller, view, starter, _, _ = parts
    controller.run(request_for("red and green"))
    for message in messages_of_a_run("red and green"):
        starter.says[0](message)
    (note,) = view.show_note.call_args_list
    assert "holds 2 masks" in note.args[0]


def test_messages_of_an_earlier_run_are_dropped(parts) -> None:
    controller, view, starter, sinks, _ = parts
    controller.run(request_for("the red square"))
    controller.run(request_for("the green square"))
    starter.handles[0].cancel.assert_called_once()
    view.reset_mock()
    for message in messages_of_a_run("the red square"):
        starter.says[0](message)
    assert view.method_calls == []
    assert sinks[0].take.call_count == 0
    for message in messages_of_a_run("the green square"):
        starter.says[1](message)
    assert sinks[1].take.call_count > 0
    assert not controller.running


def test_a_cancelled_run_says_what_it_keeps(parts) -> None:
    controller, view, starter, _, _ = parts
    controller.run(request_for("the red square"))
    cancel = CancelToken()
    starter.handles[0].cancel.side_effect = cancel.cancel
    frames = 0
    for message in messages_of_a_run("the red square", cancel=cancel):
        starter.says[0](message)
        if isinstance(message, Drawn):
            frames += isinstance(message, Drawn) and not isinstance(message.event, KeyMasks)
            if frames == 2:
                controller.cancel()
    starter.handles[0].cancel.assert_called_once()
    assert isinstance(message, Finished)
    view.show_outcome.assert_called_once_with("Stopped. 2 of 6 frames are done and kept.")
    assert not controller.running


def test_the_stage_stays_at_stopping_while_the_last_frames_come(parts) -> None:
    controller, view, starter, _, _ = parts
    controller.run(request_for("the red square"))
    messages = list(messages_of_a_run("the red square"))
    starter.says[0](messages[0])
    controller.cancel()
    view.reset_mock()
    for message in messages[1:-1]:
        starter.says[0](message)
    view.show_stage.assert_not_called()
    view.show_progress.assert_not_called()


def test_after_stop_the_view_is_left_alone(parts) -> None:
    controller, view, starter, _, _ = parts
    controller.run(request_for("the red square"))
    view.reset_mock()
    controller.stop()
    starter.handles[0].cancel.assert_called_once()
    starter.says[0](Failed("too late"))
    assert view.method_calls == []
    controller.stop()  # and again, as when a dock is closed and then destroyed


def test_an_error_is_shown_with_its_hint(parts) -> None:
    controller, view, starter, _, _ = parts
    controller.run(request_for("the red square"))
    starter.says[0](Failed.of(MemoryShortage("Not enough memory.", "Choose a smaller model.")))
    view.show_error.assert_called_once_with("Not enough memory.", "Choose a smaller model.", "")
    view.set_running.assert_called_with(False)
    assert not controller.running


def test_an_unforeseen_error_brings_its_traceback(parts) -> None:
    controller, view, starter, _, _ = parts
    controller.run(request_for("the red square"))
    try:
        np.zeros(2) @ np.zeros(3)
    except ValueError as error:
        starter.says[0](Failed.of(error))
    message, hint, details = view.show_error.call_args.args
    assert message.startswith("ValueError: ")
    assert "Copy the details" in hint
    assert "np.zeros(2) @ np.zeros(3)" in details


def test_a_run_whose_masks_cannot_be_shown_is_stopped(parts) -> None:
    controller, view, starter, sinks, _ = parts
    controller.run(request_for("the red square"))
    sinks[0].take.side_effect = OutputError("The layer was removed.", "Run again.")
    for message in messages_of_a_run("the red square"):
        starter.says[0](message)
    starter.handles[0].cancel.assert_called_once()
    view.show_error.assert_called_once_with("The layer was removed.", "Run again.", "")
    assert not controller.running


def test_a_sink_that_cannot_even_end_leaves_nothing_running(parts) -> None:
    controller, view, starter, sinks, _ = parts
    controller.run(request_for("the red one"))
    sinks[0].take.side_effect = ZeroDivisionError("in a callback")
    sinks[0].end.side_effect = ZeroDivisionError("in a callback")
    starter.says[0](next(messages_of_a_run("the red one")))
    assert not controller.running
    view.set_running.assert_called_with(False)
    assert "in a callback" in view.show_error.call_args.args[0]


def test_sentences_are_the_lines_that_are_not_empty() -> None:
    prompts = prompts_in("  the  red cell \n\n\t\nthe green cell\n")
    assert [(p.object_id, p.name) for p in prompts] == [(1, "the red cell"), (2, "the green cell")]
