"""Measures the objects of a workspace on another thread, and puts the numbers where they are seen.

No Qt. Only what has changed since the last time is measured again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.analysis.measure import Measurements, collect, measure
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError, Sa2vaError
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.gui.errand import Errand, Start, View
from napari_sa2va.gui.layer_beside import LayerBeside, beside
from napari_sa2va.gui.measured import PLANE, Measured, measured_of
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.traces import traces_of
from napari_sa2va.project.footage import Footage
from napari_sa2va.readers.layer import physical_facts
from napari_sa2va.writers.table import write_csv

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.gui.placement import Placement
    from napari_sa2va.gui.workspace import Workspace

_TOGETHER_S = 0.2  # frames that are done within this time are handed over at once


@dataclass(frozen=True, eq=False)
class MeasureRequest:
    """What is to be measured, as it was when the button was pressed.

    Attributes
    ----------
    frames : tuple of int
        Of the stack, rising.
    masklets : tuple of Masklet
        On all frames of the stack.
    footage : Footage
    has_pixels : bool
        Whether the footage has anything to measure the intensity of.
    beside : tuple of LayerBeside
    """

    frames: tuple[int, ...]
    masklets: tuple[Masklet, ...]
    footage: Footage
    has_pixels: bool
    beside: tuple[LayerBeside, ...] = ()


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames that are done.

    Attributes
    ----------
    frames : tuple of int
        Of the stack, also those without a row.
    table : Measurements
    at : ndarray of int, shape (N,)
        Frame of the stack of each row.
    """

    frames: tuple[int, ...]
    table: Measurements
    at: np.ndarray


@dataclass(frozen=True)
class Ended:
    """There is no more to come."""


@dataclass(frozen=True)
class Saved:
    """The table was written."""

    path: Path
    num_rows: int


class Measurer:
    """Does one thing at a time for one workspace after the other.

    Parameters
    ----------
    view : View
    start : callable
        Starts work on another thread.
    """

    def __init__(self, view: View, start: Start) -> None:
        self._view = view
        self._errand = Errand(start)

    @property
    def running(self) -> bool:
        """Whether it is measuring or saving."""
        return self._errand.running

    def measure(self, workspace: Workspace, layers: Sequence[Image] = ()) -> None:
        """Measure what was not measured yet, or has changed.

        Parameters
        ----------
        workspace : Workspace
        layers : sequence of napari.layers.Image
            Measure their intensities, too. If these are others than the last time, everything is
            measured.
        """
        if self.running:
            return
        try:
            request = self._request(workspace, layers)
        except Sa2vaError as error:
            self._view.show_error(error.message, error.hint)
            return
        total = len(request.frames)
        if not total:
            self._view.show_outcome("Nothing has changed since it was measured.")
            return
        measured, traces = measured_of(workspace), traces_of(workspace.project.state)
        done = 0

        def hear(message: Batch | Ended | Failed) -> None:
            nonlocal done
            if isinstance(message, Batch):
                measured.take(message.frames, message.table, message.at, traces)
                done += len(message.frames)
                self._view.show_progress(done, total)
                return
            self._errand.end()
            _publish(measured, workspace)
            self._view.set_running(False)
            if isinstance(message, Failed):
                self._view.show_error(message.message, message.hint, message.details)
            else:
                self._view.show_outcome(_outcome(done, total, workspace.project.state.num_frames))
            self._view.refresh()

        self._view.set_running(True)
        self._view.show_progress(0, total)
        self._errand.begin(request, hear, measured_frames)

    def save(self, workspace: Workspace, path: Path) -> None:
        """Write the whole table as CSV; a file of that name is replaced."""
        if self.running:
            return
        table = measured_of(workspace).table(workspace.project.state)

        def hear(message: Saved | Failed) -> None:
            self._errand.end()
            self._view.set_running(False)
            if isinstance(message, Failed):
                self._view.show_error(message.message, message.hint, message.details)
            else:
                rows = "1 row" if message.num_rows == 1 else f"{message.num_rows} rows"
                self._view.show_outcome(f"Saved {rows} to {message.path.name}.")

        self._view.set_running(True)
        self._errand.begin((path, table), hear, _saved)

    def cancel(self) -> None:
        """Ask it to stop after the frame in work; what is done stays."""
        self._errand.cancel()

    def stop(self) -> None:
        """Stop it and hear nothing more of it. The view is not touched: it may be gone."""
        self._errand.stop()

    def _request(self, workspace: Workspace, layers: Sequence[Image]) -> MeasureRequest:
        """Read everything off the layers now: the other thread must not touch them."""
        state = workspace.project.state
        masklets = tuple(state.masklets())
        if not any(trace.codes.any() for trace in traces_of(state).values()):
            raise RequestError("There is no mask to measure.", "Run a sentence, or paint one.")
        chosen: list[LayerBeside] = []
        for layer in layers:
            how = beside(workspace, layer)
            if how is None:
                raise RequestError(
                    f"{layer.name!r} does not lie pixel on pixel on {workspace.image_name!r}.",
                    "Choose other layers to measure.",
                )
            chosen.append(how)
        footage = workspace.project.footage
        measured = measured_of(workspace)
        kind = ("" if footage is None else "clip", *(one.name for one in chosen))
        if kind != measured.kind:
            measured.forget(kind)
        return MeasureRequest(
            frames=tuple(measured.due(state)),
            masklets=masklets,
            footage=footage or _without_pixels(workspace),
            has_pixels=footage is not None,
            beside=tuple(chosen),
        )


