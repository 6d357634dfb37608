"""The measurements of the frame in view, as a list of objects whose columns are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_sa2va.analysis.measure import INTENSITY
from napari_sa2va.analysis.value_axis import number_text
from napari_sa2va.gui.forms import heading
from napari_sa2va.gui.measured import PLANE, measured_of, title
from napari_sa2va.gui.number_tree import Column, NumberTree, Row
from napari_sa2va.gui.staying_menu import StayingMenu

if TYPE_CHECKING:
    from napari_sa2va.analysis.measure import Measurements
    from napari_sa2va.gui.workspace import Workspace

_LINES = 5
_IN_TITLE = frozenset({"index", "name", "frame", PLANE, "time_s"})
_FIRST = frozenset({"area_um2", "speed_um_s", "speed_um_frame", "score"})
_FIRST_WITHOUT_UM = frozenset({"area_px", "speed_px_frame", "score"})


class FrameTable(QWidget):
    """Shows what is known of a workspace; choosing a row is told.

    The button that chooses columns is made here, and put where there is room by whoever has this.
    """

    chosen = Signal(int)  # object

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace: Workspace | None = None
        self._stale = np.zeros(0, bool)
        self._chosen: dict[str, bool] = {}  # columns, as far as somebody has chosen
        self.title = heading("This frame")
        self.tree = NumberTree(
            "Measurements of this frame",
            "The objects on the frame in view. A click selects an object's label.",
            lines=_LINES,
        )
        self.columns_button = QPushButton("Columns")
        self.columns_button.setToolTip("Choose what is shown of every object.")
        self.columns_menu = StayingMenu(self.columns_button)
        self.columns_menu.aboutToShow.connect(self._fill_menu)
        self.columns_button.setMenu(self.columns_menu)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.title)
        layout.addWidget(self.tree)
        self.tree.chosen.connect(self.chosen)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show another workspace."""
        self._workspace, self._stale = workspace, np.zeros(0, bool)
        self.refresh()

    def set_stale(self, stale: np.ndarray) -> None:
        """Take note of the frames whose numbers hold no longer, bool (F,)."""
        self._stale = stale

    def refresh(self) -> None:
        """Show the frame in view as it is known now."""
        workspace = self._workspace
        f = None if workspace is None else workspace.frame_in_view
        if workspace is None or f is None:
            self.title.setText("No frame is in view")
            self.columns_button.setEnabled(False)
            self.tree.show_rows((), ())
            return
        state, measured = workspace.project.state, measured_of(workspace)
        plane, t = divmod(f, state.frames_per_plane)
        where = f"Frame {t}" if state.planes == 1 else f"Frame {t}, plane {plane}"
        is_done = measured.is_done(f)
        is_stale = is_done and f < len(self._stale) and bool(self._stale[f])
        how = ": changed since" if is_stale else "" if is_done else ": not measured"
        self.title.setText(where + how)
        self.columns_button.setEnabled(bool(measured.columns))
        table = measured.rows_of(state, f) if is_done else {}
        columns = self._shown(measured.columns)
        self.tree.show_rows([_column(c) for c in columns], _rows(table, columns, workspace))
        self.tree.select(workspace.selected)

    def select(self, object_id: int | None) -> None:
        """Show which object is selected."""
        self.tree.select(object_id)

    def show_column(self, column: str, shown: bool = True) -> None:
        """Show a column of the measurements, or leave it out."""
        self._chosen[column] = shown
        self.refresh()

    def _shown(self, columns: Sequence[str]) -> list[str]:
        first = _FIRST if "area_um2" in columns else _FIRST_WITHOUT_UM
        return [
            c
            for c in columns
            if c not in _IN_TITLE and self._chosen.get(c, c in first or c.startswith(INTENSITY))
        ]

    def _fill_menu(self) -> None:
        self.columns_menu.clear()
        if self._workspace is None:
            return
        columns = measured_of(self._workspace).columns
        shown = self._shown(columns)
        for column in columns:
            if column not in _IN_TITLE:
                action = self.columns_menu.addAction(title(column).replace("&", "&&"))
                action.setCheckable(True)
                action.setChecked(column in shown)
                action.toggled.connect(lambda on, column=column: self.show_column(column, on))


def _rows(table: Measurements, columns: Sequence[str], workspace: Workspace) -> list[Row]:
    cards = workspace.project.state.cards
    ids = table.get("index", np.empty(0, int)).tolist()
    return [
        Row(
            i,
            cards[i].name,
            tuple(number_text(float(table[column][row])) for column in columns),
            cards[i].color,
        )
        for row, i in enumerate(ids)
    ]


def _column(column: str) -> Column:
    """A heading on two lines: what it is, and its unit or channel."""
    words = title(column)
    if column.startswith(f"{INTENSITY}_"):
        return Column("Intensity\n" + words.split(", ", 1)[1], words)
    if column == INTENSITY:
        return Column("Mean\nintensity", words)
    return Column(words.replace(" (", "\n("), words)
