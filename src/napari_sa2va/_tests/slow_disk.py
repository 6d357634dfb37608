"""A network drive that is slow and tells old news, put between Python and one folder of a process.

Every call that would go to the file server takes 20 to 100 ms. What a client of NFS may keep is kept:
the list of a folder, and whether a file is there and how old it is, are up to two seconds old, unless
this process has changed them itself. What the server decides stays as it is: of two exclusive creations
one fails, a rename is all or nothing, and a file that is opened is read as it is now.
"""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any
from unittest.mock import patch

DELAY_S = 0.02, 0.1
AGE_S = 2.0


class SlowDisk:
    """Stands before the functions of `os` and `open` that are given a path in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._random = Random(os.getpid())
        self._kept: dict[tuple[str, str], tuple[float, object]] = {}
        self.waits = 0

    @contextmanager
    def between(self) -> Iterator[None]:
        """Slow this process down for as long as the block lasts."""
        changing = {name: self._changing(getattr(os, name)) for name in
                    ("open", "replace", "rename", "link", "unlink", "remove", "mkdir", "utime")}  # fmt: skip
        telling = {"listdir": self._old(os.listdir), "stat": self._old(os.stat)}
        opening = self._changing(io.open)
        with (
            patch.multiple(os, **changing, **telling),
            patch.object(io, "open", opening),
            patch.object(builtins, "open", opening),
        ):
            yield

    def _is_there(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._folder)

    def _wait(self) -> None:
        self.waits += 1
        sleep(self._random.uniform(*DELAY_S))

    def _changing(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def slowly(path: Any, *more: Any, **options: Any) -> Any:
            if not self._is_there(path):
                return do(path, *more, **options)
            self._wait()
            try:
                return do(path, *more, **options)
            finally:
                for one in (path, *more[:1]):
                    if self._is_there(one):
                        name = os.fspath(one)
                        self._kept.pop(("stat", name), None)
                        self._kept.pop(("listdir", os.path.dirname(name)), None)

        return slowly

    def _old(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def lately(path: Any = ".", *more: Any, **options: Any) -> Any:
            if not self._is_there(path):
                return ask(path, *more, **options)
            key = ask.__name__, os.fspath(path)
            until, answer = self._kept.get(key, (0.0, None))
            if monotonic() > until:
                self._wait()
                try:
                    answer = ask(path, *more, **options)
                except FileNotFoundError as error:
                    answer = error
                self._kept[key] = monotonic() + AGE_S, answer
            if isinstance(answer, FileNotFoundError):
                raise answer
            return answer

        return lately
