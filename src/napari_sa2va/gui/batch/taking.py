"""What a batch takes from the rest of the window: sentences and settings from the dock, files from layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.batch.opening import opening_of
from napari_sa2va.gui.request import prompts_in
from napari_sa2va.readers.opening import OpenArguments

if TYPE_CHECKING:
    from napari.components import LayerList

    from napari_sa2va.gui.batch.setup import SetUp
    from napari_sa2va.gui.dock import SentenceDock

DOCK = 'the dock "Segment by sentence"'


def take(
    dock: SentenceDock | None, shown: SetUp
) -> tuple[SetUp, Callable[[], OpenArguments] | None]:
    """What is to be found as the dock says it, where masks go as it is on show.

    Parameters
    ----------
    dock : SentenceDock or None
        None if it is not open.
    shown : SetUp

    Returns
    -------
    setup : SetUp
    find : callable or None
        Finds out how the movie in the dock is opened, which may take long; on any thread.

    Raises
    ------
    Sa2vaError
        If there is nothing to be taken, or it makes no sense.
    """
    if dock is None:
        raise RequestError(
            "There are no sentences yet.",
            f"Open {DOCK}, type what to find, and take it from there.",
        )
    prompts = prompts_in(dock.sentences.toPlainText())
    sentences = tuple(prompt.text for prompt in prompts)
    settings = dock.settings.value()
    image = dock.finder.image()
    find = None if image is None else opening_of(*image)
    setup = replace(shown, sentences=sentences, settings=settings, opening=OpenArguments())
    return setup, find


def files_of(layers: LayerList) -> list[str]:
    """The files of the image layers that are selected, or of all.

    Raises
    ------
    RequestError
        If there is none.
    """
    images = [one for one in layers.selection if isinstance(one, Image)]
    images = images or [one for one in layers if isinstance(one, Image)]
    paths = dict.fromkeys(str(one.source.path) for one in images if one.source.path)
    if not paths:
        raise RequestError(
            "There is no image layer that was opened from a file.",
            "Other programs work on the movies: save layers that were made here, and open them.",
        )
    return list(paths)
