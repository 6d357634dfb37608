"""How long the whole `segment` command takes on the README's clip, imports included.

    python benchmarks/segment_command.py [--runs 5] [--cores 2]

The command runs as a process of its own, as a person starts it, with the model that ships. Beside
it, in the same run and in turns, two smaller processes show where the time goes: `--version` (the
command line alone) and the import of torch and transformers that every run of a network pays.
The first round warms the file cache and is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AIM_S = 20.0
SENTENCE = "the wall at the top"


def seconds(command: list[str], *, accepted: tuple[int, ...] = (0,)) -> float:
    """Wall time of one process; its output is shown only when it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    elapsed = time.perf_counter() - start
    if done.returncode not in accepted:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return elapsed


def use_cores(number: int) -> int:
    """Keep this process and its children to so many processor cores; return how many they get."""
    if not hasattr(os, "sched_setaffinity"):  # not on macOS and Windows
        return os.cpu_count() or 1
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])
    return len(os.sched_getaffinity(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--json", type=Path, help="Also write the numbers here.")
    options = parser.parse_args()

    from pydicom.examples import get_path

    cores = use_cores(options.cores)
    program = shutil.which("napari-sa2va", path=str(Path(sys.executable).parent))
    if program is None:
        sys.exit(f"There is no napari-sa2va beside {sys.executable}; install the package there.")
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.ome.tif"
        overlay = Path(folder) / "overlay.png"
        segment = [
            program, "segment", str(get_path("ybr_color")), SENTENCE, "--model", "nano",
            "--device", "cpu", "-o", str(labels), "--overlay", str(overlay), "--overwrite", "-q",
        ]  # fmt: skip
        # 1 is "ran, found nothing": the same work was done.
        commands: dict[str, tuple[list[str], tuple[int, ...]]] = {
            "segment": (segment, (0, 1)),
            "import torch, transformers": (
                [sys.executable, "-c", "import torch, transformers"],
                (0,),
            ),
            "--version": ([program, "--version"], (0,)),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.runs + 1):
            for name, (command, accepted) in commands.items():
                times[name].append(seconds(command, accepted=accepted))
        record = json.loads((Path(folder) / "labels.json").read_text())

    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    whole = medians["segment"]
    frames, height, width = (record["clip"][k] for k in ("num_frames", "height", "width"))
    print(f"{frames} frames of {height} x {width}, {cores} cores, median of {options.runs} runs")
    for name, values in times.items():
        low, high = min(values[1:]), max(values[1:])
        print(
            f"  {name:<28} {medians[name]:6.2f} s   ({low:.2f} to {high:.2f})"
            f"   {medians[name] / whole:5.0%} of segment"
        )
    inside = ", ".join(f"{name} {value:.2f} s" for name, value in record["timings_s"].items())
    print(f"  the last run's own account: {inside}")
    print(f"  share of the {AIM_S:.0f} s aimed at: {whole / AIM_S:.0%}")
    if options.json:
        numbers = {"cores": cores, "median_s": medians, "share_of_aim": whole / AIM_S}
        options.json.write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
