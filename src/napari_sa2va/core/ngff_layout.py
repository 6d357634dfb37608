"""Which images a store holds: one, several series, or the fields of a plate."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.core.ngff import multiscale_of
from napari_sa2va.core.zarr_tree import ZarrTree

# Opening each image of a plate of 1536 wells only to tell its size would take long over a network.
_MOST_DESCRIBED = 24
_AT_ONCE = 16


@dataclass(frozen=True)
class Layout:
    """The images of a store.

    Attributes
    ----------
    what : str
        What an image is called here: "series", "field" or "array".
    paths : tuple of str
        Of the groups (or bare arrays) from the root of the tree; "" is the root itself. They are also
        what is asked for.
    """

    what: str
    paths: tuple[str, ...]


def layout_of(tree: ZarrTree, series: int | str | None = None) -> Layout:
    """Find the images of a store by its metadata; labels are none.

    Parameters
    ----------
    tree : ZarrTree
    series : int or str, optional
        What is asked for. If that names a well of a plate, no other well is looked at.

    Raises
    ------
    ClipError
        If there is no image in it, or the metadata are damaged.
    """
    import zarr

    node = tree.node()
    if node is None:
        raise tree.place.error(
            "there is no Zarr group or array.",
            "Give the folder or address that has .zattrs or zarr.json in it, and that you may read.",
        )
    if isinstance(node, zarr.Array):
        return Layout("array", ("",))
    attributes = tree.attributes()
    if "multiscales" in attributes:
        return Layout("series", ("",))
    if "plate" in attributes:
        wells = _paths(tree, attributes, "plate", "wells")
        asked = [well for well in wells if str(series).startswith(f"{well}/")]
        # Side by side: each has metadata of its own, and a server may be far away.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            fields = pool.map(lambda well: _fields(tree, well), asked or wells)
            return _checked(tree, Layout("field", tuple(chain.from_iterable(fields))))
    if "well" in attributes:
        return _checked(tree, Layout("field", tuple(_fields(tree, ""))))
    if "labels" in attributes:
        raise tree.place.error(
            f"these are the labels {attributes['labels']!r:.100} of an image.",
            "Give the image, or one of the labels.",
        )
    return _checked(tree, _without_metadata(tree, attributes))


def _without_metadata(tree: ZarrTree, attributes: Mapping[str, Any]) -> Layout:
    """Series that have numbers (Bio-Formats), or whatever images or arrays lie in the group."""
    listed = tree.attributes("OME").get("series")
    if isinstance(listed, list) and listed and all(isinstance(s, str) for s in listed):
        return Layout("series", tuple(listed))
    if "bioformats2raw.layout" in attributes:
        paths: list[str] = []
        while "multiscales" in tree.attributes(str(len(paths))):
            paths.append(str(len(paths)))
        return Layout("series", tuple(paths))
    groups, arrays = tree.members()
    images = [g for g in groups if "multiscales" in tree.attributes(g)]
    if images:
        return Layout("series", tuple(images))
    return Layout("array", tuple(arrays))


def _fields(tree: ZarrTree, well: str) -> list[str]:
    """Paths of the fields of a well; none where it was never imaged."""
    attributes = tree.attributes(well)
    if "well" not in attributes:
        return []
    return [f"{well}/{p}" if well else p for p in _paths(tree, attributes, "well", "images")]


def _paths(tree: ZarrTree, attributes: Mapping[str, Any], kind: str, of: str) -> list[str]:
    try:
        paths = [entry["path"] for entry in attributes[kind][of]]
    except (KeyError, TypeError) as error:
        raise tree.place.error(
            f'the NGFF metadata of the {kind} have no list "{of}" with paths.',
            "Let the writer's validator look at this store.",
        ) from error
    return [str(path).rstrip("/") for path in paths]


def _checked(tree: ZarrTree, layout: Layout) -> Layout:
    if not layout.paths:
        raise tree.place.error(
            "this Zarr group holds no image.", "Give the folder or address of an image in it."
        )
    return layout


def chosen(tree: ZarrTree, layout: Layout, series: int | str | None) -> str:
    """The path of the image that was asked for.

    Raises
    ------
    SeriesError
        If it is not there, or there are several and none was asked for.
    """
    paths = layout.paths
    if series is None and len(paths) == 1:
        return paths[0]
    if series is not None:
        asked = str(series).strip().strip("/")
        if asked in paths and asked:
            return asked
        if asked.isdecimal() and int(asked) < len(paths):
            return paths[int(asked)]
    known = ", ".join(path or "0" for path in paths[:8]) + (", ..." if len(paths) > 8 else "")
    seen = "holds" if series is None else f"has no {layout.what} {series!r}; it holds"
    raise SeriesError(
        f"{tree.place.address} {seen} {len(paths)}: {known}.",
        "Choose one: series=.",
        [(path or "0", _words(tree, path, len(paths))) for path in paths],
    )


def _words(tree: ZarrTree, path: str, count: int) -> str:
    """Name, axes and sizes of an image, for people."""
    if count > _MOST_DESCRIBED:
        return path
    try:
        attributes = tree.attributes(path)
        if "multiscales" not in attributes:
            shape = " × ".join(map(str, tree.array(path).shape))
            return f"{path}: {shape}" if path else shape
        image = multiscale_of(attributes)
        array = tree.array(f"{path}/{image.paths[0]}" if path else image.paths[0])
    except ClipError:
        return f"{path}: cannot be read"
    sizes = ", ".join(f"{a}={n}" for a, n in zip(image.axes, array.shape, strict=False))
    name = image.name if image.name not in ("", path, "/") else ""
    return ", ".join(word for word in (path, name, sizes) if word)
