"""The numbers in the documentation: run the commands that print them, and put them in.

    python scripts/results.py run [NAME ...]   run commands, keep what they print in docs/results/
    python scripts/results.py fill             copy it between the markers in README.md and docs/
    python scripts/results.py check            fail if a document states something else, or nothing

A marker pair `<!-- result: NAME -->` ... `<!-- end -->` in a document stands for the whole output
of the command called NAME below.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MARKED = re.compile(r"(<!-- result: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# Name -> command. They run in the repository's root, with the environment's programs first.
COMMANDS = {
    "generated": "napari-sa2va evaluate --movies 100",
    "generated-seed-23": "napari-sa2va evaluate --movies 100 --seed 23",
    "generated-seed-24": "napari-sa2va evaluate --movies 100 --seed 24",
    "tasks": "napari-sa2va evaluate --data tasks --movies 100",
    "tasks-seed-23": "napari-sa2va evaluate --data tasks --movies 100 --seed 23",
    "tasks-seed-24": "napari-sa2va evaluate --data tasks --movies 100 --seed 24",
    "generated-sa2va": "napari-sa2va evaluate --movies 100 --preset sa2va",
    "generated-lii": "napari-sa2va evaluate --movies 100 --preset sa2va-lii",
    "real": "napari-sa2va evaluate --data real",
    "tracker": "python benchmarks/tracker.py",
    "precision": "python benchmarks/precision.py",
    "segment": "python benchmarks/segment_command.py",
    "memory": "python benchmarks/memory.py",
    "quantised": "python benchmarks/quantised.py",
    "vision-tokens": "python benchmarks/vision_tokens.py",
    "answers": "python benchmarks/answers.py",
    "frame-access": "python benchmarks/frame_access.py",
    "opening": "python benchmarks/opening.py",
    "scrubbing": "python benchmarks/scrubbing.py",
    "batch-engine": "python benchmarks/batch_engine.py",
    "splitting": "python benchmarks/splitting.py",
    "event-loop": "xvfb-run -a -s '-screen 0 1920x1080x24' python benchmarks/event_loop.py",
}


def run(names: list[str]) -> None:
    """Run commands and keep their standard output."""
    RESULTS.mkdir(exist_ok=True)
    for name in names or list(COMMANDS):
        command = COMMANDS[name]
        print(f"$ {command}", flush=True)
        done = subprocess.run(
            shlex.split(command), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        text = f"$ {command}\n{done.stdout.strip()}\n"
        (RESULTS / f"{name}.txt").write_text(text, encoding="utf-8")
        print(done.stdout)


def filled(text: str) -> str:
    """Return a document with the kept outputs between its markers."""

    def block(match: re.Match[str]) -> str:
        path = RESULTS / f"{match[2]}.txt"
        if not path.exists():
            return f"{match[1]}Not measured yet.\n{match[3]}"
        kept = path.read_text(encoding="utf-8")
        return f"{match[1]}```\n{kept}```\n{match[3]}"

    return MARKED.sub(block, text)


def fill() -> None:
    """Bring the documents up to date."""
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text("utf-8")), encoding="utf-8")


def check() -> int:
    """Say which documents state something else than was printed, and what was never run."""
    complaints = []
    for document in DOCUMENTS:
        text, name = document.read_text("utf-8"), document.relative_to(ROOT)
        if filled(text) != text:
            complaints.append(f"{name} is not what docs/results/ says: run the fill command")
        for asked in sorted({match[2] for match in MARKED.finditer(text)}):
            if not (RESULTS / f"{asked}.txt").exists():
                complaints.append(f"{name} wants {asked!r}, which was never run: run {asked}")
    print("\n".join(complaints) or "Every number is as it was printed.")
    return int(bool(complaints))


def main() -> int:
    match sys.argv[1:]:
        case ["run", *names] if set(names) <= set(COMMANDS):
            run(names)
        case ["fill"]:
            fill()
        case ["check"]:
            return check()
        case _:
            print(__doc__)
            print("Names:", ", ".join(COMMANDS))
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
