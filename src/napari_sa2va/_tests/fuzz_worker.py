"""Files are opened in a process of their own, whose memory and time are limited.

Allowed is a recording whose first and last planes can be computed, or one error of ours. A worker
that hangs or crashes is replaced, so that hundreds of files take seconds.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from napari_sa2va.core.errors import Sa2vaError, SeriesError
from napari_sa2va.readers.open import read_recording

# Memory in use beyond that of the libraries; the largest plane that is believed of a small file has
# 256 MiB. Room may be reserved that is never touched: a file object does for what it is asked to read.
MEMORY_BYTES = 3 * 2**29
ROOM_BYTES = 2**33
SECONDS = 30.0
_MOST_SERIES = 3


@dataclass(frozen=True)
class Verdict:
    """What became of a file.

    Attributes
    ----------
    outcome : str
        "read" or "refused" are right; "raised", "memory", "crashed", "hung" and "outside" are not.
    said : str
        The message, or the traceback.
    peak_bytes : int
        By how much the memory in use grew at most.
    """

    outcome: str
    said: str = ""
    peak_bytes: int = 0

    @property
    def is_right(self) -> bool:
        """Whether a reader may do this."""
        return self.outcome in ("read", "refused")


class Worker:
    """A process that opens one file after the other."""

    def __init__(self) -> None:
        # Forked from a process that has all libraries and no threads.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, "napari_sa2va._tests.fuzz_libraries"])
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """Number of the process that opens files at present."""
        return self._process.pid

    def open(self, path: Path, seconds: float = SECONDS) -> Verdict:
        """Open a file or folder, and compute planes of it."""
        try:
            self._pipe.send(str(path))
            if self._pipe.poll(seconds):
                verdict: Verdict = self._pipe.recv()
                return verdict
        except (EOFError, OSError):
            self._process.join()
            number = -(self._process.exitcode or 0)
            name = signal.Signals(number).name if number > 0 else f"exit code {-number}"
            self._start()
            return Verdict("crashed", name)
        self.close()
        self._start()
        return Verdict("hung", f"after {seconds:.0f} s")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


@contextmanager
def worker() -> Iterator[Worker]:
    """A worker that is ended."""
    one = Worker()
    try:
        yield one
    finally:
        one.close()


def _serve(pipe: Connection) -> None:
    # What C libraries print of damaged files; Python's own errors come through the pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    opened: list[str] = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
    gc.freeze()  # what is there already need not be looked at after each file
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + ROOM_BYTES,) * 2)
    while True:
        try:
            path = Path(pipe.recv())
        except EOFError:
            return
        opened.clear()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        verdict = _attempt(path)
        gc.collect()
        elsewhere = [name for name in opened if _is_elsewhere(name, path)]
        if elsewhere:
            verdict = Verdict("outside", f"{elsewhere[:3]}")
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        if grown > MEMORY_BYTES:
            verdict = Verdict("memory", f"{grown} bytes were in use; {verdict.said}")
        pipe.send(Verdict(verdict.outcome, verdict.said, grown))


def _attempt(path: Path) -> Verdict:
    import traceback

    try:
        _compute(path)
    except Sa2vaError as error:
        reason: BaseException | None = error
        while reason is not None:
            if isinstance(reason, MemoryError) and not _is_no_memory_taken(reason):
                return Verdict("memory", traceback.format_exc())
            reason = reason.__cause__
        # A set of files lies beside the one that is opened.
        if not any(part.name in str(error) for part in (path, *path.parent.rglob("*"))):
            return Verdict("raised", f"an error that names no file: {error}")
        return Verdict("refused", str(error))
    except MemoryError:
        return Verdict("memory", traceback.format_exc())
    except BaseException:
        return Verdict("raised", traceback.format_exc())
    return Verdict("read")


def _is_no_memory_taken(error: MemoryError) -> bool:
    """Whether a library reserved memory and touched none of it.

    FFmpeg names so a number that it does not believe. libCZI reserves what a tile says that it has,
    and gives up when the file ends before.
    """
    return type(error).__module__.startswith("av.") or str(error) == "std::bad_alloc"


def _compute(path: Path) -> None:
    try:
        recordings = [read_recording(path)]
    except SeriesError as error:
        recordings = [read_recording(path, series=key) for key, _ in error.choices[:_MOST_SERIES]]
    for recording in recordings:
        for data in (recording.data, *recording.pyramid[-1:]):
            if 0 in data.shape:
                continue
            for number in (0, -1):
                place = [slice(None) if a in "YXS" else number for a in recording.axes]
                plane = data[tuple(place)].compute(scheduler="synchronous")
                assert plane.dtype == data.dtype, f"{plane.dtype} instead of {data.dtype}"


def _is_elsewhere(name: object, path: Path) -> bool:
    if not isinstance(name, str | bytes) or name in ("<unknown>", "<string>", "<stdin>"):
        return False  # a descriptor that is open, or lines of code that a traceback looks for
    real = os.path.realpath(os.fsdecode(name))
    allowed = (
        str(path.parent),
        sys.prefix,
        sys.base_prefix,
        "/proc",
        "/sys",
        "/dev",
        "/usr",
        "/etc",
    )
    package = str(Path(__file__).resolve().parents[1])
    return not real.startswith((*allowed, package))
