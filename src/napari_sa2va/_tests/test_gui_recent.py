"""Prompts are kept between sessions, latest first, if that is wanted."""

from __future__ import annotations

import napari.settings
import pytest
from qtpy.QtCore import Qt

from napari_sa2va.core import user_files
from napari_sa2va.gui.preferences import change_preferences, preferences
from napari_sa2va.gui.recent import keep_prompt, recent_prompts, single_sentences
from napari_sa2va.gui.recent_button import RecentButton
from napari_sa2va.gui.sentence_edit import SentenceEdit


@pytest.fixture(autouse=True)
def _own_file(monkeypatch) -> None:
    """Preferences of these tests lie beside their prompts, whatever napari there is."""
    monkeypatch.delattr(napari.settings, "get_plugin_settings", raising=False)


def test_the_latest_prompt_comes_first_and_each_once() -> None:
    assert recent_prompts() == []
    keep_prompt("the red cell")
    keep_prompt(" the red   cell \n\nthe tail")
    keep_prompt("the red cell\n")
    assert recent_prompts() == ["the red cell", "the red cell\nthe tail"]


def test_a_box_without_a_sentence_is_not_kept() -> None:
    keep_prompt(" \n ")
    assert user_files.read("recent_prompts") is None


def test_single_sentences_are_those_of_prompts_with_several() -> None:
    prompts = ["alone", "the head\nthe tail", "the tail\nn: the core"]
    assert single_sentences(prompts) == ["the head", "the tail", "n: the core"]


def test_the_oldest_are_forgotten() -> None:
    change_preferences(num_recent=3)
    for number in range(5):
        keep_prompt(f"cell {number}")
    assert recent_prompts() == ["cell 4", "cell 3", "cell 2"]
    assert user_files.read("recent_prompts") == recent_prompts()
    change_preferences(num_recent=2)
    assert recent_prompts() == ["cell 4", "cell 3"]


def test_what_another_viewer_has_kept_meanwhile_stays() -> None:
    keep_prompt("mine")
    user_files.change("recent_prompts", lambda before: ["of the other viewer", *before])
    keep_prompt("mine again")
    assert recent_prompts() == ["mine again", "of the other viewer", "mine"]


@pytest.mark.parametrize("kept", [{"a": 1}, [1, None, "the cell"], "x"], ids=str)
def test_a_file_that_makes_no_sense_is_replaced(kept) -> None:
    user_files.change("recent_prompts", lambda before: kept)
    keep_prompt("the tail")
    assert recent_prompts() == ["the tail", *(["the cell"] if isinstance(kept, list) else [])]


def test_whoever_wants_nothing_kept_leaves_nothing_on_the_disk() -> None:
    keep_prompt("the secret cell")
    change_preferences(keep_recent=False)
    assert recent_prompts() == []
    keep_prompt("another secret cell")
    assert user_files.read("recent_prompts") == [], "what was kept before is gone, too"


@pytest.fixture
def button(qtbot) -> RecentButton:
    edit = SentenceEdit()
    edit.resize(200, 100)
    qtbot.addWidget(edit)
    made = RecentButton(edit)
    qtbot.addWidget(made)
    made.edit = edit
    return made


def entries(menu) -> dict[str, object]:
    return {action.text(): action for action in menu.actions() if not action.isSeparator()}


def filled(button: RecentButton) -> dict[str, object]:
    button.fill()
    return entries(button.choices)


def test_the_menu_offers_whole_prompts_and_their_sentences(button) -> None:
    keep_prompt("the head\nthe tail & the rest")
    keep_prompt("the cell")
    found = filled(button)
    assert list(found) == [
        "the cell", "the head · the tail && the rest", "Add a single sentence", "Keep prompts",
        "Clear",
    ]  # fmt: skip
    assert found["the head · the tail && the rest"].toolTip() == "the head\nthe tail & the rest"
    assert list(entries(found["Add a single sentence"].menu())) == [
        "the head", "the tail && the rest",
    ]  # fmt: skip


def test_a_whole_prompt_replaces_the_text_and_undo_brings_it_back(button) -> None:
    keep_prompt("the head\nthe tail")
    button.edit.setPlainText("what I typed")
    filled(button)["the head · the tail"].trigger()
    assert button.edit.toPlainText() == "the head\nthe tail"
    button.edit.undo()
    assert button.edit.toPlainText() == "what I typed"


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "the tail"), ("the eye", "the eye\nthe tail"), ("the eye\n", "the eye\nthe tail")],
)
def test_a_single_sentence_becomes_one_more_line(button, before, after) -> None:
    keep_prompt("the head\nthe tail")
    button.edit.setPlainText(before)
    entries(filled(button)["Add a single sentence"].menu())["the tail"].trigger()
    assert button.edit.toPlainText() == after


def test_a_long_prompt_is_shortened_and_told_in_its_tool_tip(button) -> None:
    text = "the cell that moves along the upper border " * 4
    keep_prompt(text)
    shown, action = next(iter(filled(button).items()))
    assert len(shown) == 60
    assert shown.endswith("…")
    assert action.toolTip() == text.strip()


def test_clear_forgets_all(button) -> None:
    keep_prompt("the head")
    filled(button)["Clear"].trigger()
    found = filled(button)
    assert not found["No prompts are kept"].isEnabled()
    assert not found["Clear"].isEnabled()
    assert recent_prompts() == []


def test_keeping_can_be_switched_off_and_on_in_the_menu(button) -> None:
    button.edit.setPlainText("the head")
    button.keep()
    filled(button)["Keep prompts"].trigger()
    assert not preferences().keep_recent
    assert user_files.read("recent_prompts") == []
    button.keep()
    assert recent_prompts() == []
    found = filled(button)
    assert not found["Keep prompts"].isChecked()
    found["Keep prompts"].trigger()
    button.keep()
    assert recent_prompts() == ["the head"]


def test_alt_and_down_opens_the_menu(button, qtbot) -> None:
    keep_prompt("the head")
    button.edit.show()
    qtbot.waitExposed(button.edit)
    button.edit.activateWindow()
    button.edit.setFocus()
    qtbot.waitUntil(button.edit.hasFocus)
    qtbot.keyClick(button.edit, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(button.choices.isVisible)
    assert next(iter(entries(button.choices))) == "the head"
    button.choices.close()


def test_a_click_opens_the_menu(button, qtbot) -> None:
    button.show()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(button.choices.isVisible)
    button.choices.close()
