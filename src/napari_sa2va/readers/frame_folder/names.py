"""What the names of images say: their order, which of them play in a row, which are missing."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

# Words before a number that does not count frames, but channels, planes, places or views.
_CHANNELS = ("c", "ch", "chan", "channel", "w", "wl", "wavelength")
_PLANES = ("z", "slice")
_PLACES = ("p", "pos", "position", "s", "site", "xy", "field", "fov")
_VIEWS = ("v", "view", "angle", "cam", "camera")
_BESIDE = frozenset((*_CHANNELS, *_PLANES, *_PLACES, *_VIEWS))
_NUMBER = re.compile(r"(\d+)")


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which 2 comes before 10."""
    parts = _NUMBER.split(path.name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]


def series_of(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Images that play in a row, by a pattern of their names, in natural order.

    Two names that differ in letters are of two series, if there are more of each. So are those that
    differ in a number after c, ch, z, pos or the like, as long as another number counts frames.

    Parameters
    ----------
    files : sequence of Path
        Sorted by `natural`.

    Returns
    -------
    dict of str to list of Path
        One entry if all are of one series.
    """
    kinds: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        kinds[_NUMBER.sub("*", file.name)].append(file)
    several = {kind: found for kind, found in kinds.items() if len(found) > 1}
    if len(several) < 2 and len(kinds) > 1:
        # A name with a number and one without, or names without any: they play in a row.
        return {"*": list(files)}
    series: dict[str, list[Path]] = {}
    for kind, found in several.items() or kinds.items():
        series |= _by_numbers(kind, found)
    return series


def _by_numbers(kind: str, files: list[Path]) -> dict[str, list[Path]]:
    split = [_NUMBER.split(file.name) for file in files]
    numbers = np.array([parts[1::2] for parts in split], dtype=object)
    varying = [i for i in range(numbers.shape[1]) if len(set(numbers[:, i])) > 1]
    beside = [i for i in varying if _word_before(split[0][2 * i]) in _BESIDE]
    if beside and len(beside) == len(varying):
        # Nothing else counts: that of which there are most does.
        beside.remove(max(beside, key=lambda i: len(set(numbers[:, i]))))
    if not beside:
        return {kind: files}
    series: dict[str, list[Path]] = defaultdict(list)
    for file, parts in zip(files, split, strict=True):
        # Of what varies, only that which tells the series apart stays.
        shown = [
            "*" if n % 2 and n // 2 in varying and n // 2 not in beside else part
            for n, part in enumerate(parts)
        ]
        series["".join(shown)].append(file)
    return dict(series)


def _word_before(text: str) -> str:
    found = re.search(r"([a-z]+)[ _=-]?$", text.lower())
    return found[1] if found else ""


def gaps(files: Sequence[Path]) -> tuple[str, ...]:
    """A note naming the numbers that are missing, where names count with their last number."""
    numbers = [int(n[-1]) for f in files if (n := re.findall(r"\d+", f.stem))]
    if len(numbers) != len(files) or sorted(set(numbers)) != numbers or len(numbers) < 3:
        return ()
    # Every second frame kept is no gap.
    step = Counter(b - a for a, b in pairwise(numbers)).most_common(1)[0][0]
    missing = [(a, b) for a, b in pairwise(numbers) if b - a != step]
    if not missing:
        return ()
    listed = ", ".join(f"between {a} and {b}" for a, b in missing[:5])
    return (
        f"Images are missing {listed}{', ...' * (len(missing) > 5)}; the clip plays on over the gap.",
    )
