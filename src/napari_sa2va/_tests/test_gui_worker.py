"""Where work meets a thread: nothing of it is kept once it is done."""

from __future__ import annotations

import gc
import weakref

from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.worker import start_work

WAIT_MS = 120_000


class Listener:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def __call__(self, message: object) -> None:
        self.heard.append(message)


def three(request, cancel):
    yield from (request, 2, 3)


def failing(request, cancel):
    yield request
    raise ValueError("it broke")


def test_whoever_listened_is_let_go_of_although_napari_keeps_the_worker(
    make_napari_viewer_proxy, qtbot
) -> None:
    make_napari_viewer_proxy()  # its window lists the workers that there were
    for source in (three, failing):
        listener = Listener()
        gone = weakref.ref(listener)
        start_work(1, listener, source)
        qtbot.waitUntil(lambda heard=listener.heard: len(heard) >= 2, timeout=WAIT_MS)
        del listener

        def collected(gone=gone) -> bool:
            gc.collect()
            return gone() is None

        qtbot.waitUntil(collected, timeout=WAIT_MS)


def test_messages_come_in_order_and_an_error_is_the_last(make_napari_viewer_proxy, qtbot) -> None:
    make_napari_viewer_proxy()
    good, bad = Listener(), Listener()
    start_work(1, good, three)
    start_work(1, bad, failing)
    qtbot.waitUntil(lambda: len(good.heard) == 3 and len(bad.heard) == 2, timeout=WAIT_MS)
    assert good.heard == [1, 2, 3]
    assert bad.heard[0] == 1
    assert isinstance(bad.heard[1], Failed)
    assert "it broke" in bad.heard[1].message
