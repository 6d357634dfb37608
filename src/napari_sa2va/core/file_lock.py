"""One process at a time changes a file, of all that can see it.

The lock is one of the operating system, on a hidden file beside the one that is changed. It ends with
the process that holds it, so nothing is ever left to be broken; the hidden file may stay. A file system
that has no locks at all gets a marker instead, which a machine that dies leaves behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOENT
from pathlib import Path

from napari_sa2va.core.errors import Sa2vaError

# Whoever may write into the folder may take the lock, not only the user who was the first to.
_MODE = 0o666
_POLL_S = 0.005
_PATIENCE_S = 60.0


@contextmanager
def locked(path: Path, *, wait_s: float) -> Iterator[bool]:
    """Keep others, processes and threads, from changing a file; for what takes milliseconds.

    Parameters
    ----------
    path : Path
        What is changed, in a folder that exists; it need not exist itself.
    wait_s : float
        How long to wait for others.

    Yields
    ------
    bool
        Whether it is ours; False if others kept it for too long.

    Raises
    ------
    OSError
        If there is no such folder, or no lock can be made in it.
    """
    from filelock import FileLock, Timeout

    if not path.parent.is_dir():  # which would be made: a drive that is gone would seem to be back
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(path.parent))
    lock = FileLock(_lock_of(path), mode=_MODE, poll_interval=_POLL_S)
    with suppress(Timeout):
        lock.acquire(timeout=wait_s)
    try:
        yield lock.is_locked
    finally:
        with suppress(OSError):  # what was to be done is done
            lock.release()


@contextmanager
def alone(path: Path, error: type[Sa2vaError]) -> Iterator[None]:
    """As `locked`, for what cannot do without: waits for a minute.

    Parameters
    ----------
    path : Path
    error : type
        Of what is raised if others keep it for longer.
    """
    with locked(path, wait_s=_PATIENCE_S) as is_ours:
        if not is_ours:
            raise error(
                f"Another process keeps {_lock_of(path)}.",
                "Try again; delete it if no process that writes there runs any more.",
            )
        yield


def _lock_of(path: Path) -> Path:
    # A name may have 255 bytes, and a letter four; long ones that begin alike share a lock.
    return path.with_name(f".{path.name[:60]}.lock")
