"""The logic of the window of models, without Qt."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from napari_sa2va.gui.model_controller import ModelController, ModelView
from napari_sa2va.gui.model_tasks import Damaged, Listed, ModelRow, Moved, Told
from napari_sa2va.gui.request import Failed
from napari_sa2va.models.catalogue import ModelEntry
from napari_sa2va.models.jobs import Progress
from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.settings import RunSettings

LISTED = Listed((), "cpu", 10**9, "float32", "https://huggingface.co")
HERE = ModelRow(ModelEntry("sa2va-4b", "ByteDance/Sa2VA-4B", folder=Path("x"), place="store"))
ABSENT = ModelRow(ModelEntry("sa2va-8b", "ByteDance/Sa2VA-8B"))


class Desk:
    """A controller whose tasks do nothing until the test says what they say."""

    def __init__(self) -> None:
        self.view = Mock(spec=ModelView)
        self.tasks, self.says, self.handles, self.came = [], [], [], []
        self.now = 0.0
        self.controller = ModelController(
            self.view, self.start, self.came.append, clock=lambda: self.now
        )

    def start(self, task, on_message):
        self.tasks.append(task)
        self.says.append(on_message)
        self.handles.append(Mock(spec=["cancel"]))
        return self.handles[-1]

    def say(self, *messages) -> None:
        for message in messages:
            self.says[-1](message)

    @property
    def outcome(self) -> str:
        return self.view.show_outcome.call_args.args[0]


@pytest.fixture
def desk():
    return Desk()


def test_a_list_is_for_the_run_in_the_dock(desk):
    settings, ask = RunSettings(), Ask(num_objects=7)
    desk.controller.look(settings, ask)
    assert (desk.tasks[0].action, desk.tasks[0].ask) == ("list", ask)
    desk.say(LISTED)
    desk.view.show_models.assert_called_once_with(LISTED)
    assert not desk.controller.busy
    desk.controller.verify("sa2va-4b")
    assert desk.tasks[1].ask == ask, "and so is the list that follows on anything else"


def test_one_task_at_a_time(desk):
    desk.controller.download("sa2va-4b")
    desk.controller.download("sa2va-8b")
    desk.controller.look(RunSettings(), Ask())
    assert [task.name for task in desk.tasks] == ["sa2va-4b"]
    desk.say(Told("It is here.", "sa2va-4b"), LISTED)
    assert desk.outcome == "It is here."
    assert desk.came == ["sa2va-4b"]
    desk.controller.remove("sa2va-4b")
    desk.say(Told("It is deleted."), LISTED)
    assert desk.came == ["sa2va-4b", ""]


def test_the_time_left_is_from_what_is_downloaded_and_not_from_what_was_here(desk):
    desk.controller.download("sa2va-4b")
    desk.say(Moved(Progress("Checking", "a.json", 4_000_000_000, 10_000_000_000)))
    desk.now = 1
    desk.say(Moved(Progress("Downloading", "b.safetensors", 4_000_000_000, 10_000_000_000)))
    assert "left" not in desk.view.show_progress.call_args.args[0]
    desk.now = 11  # 1 GB in 10 s: another 5 GB take 50 s
    desk.say(Moved(Progress("Downloading", "b.safetensors", 5_000_000_000, 10_000_000_000)))
    text, share = desk.view.show_progress.call_args.args
    assert text == "Downloading b.safetensors: 5.0 GB of 10.0 GB, 50 s left"
    assert share == 0.5


def test_what_is_wrong_is_downloaded_again_only_after_it_was_said(desk):
    desk.controller.download("sa2va-4b")
    assert not desk.tasks[-1].again
    assert not desk.controller.can_download(HERE, LISTED)
    desk.say(Damaged("sa2va-4b", "A file is wrong.", can_mend=True), LISTED)
    assert "Download it again" in desk.view.show_error.call_args.args[1]
    assert desk.outcome == ""
    assert desk.controller.can_download(HERE, LISTED)
    desk.controller.download("sa2va-4b")
    assert desk.tasks[-1].again
    desk.say(Told("It is here.", "sa2va-4b"), LISTED)
    assert not desk.controller.can_download(HERE, LISTED)


def test_nothing_is_downloaded_offline_nor_what_no_hub_has(desk):
    assert desk.controller.can_download(ABSENT, LISTED)
    offline = Listed((), "cpu", None, "float32", "")
    assert not desk.controller.can_download(ABSENT, offline)
    assert not desk.controller.can_download(ModelRow(ModelEntry("mine")), LISTED)


def test_the_mirror_goes_along(desk):
    desk.controller.endpoint = " http://mirror:8080 "
    desk.controller.download("sa2va-4b")
    assert desk.tasks[-1].endpoint == "http://mirror:8080"


def test_an_expected_error_is_followed_by_the_list_and_another_one_ends_the_task(desk):
    desk.controller.download("sa2va-4b")
    desk.say(Failed("No room.", "Make room."))
    assert desk.controller.busy
    desk.say(LISTED)
    assert not desk.controller.busy
    desk.controller.download("sa2va-4b")
    desk.say(Failed("KeyError", "Report it.", "Traceback ..."))
    assert not desk.controller.busy
    desk.view.show_error.assert_called_with("KeyError", "Report it.", "Traceback ...")


def test_cancel_asks_the_task_to_stop_and_stop_forgets_it(desk):
    desk.controller.cancel()  # nothing is on its way
    desk.controller.download("sa2va-4b")
    desk.controller.cancel()
    desk.handles[0].cancel.assert_called_once()
    desk.controller.stop()
    shown = desk.view.show_models.call_count
    desk.say(LISTED)
    assert desk.view.show_models.call_count == shown
    assert not desk.controller.busy
