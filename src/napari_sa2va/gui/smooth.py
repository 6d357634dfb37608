"""While the network works, the window must not freeze.

Two things that the interpreter does by itself stop every thread, the GUI's among them. The one who
holds the interpreter's lock gives it away after 5 ms only, which the GUI, that lets go of it with
every call into Qt or OpenGL, would wait for hundreds of times in a second. And a full garbage
collection walks through all objects there are, those of torch and transformers included: half a
second. Both are put off while a run is on, and then as they were; others' settings are left alone.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SWITCH_S = 0.0005
_NEVER = 1_000_000  # collections of the middle generation before a full one

_lock = threading.Lock()
_running = 0
_switch_before = 0.0
_collect_before = 0


@contextmanager
def smooth() -> Iterator[None]:
    """Keep the GUI's thread going while another one works; entered as often as there are runs."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _running, _switch_before, _collect_before
    with _lock:
        _running += 1
        if _running > 1:
            return
        _switch_before = sys.getswitchinterval()
        if _switch_before > _SWITCH_S:
            sys.setswitchinterval(_SWITCH_S)
        young, middle, _collect_before = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)


def _leave() -> None:
    global _running
    with _lock:
        _running -= 1
        if _running:
            return
        # What somebody else has set meanwhile is theirs.
        if abs(sys.getswitchinterval() - _SWITCH_S) < _SWITCH_S / 10:
            sys.setswitchinterval(_switch_before)
        young, middle, old = gc.get_threshold()
        if old == _NEVER:
            gc.set_threshold(young, middle, _collect_before)
