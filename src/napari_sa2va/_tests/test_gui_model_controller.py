"""The logic of the window of models, without Qt."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.gui.model_controller import ModelController, ModelView
from napari_sa2va.gui.model_tasks import (
    Damaged,
    Listed,
    ModelRow,
    Moved,
    Refused,
    Told,
    messages_of,
)
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


def test_what_the_window_asks_while_it_is_told_of_a_task_is_answered_as_of_then(desk):
    seen = []
    desk.view.set_busy.side_effect = lambda busy: seen.append((busy, desk.controller.busy))
    desk.controller.download("sa2va-4b")
    desk.say(LISTED)
    assert seen == [(True, True), (False, False)]


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
    desk.say(Refused("No room.", "Make room."))
    desk.view.show_error.assert_called_with("No room.", "Make room.", "")
    assert desk.controller.busy
    desk.say(LISTED)
    assert not desk.controller.busy
    desk.controller.download("sa2va-4b")
    desk.say(Failed("KeyError", "Report it.", "Traceback ..."))
    assert not desk.controller.busy
    desk.view.show_error.assert_called_with("KeyError", "Report it.", "Traceback ...")
    desk.controller.look(RunSettings(), Ask())
    desk.say(Failed("One of ours, where none was foreseen."))
    assert not desk.controller.busy


@pytest.mark.parametrize("address", ["mirror.example", "ftp://me:geheim@mirror", "http://[mirror"])
@pytest.mark.parametrize("variable", [False, True])
def test_an_address_that_is_none_is_told_and_can_be_mended(
    monkeypatch, tmp_path, address, variable
):
    """The worker says the same twice, if it asks for the address again to end the task."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NAPARI_SA2VA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", address if variable else "https://huggingface.co")
    desk = Desk()
    desk.controller.endpoint = "" if variable else address
    for action in (
        desk.controller.download,
        lambda name: desk.controller.look(RunSettings(), Ask()),
    ):
        action("sa2va-4b")
        for message in messages_of(desk.tasks[-1], CancelToken()):
            desk.say(message)
        assert not desk.controller.busy
    desk.view.show_error.assert_called_once()
    assert "is not the address of a hub" in desk.view.show_error.call_args.args[0]
    listed = desk.view.show_models.call_args.args[0]
    assert "geheim" not in f"{desk.view.mock_calls}{listed}"
    assert desk.controller.can_download(ABSENT, listed), "with another address in the line"


def test_a_window_that_is_opened_again_meanwhile_shows_the_memory_of_its_run(desk):
    before, after = Ask(num_objects=1), Ask(num_objects=7)
    desk.controller.look(RunSettings(), before)
    desk.say(LISTED)
    desk.view.reset_mock()
    desk.controller.verify("sa2va-4b")
    desk.controller.look(RunSettings(), after)
    desk.say(Told("It is as recorded."), LISTED)
    desk.view.show_models.assert_not_called()
    assert (desk.tasks[-1].action, desk.tasks[-1].ask) == ("list", after)
    assert desk.controller.busy
    newer = Listed((ABSENT,), "cpu", 10**9, "float32", "https://huggingface.co")
    desk.say(newer)
    desk.view.show_models.assert_called_once_with(newer)
    assert not desk.controller.busy
    assert desk.outcome == "It is as recorded."
    assert [call.args for call in desk.view.set_busy.call_args_list] == [(True,), (False,)], (
        "or else what was said of an error would be hidden"
    )
    assert len(desk.tasks) == 3


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
