"""Labels as OME-Zarr: inside the store of the image they are of, or as a store of their own.

Inside an image they are in its labels group, on its full canvas, so that viewers lay them on it. There
nothing is renamed. The arrays are written first, under names that nobody knows yet; then one file, the
metadata of the label image, is replaced; then the list of labels. So whenever the process ends, there is
the old label image or the new one, and the image itself is never touched. Only where a group above
keeps copies of all metadata (zarr's consolidated metadata) are these brought up to date, at last. The
metadata that others change, too, the list and the copies, are changed by one process at a time.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from napari_sa2va.core.errors import ClipError, OutputError, SeriesError
from napari_sa2va.core.file_lock import alone
from napari_sa2va.core.folder_swap import replacing_folder
from napari_sa2va.core.ngff import multiscale_of
from napari_sa2va.core.ngff_layout import chosen, layout_of
from napari_sa2va.core.zarr_tree import METADATA, ZarrPlace, ZarrTree, ngff
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.ome_zarr_documents import (
    attributes_of,
    clear_left,
    is_array,
    is_group,
    label_attributes,
    ngff_attributes,
    set_attributes,
    tell_consolidated,
)
from napari_sa2va.writers.ome_zarr_levels import write_levels
from napari_sa2va.writers.ome_zarr_plan import LabelPlan, plan_alone, plan_inside
from napari_sa2va.writers.paths import Ready, at_once, check_new_folder

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="ome-zarr",
    title="OME-Zarr (labels)",
    suffixes=(".ome.zarr", ".zarr"),
    keeps="names, sentences, colours, parents, overlap rule; axes, sizes, levels and place in the image",
    read_back_by="ome-zarr-py, ome-zarr-models",
    most_ids=2**32 - 1,
    planes=True,
    parents=True,
    place=True,
    is_folder=True,
    files=r"zarr\.json|\.z(attrs|group|metadata)|\d+/.*",
    in_place=True,
)
DEFAULT_NAME = "napari-sa2va"
# A level that this writer made, or left half-made.
_LEVEL = re.compile(r"\d+(-[0-9a-f]{6})?")


def write(path: Path, result: Result, *, overwrite: bool = False, ready: Ready = at_once) -> None:
    """Write labels into an image, or to a store of their own.

    Parameters
    ----------
    path : Path
        An OME-Zarr image (usually the source of the clip): labels are written into it under the name
        "napari-sa2va", or that of a path such as "image.ome.zarr/labels/cells". Any other path is that
        of a store of its own, whose root is the label image.
    result : Result
    overwrite : bool
        Whether a label image of this name, or a store in this place, may be replaced.
    ready : callable, optional
        See `Ready`.

    Raises
    ------
    OutputError
        If that is not allowed, the masks do not fit on the image, or something cannot be written.
    """
    try:
        inside = _image_and_name(path)
        if inside is None:
            _write_alone(path, result, overwrite, ready)
        else:
            _write_inside(*inside, result, overwrite, ready)
    except SeriesError as error:
        first, _ = error.choices[0]
        raise OutputError(error.message, f"Name one image: {path / str(first)}") from error
    except ClipError as error:
        raise OutputError(error.message, error.hint) from error
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}); what was there before is as it "
            "was.",
            "Is the disk full? May you write there?",
        ) from error


def _image_and_name(path: Path) -> tuple[Path, str] | None:
    """The store of an image and the name of the labels in it; None for a store of its own."""
    if path.is_file():
        raise OutputError(
            f"{path} is a file, and OME-Zarr labels are a folder.",
            "To a zipped store nothing can be added; name another path.",
        )
    image = path.parent.parent
    if path.parent.name == "labels" and _is_store(image):
        if not path.name or path.name.startswith((".", "__")):
            raise OutputError(f"{path.name!r} is no name for labels.", "Begin it with a letter.")
        return image, path.name
    if not _is_store(path):
        return None
    with ZarrTree(ZarrPlace(str(path), "folder")) as tree:
        return None if "image-label" in tree.attributes() else (path, DEFAULT_NAME)


def is_alone(path: Path) -> bool:
    """Whether labels written there are a store of their own, and not within an image; see `write`."""
    return _image_and_name(path) is None


def _is_store(folder: Path) -> bool:
    return any((folder / name).is_file() for name in METADATA)


def check_place(path: Path, *, overwrite: bool) -> None:
    """Find out whether labels can be written there, before any work is done for them.

    Parameters
    ----------
    path, overwrite
        See `write`.

    Raises
    ------
    OutputError
        If they cannot. Of a store with several images it is only known later which one is meant.
    """
    inside = _image_and_name(path)
    if inside is None:
        _check_alone(path, overwrite)
        return
    store, name = inside
    labels = store / "labels"
    # What a process that ended left of them has attributes at most, and is no group.
    if not overwrite and any(is_group(labels / name, version) for version in (2, 3)):
        raise _taken(labels, name)
    # Not by trying, as elsewhere: the trial would stay in the image if the process ended just then.
    if not os.access(store, os.W_OK):
        raise OutputError(
            f"{store} cannot be written to.",
            "Choose a store you may write to, or a new one for the labels alone.",
        )


def _check_alone(path: Path, overwrite: bool) -> None:
    check_new_folder(path, overwrite)
    if not path.parent.is_dir():
        raise OutputError(
            f"{path} cannot be written: there is no folder {path.parent}.",
            "Make it, or choose another.",
        )


def _taken(labels: Path, name: str) -> OutputError:
    return OutputError(
        f"The labels {name!r} of {labels.parent} are there already.",
        f"Name others, such as {labels / 'cells'}, or allow them to be overwritten (--overwrite).",
    )


def _write_alone(path: Path, result: Result, overwrite: bool, ready: Ready) -> None:
    _check_alone(path, overwrite)
    plan = plan_alone(result)
    paths = tuple(str(level) for level in range(len(plan.shapes)))
    own = re.compile(FORMAT.files)
    with replacing_folder(path, lambda _, name: bool(own.fullmatch(name))) as folder:
        write_levels(folder, paths, plan, result)
        name = path.name.removesuffix(".zarr").removesuffix(".ome")
        set_attributes(folder, plan.zarr_format, label_attributes(name, paths, plan, result))
        _check_alone(path, overwrite)  # somebody else may have made it meanwhile
        ready()


def _write_inside(store: Path, name: str, result: Result, overwrite: bool, ready: Ready) -> None:
    clip, store = result.clip, store.resolve()
    is_source = clip.source is not None and Path(clip.source).resolve() == store
    with ZarrTree(ZarrPlace(str(store), "folder")) as tree:
        series = clip.opened_with.get("series") if is_source else None
        layout = layout_of(tree, series)
        if layout.what == "array":
            raise OutputError(
                f"{store} has no NGFF metadata, and so no place for labels.",
                "Write the labels to a store of their own.",
            )
        image = chosen(tree, layout, series)
        plan = plan_inside(tree, image, result)
    labels = store / tree.path(image) / "labels"
    top = next(f for f in (store, *store.parents) if not _is_store(f.parent))
    _add(top, labels, name, plan, result, overwrite, ready)


def _add(
    store: Path,
    labels: Path,
    name: str,
    plan: LabelPlan,
    result: Result,
    overwrite: bool,
    ready: Ready,
) -> None:
    """Write a label image into a labels group, or replace the one of this name."""
    _listed(labels, plan)  # a damaged list is told before anything is written
    folder = labels / name
    old = _levels_of(folder, plan.zarr_format)
    if old is not None and not overwrite:
        raise _taken(labels, name)
    made_folders = [f for f in (labels, folder) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    clear_left(folder)
    _clear_levels(folder, keep=old or ())
    paths = _free_names(folder, len(plan.shapes))
    try:
        write_levels(folder, paths, plan, result)
        with alone(_shared(store), OutputError):
            ready()
            set_attributes(folder, plan.zarr_format, label_attributes(name, paths, plan, result))
            _enlist(labels, name, plan)
            tell_consolidated(store, folder, paths, plan.zarr_format)
    except BaseException:
        _clear_levels(folder, keep=_levels_of(folder, plan.zarr_format) or ())
        for made in reversed(made_folders):
            with suppress(OSError):  # somebody else has put something there
                made.rmdir()
        raise
    for path in set(old or ()) - set(paths):
        shutil.rmtree(folder / path, ignore_errors=True)


def _shared(store: Path) -> Path:
    """What stands for the metadata of a store that several processes change, see `alone`."""
    # Beside the store, for zarr warns of what it does not know in one; unless nothing can be made there.
    return store if os.access(store.parent, os.W_OK) else store / DEFAULT_NAME


def _enlist(labels: Path, name: str, plan: LabelPlan) -> None:
    """Add a name to the list of a labels group, or make the group."""
    clear_left(labels)
    listed = _listed(labels, plan)
    if name in listed and is_group(labels, plan.zarr_format):
        return
    attributes = attributes_of(labels, plan.zarr_format)
    content = dict(ngff(attributes)) | {"labels": list(dict.fromkeys([*listed, name]))}
    content.pop("version", None)
    set_attributes(labels, plan.zarr_format, attributes | ngff_attributes(content, plan.version))


def _listed(labels: Path, plan: LabelPlan) -> list[str]:
    """Names in the list of a labels group, which need not be there yet."""
    names = ngff(attributes_of(labels, plan.zarr_format)).get("labels", [])
    if not isinstance(names, list):
        raise OutputError(
            f'The list "labels" of {labels} is {names!r:.60}.', "Repair the store first."
        )
    return names


def _levels_of(folder: Path, zarr_format: int) -> tuple[str, ...] | None:
    """Paths of the arrays of a label image; None if there is none."""
    if is_array(folder):
        raise OutputError(f"{folder} is an array, not labels.", "Name the labels otherwise.")
    if not is_group(folder, zarr_format):
        return None
    attributes = ngff(attributes_of(folder, zarr_format))
    if "multiscales" not in attributes:
        return ()
    # Only what lies directly in this folder will ever be deleted.
    return tuple(p for p in multiscale_of(attributes).paths if re.fullmatch(r"\w[\w.-]*", p))


def _clear_levels(folder: Path, keep: tuple[str, ...]) -> None:
    """Delete arrays that no metadata name: a process ended, or failed, while it wrote them."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in keep and _LEVEL.fullmatch(path.name):
            shutil.rmtree(path)


def _free_names(folder: Path, count: int) -> tuple[str, ...]:
    names = tuple(str(level) for level in range(count))
    if not any((folder / name).exists() for name in names):
        return names
    mark = uuid4().hex[:6]
    return tuple(f"{name}-{mark}" for name in names)
