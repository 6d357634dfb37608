"""What was measured of a workspace, and what of it is out of date. No Qt.

It belongs to the workspace and not to a dock: closing a dock and opening it again loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from napari_sa2va.analysis.curves import curves_of, title_of
from napari_sa2va.analysis.measure import INTENSITY, Measurements
from napari_sa2va.gui.traces import Trace, traces_of

if TYPE_CHECKING:
    from napari_sa2va.gui.workspace import Workspace
    from napari_sa2va.project.state import State

PLANE = "plane"
"""Column that is there where several planes are followed each on its own; counted from 0."""

# Of each group the first column that is there is plotted; the timeline has areas in px already.
_CURVES = (
    ("area_um2",),
    ("speed_um_s", "speed_um_frame", "speed_px_frame"),
    ("centroid_y_um", "centroid_y_px"),
    ("centroid_x_um", "centroid_x_px"),
    ("elongation",),
)
_OF_WORKSPACE = frozenset({"index", "name", "found", "answer", "frames", "score"})
"""Columns of the table per object that a layer has before it is measured."""

_known: WeakKeyDictionary[Workspace, Measured] = WeakKeyDictionary()


def measured_of(workspace: Workspace) -> Measured:
    """What was measured of a workspace; nothing at first."""
    if workspace not in _known:
        _known[workspace] = Measured(workspace.project.state.num_frames)
    return _known[workspace]


def title(column: str) -> str:
    """What a person calls a column; see `analysis.title_of`."""
    return "Plane" if column == PLANE else title_of(column)


class Measured:
    """Rows by object and frame, and the masks that they are of.

    Parameters
    ----------
    num_frames : int
        F, of all planes.

    Attributes
    ----------
    kind : tuple of str
        Where the intensities are from; tables of two kinds have other columns.
    """

    def __init__(self, num_frames: int) -> None:
        self.kind: tuple[str, ...] = ()
        self._num_frames = num_frames
        self._done = np.zeros(num_frames, bool)
        self._rows: Measurements = {}
        self._at = np.empty(0, np.intp)  # frame of the stack of each row
        self._traces: dict[int, Trace] = {}
        self._titles: set[str] = set()  # of curves that were shown
        self._foreign: dict[str, dict[int, Any]] = {}  # columns that others gave the layer

    @property
    def num_done(self) -> int:
        """Number of frames that were measured, whatever has become of them."""
        return int(self._done.sum())

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; empty before anything is measured."""
        return tuple(self._rows)

    def forget(self, kind: tuple[str, ...]) -> None:
        """Begin again, with other intensities."""
        self.kind = kind
        self._done[:] = False
        self._rows, self._at, self._traces = {}, np.empty(0, np.intp), {}

    def changed(self, state: State) -> np.ndarray:
        """Frames that were measured and would give other numbers now, bool (F,).

        If a mask is another one, that is its frame and the next on which the object is present, as
        its speed is counted from there.
        """
        changed = np.zeros(self._num_frames, bool)
        if self._done.any():
            none = Trace.nothing(self._num_frames)
            for object_id, trace in traces_of(state).items():
                changed |= trace.differs(self._traces.get(object_id, none))
        return changed & self._done

    def due(self, state: State) -> list[int]:
        """Frames to measure: those that never were, and those that have changed."""
        return np.flatnonzero(self.changed(state) | ~self._done).tolist()

    def take(
        self,
        frames: Sequence[int],
        table: Measurements,
        at: np.ndarray,
        traces: Mapping[int, Trace],
    ) -> None:
        """Take the rows of some frames, instead of those that were there.

        Parameters
        ----------
        frames : sequence of int
            Of the stack.
        table : Measurements
        at : ndarray of int, shape (N,)
            Frame of the stack of each row.
        traces : mapping of int to Trace
            The masks that were measured.
        """
        if list(table) != list(self._rows):  # another movie, or the first frames
            self.forget(self.kind)
        rows, order = table, at
        if self._rows:
            keep = ~np.isin(self._at, np.asarray(frames, dtype=np.intp))
            rows = {c: np.concatenate([self._rows[c][keep], table[c]]) for c in self._rows}
            order = np.concatenate([self._at[keep], at])
        if (np.diff(order) < 0).any():
            by_frame = np.argsort(order, kind="stable")
            rows, order = {c: values[by_frame] for c, values in rows.items()}, order[by_frame]
        self._rows, self._at = rows, order
        self._done[list(frames)] = True
        for object_id, trace in traces.items():
            mine = self._traces.setdefault(object_id, Trace.nothing(self._num_frames))
            mine.take(frames, trace)

    def is_done(self, f: int) -> bool:
        """Whether a frame of the stack was measured."""
        return bool(self._done[f])

    def table(self, state: State) -> Measurements:
        """All rows of objects that are there, with the names they have now."""
        return self._of(state, np.arange(len(self._at)))

    def rows_of(self, state: State, f: int) -> Measurements:
        """The rows of one frame of the stack."""
        return self._of(state, np.arange(*np.searchsorted(self._at, [f, f + 1])))

    def _of(self, state: State, rows: np.ndarray) -> Measurements:
        if not self._rows:
            return {}
        rows = rows[np.isin(self._rows["index"][rows], list(state.cards))]
        table = {column: values[rows] for column, values in self._rows.items()}
        ids, which = np.unique(table["index"], return_inverse=True)
        names = np.array([state.cards[i].name for i in ids.tolist()], np.str_)
        table["name"] = names[which] if len(ids) else names
        return table

    def curves(self, state: State) -> dict[str, dict[int, np.ndarray]]:
        """What is worth a plot: title with unit -> object id -> float (F,)."""
        if not self._rows:
            return {}
        wanted = np.isin(self._rows["index"], list(state.cards))
        table = {c: v[wanted] for c, v in self._rows.items()} | {"frame": self._at[wanted]}
        one_each = [next((c for c in group if c in table), None) for group in _CURVES]
        chosen = [c for c in table if c in one_each or c.startswith(INTENSITY)]
        return curves_of(table, chosen, self._num_frames)

    def show_curves(self, workspace: Workspace) -> None:
        """Let the timeline offer the curves."""
        curves = self.curves(workspace.project.state)
        ours = self._titles | set(curves)
        others = {t: by_id for t, by_id in workspace.curves.items() if t not in ours}
        workspace.curves, self._titles = {**curves, **others}, set(curves)
        workspace.frames_changed.emit(None)

    def show_features(self, workspace: Workspace) -> None:
        """Put the table into the layer's features, where napari shows it.

        A row of the features belongs to the label that its column `index` says. Here, a label has a
        row for each frame, and of several napari shows the last one under the mouse. So the rows of
        the frame in view come last; they have to be put there anew when the slider has moved on.
        """
        layer, state = workspace.layer, workspace.project.state
        if layer is None or not workspace.is_shown or not self._rows:
            return
        self._keep_foreign(layer)
        here = workspace.frame_in_view
        at = self._at[np.isin(self._rows["index"], list(state.cards))]
        order = np.argsort(at == here, kind="stable")
        table = {column: values[order] for column, values in self.table(state).items()}
        for column, values in self._foreign.items():
            if column not in table:
                table[column] = np.array([values.get(i) for i in table["index"].tolist()], object)
        layer.features = table

    def _keep_foreign(self, layer: Any) -> None:
        """Remember what somebody else wrote about the labels, before it is written over."""
        features = layer.features
        if "frame" in features or not len(features):
            return  # these are ours
        labels = features["index"] if "index" in features else range(len(features))
        for column in features:
            if column not in _OF_WORKSPACE:
                self._foreign[column] = dict(zip(map(int, labels), features[column], strict=True))
