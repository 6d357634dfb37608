from __future__ import annotations

import subprocess
import sys

import pytest

from napari_sa2va.core import shell_line as module
from napari_sa2va.core.shell_line import batch_line, shell_line

WORDS = ["plain", "two words", "it's", 'a "quote"', "back\\", "50%", "ü", "", "a;b", "$HOME", "*"]


@pytest.mark.skipif(sys.platform == "win32", reason="takes the line apart with a Unix shell")
def test_the_shell_takes_a_line_apart_into_the_same_words() -> None:
    line = shell_line("printf", "%s\\n", *WORDS)
    said = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    assert said.split("\n")[:-1] == WORDS


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        (r"C:\data\a.tif", r"C:\data\a.tif"),
        (r"C:\day 1\a.tif", r'"C:\day 1\a.tif"'),
        ("C:\\day 1\\", '"C:\\day 1\\\\"'),
        ('a "quote"', r'"a \"quote\""'),
    ],
)
def test_on_windows_as_programs_there_read_their_line(monkeypatch, word: str, quoted: str) -> None:
    monkeypatch.setattr(module.sys, "platform", "win32")
    assert shell_line(word) == quoted


def test_a_command_about_a_batch_begins_with_its_name() -> None:
    assert batch_line("status", "night", "--units") == "napari-sa2va batch status night --units"
