"""docs/formats.md and the manifest say of formats what the readers and writers say of themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import napari_sa2va
from napari_sa2va.readers import READERS
from napari_sa2va.writers import WRITERS

ROOT = Path(napari_sa2va.__file__).parents[2]
SCRIPT = Path("scripts/formats.py")

pytestmark = pytest.mark.skipif(
    not (ROOT / SCRIPT).is_file(), reason="the documents are in the source tree only"
)


def run(command: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / SCRIPT), command], capture_output=True, text=True
    )


def test_the_tables_and_the_manifest_are_up_to_date() -> None:
    done = run("check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_table_that_is_not_is_reported_and_mended(tmp_path: Path) -> None:
    for name in (SCRIPT, Path("docs/formats.md"), Path("src/napari_sa2va/napari.yaml")):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    document = tmp_path / "docs" / "formats.md"
    assert run("write", tmp_path).returncode == 0
    whole = document.read_text("utf-8")
    begin = "<!-- formats: write -->\n"
    document.write_text(whole.replace(begin, f"{begin}something else\n"), encoding="utf-8")
    done = run("check", tmp_path)
    assert done.returncode == 1
    assert "formats.md" in done.stdout
    assert run("write", tmp_path).returncode == 0
    assert document.read_text("utf-8") == whole


def test_every_row_of_the_tables_is_complete() -> None:
    text = (ROOT / "docs" / "formats.md").read_text("utf-8")
    for name, modules in (("read", READERS), ("write", WRITERS)):
        section = text.split(f"<!-- formats: {name} -->\n")[1].split("<!-- end -->")[0]
        _, rule, *rows = section.strip().split("\n")
        assert len(rows) == len(modules)
        for row in rows:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
            assert len(cells) == rule.count("---")
            assert all(cells[:-1]), row  # only the extra may be missing


def test_what_is_read_and_does_not_open_in_napari_with_us_is_named_as_such() -> None:
    from npe2 import PluginManifest

    (door,) = PluginManifest.from_distribution("napari-sa2va").contributions.readers
    ours = {ending for reader in READERS for ending in reader.FORMAT.extensions}
    left = ours - {pattern.removeprefix("*") for pattern in door.filename_patterns}
    text = (ROOT / "docs" / "formats.md").read_text("utf-8")
    (said,) = re.findall(r"NumPy files[^;]*are left to napari", text)
    assert set(re.findall(r"`(\.\w+)`", said)) == left


@pytest.mark.parametrize("name", ["README.md", "docs/usage.md", "docs/formats.md", "docs/dock.md"])
def test_what_is_written_on_the_command_line_there_can_be_parsed(name: str) -> None:
    """Every `napari-sa2va` line in the documents names a command and flags that are there."""
    import shlex

    from napari_sa2va.cli.main import app

    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^napari-sa2va (.+)$", text, re.MULTILINE)
    for line in lines:
        words = shlex.split(line.split("  #")[0])
        command = app.get_command(None, words[0])  # type: ignore[arg-type]
        assert command is not None, line
        flags = {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
        used = {word.split("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
        if not hasattr(command, "commands"):  # those of groups have flags of their own
            assert used <= flags, line
    assert lines or name == "docs/dock.md"
