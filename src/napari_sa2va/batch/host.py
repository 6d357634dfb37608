"""This process as others see it who share a folder with it, maybe from another machine."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
from pydantic import ConfigDict

from napari_sa2va.core.params import Params


class Host(Params):
    """A process on a machine.

    Attributes
    ----------
    name : str
        Of the machine, with what tells it from others of that name.
    pid : int
    started_s : float
        When the process began, as `started` tells it: process numbers are used again.
    """

    model_config = ConfigDict(extra="ignore")  # what newer versions say beyond that

    name: str
    pid: int
    started_s: float

    @property
    def machine(self) -> str:
        """The machine's name for people."""
        return self.name.partition("/")[0]

    @property
    def is_gone(self) -> bool:
        """Whether it is known that the process has ended; never of one on another machine."""
        if self.name != here().name:
            return False
        try:
            return (
                abs(started(self.pid) - self.started_s) > 1.0
                or psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
            )
        except (psutil.AccessDenied, PermissionError):
            return False
        except psutil.ZombieProcess:
            return True
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            return not _is_hidden(self.pid)


def here() -> Host:
    """This process."""
    return _of(os.getpid())  # a forked process is another one


def started(pid: int) -> float:
    """When a process began, in s: since the machine did on Linux, and Unix time elsewhere.

    On Linux the Unix time of a beginning changes whenever somebody sets the clock.

    Raises
    ------
    psutil.NoSuchProcess, FileNotFoundError
        If there is no such process.
    """
    stat = Path(f"/proc/{pid}/stat")
    if not stat.parent.parent.joinpath("self").exists():
        return psutil.Process(pid).create_time()
    # Its second field is the program's name in brackets, in which anything may stand.
    ticks = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return int(ticks) / os.sysconf("SC_CLK_TCK")


@cache
def _of(pid: int) -> Host:
    return Host(name=_machine(), pid=pid, started_s=started(pid))


def _is_hidden(pid: int) -> bool:
    """Whether a process that /proc does not show is there: it may hide those of other users."""
    if os.name != "posix":  # where the call below would end it
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _machine() -> str:
    """Its host name, and what differs between two of one name: the boot, and who counts processes."""
    parts = [socket.gethostname() or "unnamed"]
    with suppress(OSError):  # not on Linux
        parts.append(
            Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        )
        parts.append(os.readlink("/proc/self/ns/pid").removeprefix("pid:[").removesuffix("]"))
    return "/".join(parts)
