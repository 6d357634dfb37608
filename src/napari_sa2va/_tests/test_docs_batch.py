"""docs/batch.md is done as it is written: every command in order, and what it prints compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import napari_sa2va
from napari_sa2va._tests.test_docs_tutorial import texts_of
from napari_sa2va.core.user_files import FOLDER_VARIABLE

PAGE = Path(napari_sa2va.__file__).parents[2] / "docs" / "batch.md"

pytestmark = [
    pytest.mark.skipif(not PAGE.is_file(), reason="the documents are in the source tree only"),
    pytest.mark.skipif(sys.platform == "win32", reason="the commands are for a Unix shell"),
]

# A comment above a block of commands says what is not as usual.
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_CODE = re.compile(r"exit code (\d+)")
NOT_RUN = "not run: "
# Where the page says that it is done.
_PLACE = "/home/ada/study"
# What is another on every machine and day: measured numbers, and times.
_MEASURED = re.compile(r"\d+(?:\.\d+)?(?= ?(?:s|min|h|kB|MB|GB)\b)")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_SPACE = re.compile(r" {2,}")  # columns are as wide as what is in them


@dataclass(frozen=True)
class Block:
    """Commands of the page, with what it says of them.

    Attributes
    ----------
    line : int
        Of the page, from 1.
    commands : str
    code : int
        With which the last of them ends.
    not_run : str
        Why they are not done; empty if they are.
    shown : str or None
        What they print.
    """

    line: int
    commands: str
    code: int
    not_run: str
    shown: str | None


def blocks() -> Iterator[Block]:
    text = PAGE.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    for match, after in zip(found, [*found[1:], None], strict=True):
        if match["kind"] != "sh":
            continue
        mark = match["mark"] or ""
        code = _CODE.search(mark)
        yield Block(
            text.count("\n", 0, match.start("text")),
            match["text"],
            int(code[1]) if code else 0,
            mark.removeprefix(NOT_RUN) if mark.startswith(NOT_RUN) else "",
            after["text"] if after is not None and after["kind"] == "text" else None,
        )


def words_of_page() -> str:
    """The page without what is code."""
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def pattern_of(shown: str) -> re.Pattern[str]:
    """What is shown, with … for what may be anything: a part of a line, or lines."""
    lines = []
    for line in shown.rstrip("\n").split("\n"):
        if line.strip() == "…":
            lines.append(r"(?:[^\n]*\n)*?")
        else:
            lines.append(re.escape(usual(line)).replace("…", r"[^\n]*?") + r" ?\n")
    return re.compile("".join(lines))


def usual(said: str) -> str:
    """A text without what is another on every machine and day."""
    return _SPACE.sub(" ", _TIME.sub("TIME", _MEASURED.sub("0", said)))


def test_every_command_of_the_page_does_what_the_page_says(tmp_path, programs) -> None:
    here = tmp_path / "study"
    here.mkdir()
    places = (str(programs), str(Path(sys.executable).parent), os.environ["PATH"])
    environment = os.environ | {
        "PATH": os.pathsep.join(places),
        "COLUMNS": "100",
        "HOME": str(tmp_path),
        FOLDER_VARIABLE: str(tmp_path / "config"),
    }
    done = 0
    for block in blocks():
        if block.not_run:
            continue
        ended = subprocess.run(
            ["bash", "-e", "-c", block.commands],
            cwd=here, env=environment, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        said = f"line {block.line}:\n{block.commands}{ended.stdout}{ended.stderr}"
        assert ended.returncode == block.code, said
        if block.shown is not None:
            printed = usual(ended.stdout.replace(str(here), _PLACE)).rstrip("\n") + "\n"
            assert pattern_of(block.shown).fullmatch(printed), said
        done += 1
    assert done > 15, "the pattern still finds them"


def test_what_needs_a_cluster_is_at_least_sound(tmp_path) -> None:
    """What is not run can be parsed by a shell, and names commands and flags that are there."""
    from napari_sa2va.cli.main import app

    left = [block for block in blocks() if block.not_run]
    assert left
    for block in left:
        done = subprocess.run(["bash", "-n", "-c", block.commands], capture_output=True, text=True)
        assert done.returncode == 0, f"line {block.line}: {done.stderr}"
        for line in block.commands.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:2] != ["napari-sa2va", "batch"]:
                continue
            group = app.get_command(None, "batch")  # type: ignore[arg-type]
            assert group is not None
            command = group.commands.get(words[2]) or group.commands["run"]  # type: ignore[attr-defined]
            flags = {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
            used = {word.split("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)}
            assert used <= flags, f"line {block.line}: {line}"


def test_every_file_that_the_page_links_is_there() -> None:
    text = words_of_page()
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if "://" not in link]
    assert not [link for link in links if "://" not in link and not (PAGE.parent / link).exists()]


def test_every_button_that_the_page_names_is_in_the_dock(make_napari_viewer_proxy) -> None:
    from napari_sa2va.gui.batch.dock import BatchDock

    text = words_of_page()
    section = text.partition("## In napari")[2].partition("\n## ")[0]
    menu, *buttons = re.findall(r"(?<![\w*])\*(?!\*)([^*\n]+)\*(?![\w*])", section)
    assert menu == "Layers > Segment > Batch over many movies"
    assert len(buttons) > 5
    told = texts_of(BatchDock(make_napari_viewer_proxy()))
    assert not set(buttons) - told
    keys = set(re.findall(r"\b([A-Z])\s(?:accepts|lets|opens|goes)", section))
    assert keys == {"A", "R", "D", "N"}
    assert not {key for key in keys if f"({key})" not in " ".join(told)}