def measured_frames(request: MeasureRequest, cancel: CancelToken) -> Iterator[Batch | Ended]:
    """Measure frame after frame, one plane after the other.

    Parameters
    ----------
    request : MeasureRequest
    cancel : CancelToken
        Is looked at between frames.

    Raises
    ------
    ClipError
        If a frame cannot be read.
    ShapeMismatch
        If the masks are not of this footage.
    """
    planes = request.footage.planes
    waiting: list[tuple[int, Measurements]] = []
    since = perf_counter()
    try:
        for f, table in _tables(request, planes):
            waiting.append((f, table))
            if perf_counter() - since > _TOGETHER_S:
                yield _batch(waiting)
                waiting, since = [], perf_counter()
            if cancel.cancelled:
                break
    except Exception:
        if waiting:  # what was done before is kept
            yield _batch(waiting)
        raise
    if waiting:
        yield _batch(waiting)
    yield Ended()


def _tables(request: MeasureRequest, planes: int) -> Iterator[tuple[int, Measurements]]:
    """Frame of the stack, and its table."""
    count = request.masklets[0].num_frames // planes
    for plane in range(planes):
        here = range(plane * count, (plane + 1) * count)
        frames = [f - here.start for f in request.frames if f in here]
        if not frames:
            continue
        clip = request.footage.clip_of(plane)
        channels = None if request.has_pixels else ()
        masklets = [_on(masklet, here) for masklet in request.masklets]
        codes = {m.object_id: m.codes for m in masklets}
        for t, table in zip(
            frames, measure(clip, masklets, frames, channels=channels), strict=True
        ):
            f = here.start + t
            masks = {i: code for i, all_codes in codes.items() if (code := all_codes[t])}
            for layer in request.beside:
                table = _with_means(table, layer, layer.means(f, table, masks, clip.z))
            yield f, _with_plane(table, plane) if planes > 1 else table


def _with_means(table: Measurements, layer: LayerBeside, means: Measurements) -> Measurements:
    """Put further intensities before the speed, under names that are not taken."""
    named = {f"{c} ({layer.name})" if c in table else c: v for c, v in means.items()}
    before = list(table).index("speed_px_frame")
    columns = list(table.items())
    return dict([*columns[:before], *named.items(), *columns[before:]])


def _with_plane(table: Measurements, plane: int) -> Measurements:
    columns = list(table.items())
    at = list(table).index("frame")
    number = np.full(len(table["index"]), plane, np.int64)
    return dict([*columns[:at], (PLANE, number), *columns[at:]])


def _batch(tables: Sequence[tuple[int, Measurements]]) -> Batch:
    frames = tuple(f for f, _ in tables)
    at = np.repeat(frames, [len(table["index"]) for _, table in tables]).astype(np.intp)
    return Batch(frames, collect(table for _, table in tables), at)


def _on(masklet: Masklet, frames: range) -> Masklet:
    """A masklet on the frames of one plane."""
    here = slice(frames.start, frames.stop)
    return replace(masklet, codes=masklet.codes[here], scores=masklet.scores[here])


def _saved(request: tuple[Path, Measurements], cancel: CancelToken) -> Iterator[Saved]:
    path, table = request
    # Whoever chose the path was asked whether the file there may go.
    write_csv(path, table, overwrite=True)
    yield Saved(path, len(table["index"]))


def _outcome(done: int, total: int, num_frames: int) -> str:
    """How it ended; nothing if the window says it anyway, as all is measured."""
    if done < total:
        return f"Stopped. {done} of {total} frames are done and kept."
    if total == num_frames:
        return ""
    return "1 frame measured." if total == 1 else f"{total} frames measured."


def _publish(measured: Measured, workspace: Workspace) -> None:
    measured.show_features(workspace)
    measured.show_curves(workspace)


def physical_facts_of(placement: Placement) -> Mapping[str, tuple[float, float] | float | None]:
    """Pixel size in um and frame interval in s of the masks, each None where it is not known."""
    transform = placement.transform
    facts = physical_facts(
        SimpleNamespace(scale=transform.get("scale", ()), units=transform.get("units")),
        placement.dims,
    )
    return {name: facts.get(name) for name in ("pixel_size_um", "frame_interval_s")}


def _without_pixels(workspace: Workspace) -> Footage:
    """A stand-in for a movie that is not at hand: sizes and places can be measured without it."""
    import dask.array as da

    state = workspace.project.state
    shape = (state.frames_per_plane, *state.shape[1:])
    facts = physical_facts_of(workspace.view.placement)
    frames = da.zeros(shape, np.uint8, chunks=(1, *shape[1:]))
    clip = Clip(frames, limits=((0.0, 255.0),), **facts)  # type: ignore[arg-type]
    return Footage(state.planes, lambda plane: clip)
