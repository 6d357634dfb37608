"""Commands that begin at once: `python -m napari_sa2va._tests.warm_commands FOLDER`.

Most of the time of a short command goes into loading modules and the network. Here one process loads
them. FOLDER/napari-sa2va and FOLDER/python are programs like those of these names, which ask that
process to fork, and the child does what they were asked for: with their arguments, folder, environment,
input and output. A signal to them is a signal to the child; if they are killed, so is the child.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from threading import active_count
from typing import NoReturn

import torch

from napari_sa2va.batch.engines import process
from napari_sa2va.cli import main as cli
from napari_sa2va.pipeline import loaded
from napari_sa2va.presets import preset

COMMAND = "napari-sa2va"
SOCKET = "socket"
_LOOK_S = 0.02
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# What the programs run. It has to begin at once, so it is no module of the package.
_ASK = f"""
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    asked = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(line, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    line.sendall(asked)
    answers = line.makefile("rb")
    child = int(answers.readline())
    for number in {tuple(map(int, _SIGNALS))}:
        signal.signal(number, lambda number, _: os.kill(child, number))
    status = int(answers.readline())
if os.WIFSIGNALED(status):
    signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@contextmanager
def warm_commands() -> Iterator[Path]:
    """A folder with the programs, as long as they can be used."""
    # Not among the files of a test: the address of a socket must be short.
    with TemporaryDirectory(prefix="warm-") as folder:
        server = subprocess.Popen(
            [sys.executable, "-m", "napari_sa2va._tests.warm_commands", folder],
            env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == b"ready\n"
            yield Path(folder)
        finally:
            server.kill()
            server.wait()
            server.stdin.close()
            server.stdout.close()


def main(folder: Path) -> None:
    """Make the programs, and do in children what they are asked for, until somebody ends this process."""
    network = preset("sa2va-i").model
    assert network.name == "nano"
    loaded.load(network)
    for module in ("dask.array", "napari_sa2va.batch.work", "napari_sa2va.cli.batch.command"):
        import_module(module)
    torch.set_num_threads(1)
    assert active_count() == 1, "threads would not survive the fork"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / SOCKET))
        door.listen()
        _write_programs(folder)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who attend
        while sys.stdin not in select([door, sys.stdin], [], [])[0]:  # else its parent has ended
            line, _ = door.accept()
            if os.fork() == 0:
                _leave_after(_attend, line, folder)
            line.close()


def _leave_after(do: Callable[..., int], *arguments: object) -> NoReturn:
    """Do something as the last of a child. An interpreter that ends properly takes seconds, as it
    touches all that was loaded, which until then parent and child share."""
    status = 1
    try:
        status = do(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _write_programs(folder: Path) -> None:
    ask, python = folder / "ask.py", shlex.quote(sys.executable)
    ask.write_text(_ASK)
    asking = f"exec {python} -I -S {shlex.quote(str(ask))} {shlex.quote(str(folder / SOCKET))}"
    programs = {
        COMMAND: f'{asking} command "$@"',
        # Whatever else Python is asked for, it does itself.
        "python": f"""if [ "$1 $2 $3" = "-P -m {process.__name__}" ]; then
    shift 3
    {asking} worker "$@"
fi
exec {python} "$@\"""",
    }
    for name, lines in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
        (folder / name).chmod(0o755)


def _attend(line: socket.socket, folder: Path) -> int:
    """Have a child do what a program was asked for, and tell the program how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, files, _, _ = socket.recv_fds(line, 4, 3)
    with line.makefile("rb") as said:
        arguments, place, environment = json.loads(said.read(int.from_bytes(length, "big")))
    child = os.fork()
    if child == 0:
        line.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(place)
        os.environ.clear()
        os.environ.update(environment)
        sys.executable = str(folder / "python")  # for the workers that it starts
        _leave_after(_do, *arguments)
    for file in files:
        os.close(file)
    line.sendall(b"%d\n" % child)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            with suppress(OSError):
                line.sendall(b"%d\n" % status)
            return 0
        if select([line], [], [], _LOOK_S)[0]:  # it is closed, as nothing else is sent
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 0


def _do(what: str, *arguments: str) -> int:
    if what == "worker":
        return process.main(*arguments)
    sys.argv = [COMMAND, *arguments]
    return cli.main([*arguments])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
