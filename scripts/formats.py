"""What is said of file formats, written from what the readers and writers say of themselves.

    python scripts/formats.py write   bring docs/formats.md and the manifest up to date
    python scripts/formats.py check   fail if they are not

A pair of lines `formats: NAME` ... `end`, as comments, stands for one of the sections below.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from napari_sa2va.readers import READERS
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.destination import USUAL
from napari_sa2va.writers.format import WriteFormat

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "formats.md"
MANIFEST = ROOT / "src" / "napari_sa2va" / "napari.yaml"
MARKED = re.compile(
    r"(?P<begin>(?P<indent>[ ]*)(?:<!--|#) formats: (?P<name>\w+)(?: -->)?\n)"
    r".*?(?P<end>[ ]*(?:<!--|#) end(?: -->)?\n)",
    re.DOTALL,
)
# napari opens these as well as we do, and would ask every time, or refuse in a script, if we did, too.
LEFT_TO_NAPARI = {".npy", ".npz", ".png", ".jpg", ".jpeg", ".bmp"}
# What shows or measures pixels takes the image together with its labels: a layer per channel.
WITH_IMAGE = ("overlay-movie", "overlay-sheet", "parquet", "table")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """A table in Markdown."""
    for row in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def endings(extensions: tuple[str, ...], is_folder: bool) -> str:
    """Endings as code, and whether a folder is meant."""
    words = [f"`{extension}`" for extension in extensions]
    return " ".join([*words, *(["a folder"] if is_folder else [])])


def read() -> Iterator[str]:
    """The table of formats that are read."""
    rows: list[tuple[str, ...]] = []
    for reader in READERS:
        about = reader.FORMAT
        rows.append((
            about.title, endings(about.extensions, about.folders), about.axes, about.facts,
            about.lazy, about.tested_with, f"`{about.extra}`" if about.extra else "",
        ))  # fmt: skip
    head = (
        "format", "files", "axes", "what it can tell", "read at a time", "tested with", "extra",
    )  # fmt: skip
    return table(head, rows)


def write() -> Iterator[str]:
    """The table of formats that are written."""
    rows: list[tuple[str, ...]] = []
    for writer in WRITERS:
        about = writer.FORMAT
        is_folder = about.is_folder or not about.suffixes
        rows.append((
            about.title, f"`{about.kind}`", endings(about.suffixes, is_folder), about.keeps,
            limits(about), about.read_back_by, f"`{about.extra}`" if about.extra else "",
        ))  # fmt: skip
    head = (
        "format", "`--format`", "files", "what is kept", "objects", "read back by", "extra",
    )  # fmt: skip
    return table(head, rows)


def limits(about: WriteFormat) -> str:
    """What of objects a format can hold."""
    words = ["may overlap" if about.overlaps else "one per pixel"]
    if about.most_ids:
        words.append(f"ids up to {about.most_ids}")
    words.append("planes of z over time" if about.planes else "one plane over time, or one stack")
    return "; ".join(words)


def commands() -> Iterator[str]:
    """The manifest's commands that write."""
    for writer in WRITERS:
        name = writer.FORMAT.kind.replace("-", "_")
        yield f"- id: napari-sa2va.write_{name}"
        yield f'  title: "Write {writer.FORMAT.title}"'
        yield f"  python_name: napari_sa2va.plugin.writer:write_{name}"


def patterns() -> Iterator[str]:
    """The manifest's names of files that are read."""
    for extension in dict.fromkeys(e for reader in READERS for e in reader.FORMAT.extensions):
        if extension not in LEFT_TO_NAPARI:
            yield f'- "*{extension}"'


def writers() -> Iterator[str]:
    """The manifest's writers; napari takes the first one for a name without an ending."""
    for writer in sorted(WRITERS, key=lambda writer: writer.FORMAT.kind != USUAL):
        about = writer.FORMAT
        for layers in ("[labels]", '["image+", labels]'):
            if layers != "[labels]" and about.kind not in WITH_IMAGE:
                continue
            yield f"- command: napari-sa2va.write_{about.kind.replace('-', '_')}"
            yield f"  layer_types: {layers}"
            yield f"  filename_extensions: [{', '.join(about.suffixes)}]"
            yield f'  display_name: "{about.title}"'


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "read": read,
    "write": write,
    "commands": commands,
    "patterns": patterns,
    "writers": writers,
}


def filled(text: str) -> str:
    """A document with its sections as they should be."""

    def section(match: re.Match[str]) -> str:
        lines = (f"{match['indent']}{line}\n" for line in SECTIONS[match["name"]]())
        return "".join([match["begin"], *lines, match["end"]])

    return MARKED.sub(section, text)


def main() -> int:
    """Write or check."""
    if sys.argv[1:] not in (["write"], ["check"]):
        print(__doc__)
        return 2
    stale = []
    for document in (DOCUMENT, MANIFEST):
        text = document.read_text("utf-8")
        if filled(text) != text:
            stale.append(document)
            if sys.argv[1] == "write":
                document.write_text(filled(text), encoding="utf-8")
    if sys.argv[1] == "check" and stale:
        names = ", ".join(str(document.relative_to(ROOT)) for document in stale)
        print(f"{names}: not what the formats say of themselves; run the write command")
        return 1
    print("The formats are as they say themselves.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
