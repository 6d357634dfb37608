"""napari's door to our writers: File > Save of Labels layers, ours and anybody's.

`write_coco`, `write_ome_tiff` and so on, one for every kind of format: a layer in. What shows or
measures pixels, overlays and tables, also takes image layers together with their labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Write = Callable[..., list[str]]
LayerPair = tuple[Any, Mapping[str, Any]]
FullLayerData = tuple[Any, Mapping[str, Any], str]

_PREFIX = "write_"


def __getattr__(name: str) -> Write:
    """Make the function that writes a kind of format, so that a new format is listed once."""
    from napari_sa2va.writers import WRITERS

    for writer in WRITERS:
        if name == _PREFIX + writer.FORMAT.kind.replace("-", "_"):
            return _writer_of(writer.FORMAT.kind)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _writer_of(kind: str) -> Write:
    def write(path: str, data: Any, meta: Mapping[str, Any] | None = None) -> list[str]:
        """Write one layer, or, where `meta` is left out, a list of layers.

        Raises
        ------
        Sa2vaError
            If it cannot be written; napari shows the message.
        """
        if meta is None:
            return _write(kind, path, *_apart(data))
        return _write(kind, path, (data, meta), ())

    return write


def _apart(layers: Sequence[FullLayerData]) -> tuple[LayerPair, list[LayerPair]]:
    """Labels, and the image that they are of: a layer for each of its channels."""
    (labels,) = ((data, meta) for data, meta, kind in layers if kind == "labels")
    return labels, [(data, meta) for data, meta, kind in layers if kind == "image"]


def _write(kind: str, path: str, labels: LayerPair, images: Sequence[LayerPair]) -> list[str]:
    from napari.utils.notifications import show_warning

    from napari_sa2va.gui.labels_result import result_of_data
    from napari_sa2va.writers.naming import with_ending
    from napari_sa2va.writers.write import write_result, writer_of

    about = writer_of(Path(path), kind).FORMAT
    target = with_ending(Path(path), about)
    # napari has asked whether a file may be replaced; of a folder, nobody has.
    is_told = not (about.is_folder or about.in_place)
    written = write_result(target, result_of_data(*labels, images), kind, overwrite=is_told)
    for warning in written.warnings:
        show_warning(warning)
    return [str(written.path)]
