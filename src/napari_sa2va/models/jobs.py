"""Work on a model's files that takes a while: a generator that says how far it is.

Whoever runs a job stops it by not asking it to go on: between two steps nothing is half done that
the next run could not take up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

T = TypeVar("T")
Step = TypeVar("Step")

# More often, nobody can read it.
_TICK_S = 0.1


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    doing : str
        What is done right now, as one verb: "Downloading", "Checking", "Copying".
    file : str
        The file that it is done to.
    done, total : int
        Bytes, of all files of the job.
    """

    doing: str
    file: str
    done: int
    total: int

    @property
    def words(self) -> str:
        """What a person reads.

        Examples
        --------
        >>> Progress("Checking", "config.json", 1_200_000_000, 15_600_000_000).words
        'Checking config.json: 1.2 GB of 15.6 GB'
        """
        return f"{self.doing} {self.file}: {gigabytes(self.done)} of {gigabytes(self.total)}"


Job = Generator[Progress, None, T]


def outcome(job: Generator[Step, None, T], show: Callable[[Step], object] = lambda step: None) -> T:
    """Run a job, or any generator that returns something, to its end.

    Parameters
    ----------
    job : generator
    show : callable
        Called with every step.

    Returns
    -------
    object
        What the job returns.
    """
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            result: T = end.value
            return result
        show(step)


def now_and_then(job: Job[T]) -> Job[T]:
    """The same job, which says only some times a second how far it is, and at the end."""
    said, step = 0.0, None
    with closing(job):
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                if step is not None:
                    yield step
                result: T = end.value
                return result
            if monotonic() - said >= _TICK_S:
                said = monotonic()
                yield step


@dataclass
class Meter:
    """Counts the bytes of a job."""

    total: int
    done: int = 0

    def step(self, doing: str, file: str, num_bytes: int = 0) -> Progress:
        """Count some bytes more, and say how far the job is."""
        self.done += num_bytes
        return Progress(doing, file, min(self.done, self.total), self.total)


def gigabytes(num_bytes: int) -> str:
    """A size in words.

    Examples
    --------
    >>> gigabytes(16_200_000_000), gigabytes(23_400_000), gigabytes(800)
    ('16.2 GB', '23 MB', '800 bytes')
    """
    if num_bytes >= 1e9:
        return f"{num_bytes / 1e9:.1f} GB"
    return f"{num_bytes / 1e6:.0f} MB" if num_bytes >= 1e6 else f"{num_bytes} bytes"
