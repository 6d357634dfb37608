"""Damage files of every format at random and open them, for as long as you like.

    python scripts/fuzz.py --minutes 480                  all night, all formats
    python scripts/fuzz.py --minutes 5 --format tiff      variants of one format
    python scripts/fuzz.py --format tiff-ome --case 4711  one case again

Every case has a number, from which it can be made again. Damaged files that a reader does not answer
with a clip or with one error of ours are kept in out/fuzz, with what happened.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from napari_sa2va._tests.fuzz_edits import damage_one, edits_of
from napari_sa2va._tests.fuzz_seeds import SEEDS, copied
from napari_sa2va._tests.fuzz_worker import Worker, worker

KEPT = Path("out") / "fuzz"


def main() -> int:
    """Fuzz; returns 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--format", default="", help="a name of a seed, or how it begins")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, help="only this one")
    arguments = parser.parse_args()
    names = [name for name in SEEDS if name.startswith(arguments.format)]
    if not names:
        parser.error(f"no seed begins with {arguments.format!r}; there are {', '.join(SEEDS)}")
    counts: Counter[str] = Counter()
    end = time.monotonic() + arguments.minutes * 60
    case = arguments.first if arguments.case is None else arguments.case
    with tempfile.TemporaryDirectory() as folder, worker() as one:
        sound = {name: _sound(Path(folder) / "sound", name) for name in names}
        while time.monotonic() < end:
            for name in names:
                counts[_try(one, Path(folder) / "damaged", name, sound[name], case)] += 1
            case += 1
            if arguments.case is not None:
                break
    print(f"cases up to {case}: " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    return 0 if set(counts) <= {"read", "refused"} else 1


def _sound(folder: Path, name: str) -> Path:
    (folder / name).mkdir(parents=True)
    return SEEDS[name](folder / name)


def _try(one: Worker, folder: Path, name: str, sound: Path, case: int) -> str:
    path, files = copied(name, sound, folder)
    said = damage_one(files, *edits_of(name, case))
    verdict = one.open(path)
    if not verdict.is_right:
        kept = KEPT / f"{name}-{case}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept)
        (kept / "what.txt").write_text(f"{verdict.outcome}\n{said}\n{verdict.said}\n")
        last = verdict.said.strip().splitlines()[-1:]
        print(f"{name} --case {case}: {verdict.outcome} {' '.join(last)}", flush=True)
    return verdict.outcome


if __name__ == "__main__":
    sys.exit(main())
