"""Make the pictures in docs/images: real viewers, real runs of nano, and the tutorial done for real.

    python docs/make_screenshots.py [PART ...]   # all parts, or some: reference, tutorial, how_to, batch

On a machine without a screen:

    xvfb-run -a -s "-screen 0 1920x1080x24" python docs/make_screenshots.py

It stops with a message where a document says what is not so. Everything but times and free memory in
the pictures is the same in every run.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PARTS = ("reference", "tutorial", "how_to", "batch")


def main() -> None:
    """Make the pictures of every part that is named, each in a process of its own."""
    asked = sys.argv[1:] or PARTS
    unknown = set(asked) - set(PARTS)
    if unknown:
        raise SystemExit(f"There is no part {', '.join(sorted(unknown))}; there are {PARTS}.")
    for part in asked:
        # The settings and prompts of whoever runs this must not show.
        with tempfile.TemporaryDirectory() as folder:
            alone = {
                **os.environ,
                "NAPARI_CONFIG": str(Path(folder) / "settings.yaml"),
                "NAPARI_SA2VA_CONFIG": folder,
                "MAKE_SCREENSHOTS_OF": part,
            }
            status = subprocess.run([sys.executable, __file__], env=alone, check=False).returncode
            if status:
                raise SystemExit(f"The part {part!r} stopped (exit status {status}).")


def make(part: str) -> None:
    """Make the pictures of one part."""
    importlib.import_module(f"screenshots.{part}").main()
    # A viewer that is closed while its canvas is drawn can take long to go.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    if "MAKE_SCREENSHOTS_OF" in os.environ:
        make(os.environ["MAKE_SCREENSHOTS_OF"])
    else:
        main()
