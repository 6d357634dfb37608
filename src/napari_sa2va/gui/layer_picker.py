"""Chooses the image layer, and says in plain words what its axes are and which one plays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_sa2va.core.errors import AxesError, RequestError, Sa2vaError
from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.forms import quiet_label
from napari_sa2va.gui.layer_axes import (
    Axis,
    AxisChoice,
    LayerAxes,
    Rest,
    first_choice,
    read_axes,
)
from napari_sa2va.gui.layer_words import describe_layer

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

_LABEL_CHARS = 12
_NOTHING_PLAYS = "nothing, one picture"
_REST_WORDS: dict[Rest, str] = {
    "view": "the plane in view",
    "max": "brightest of all planes",
    "mean": "mean of all planes",
    "colors": "as red, green, blue",
    "every": "every plane on its own",
}


def list_events(viewer: Viewer) -> tuple[Any, ...]:
    """What tells that the viewer's layers are other ones, or in another order."""
    events = viewer.layers.events
    return events.inserted, events.removed, events.reordered


class LayerPicker(QWidget):
    """Follows the viewer's image layers.

    Parameters
    ----------
    viewer : napari.Viewer
    every_plane : bool
        Whether whoever asks can follow every plane of a stack on its own.
    """

    changed = Signal()

    def __init__(
        self, viewer: Viewer, parent: QWidget | None = None, *, every_plane: bool = False
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._every_plane = every_plane
        self._layers: list[Image] = []
        self._axes: LayerAxes | None = None
        self._rests: dict[int, ElidingCombo] = {}

        self.combo = ElidingCombo()
        self.combo.setToolTip("The movie, stack or picture to look in.")
        self.combo.setAccessibleName("Image layer")
        self.plays = ElidingCombo()
        self.plays.setToolTip("The axis along which objects are followed from frame to frame.")
        self.plays.setAccessibleName("Axis that plays as time")
        self.description = quiet_label()

        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.addRow("Image", self.combo)
        self._form.addRow("Plays", self.plays)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._form)
        layout.addWidget(self.description)

        self.combo.currentIndexChanged.connect(self._take_layer)
        self.plays.currentIndexChanged.connect(self._take_player)
        self.watch()

    def watch(self) -> None:
        """Follow the viewer from now on."""
        self.unwatch()
        for event in list_events(self._viewer):
            event.connect(self._refill)
        self._viewer.dims.events.current_step.connect(self._describe)
        self._refill()

    def unwatch(self) -> None:
        """Hear nothing more of the viewer."""
        for event in list_events(self._viewer):
            event.disconnect(self._refill)
        self._viewer.dims.events.current_step.disconnect(self._describe)
        for layer in self._layers:
            self._unwatch_layer(layer)
        self._layers = []

    @property
    def layer(self) -> Image | None:
        """The layer chosen."""
        index = self.combo.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def chosen(self) -> tuple[Image, LayerAxes, AxisChoice]:
        """Return the layer, its axes, and what plays.

        Raises
        ------
        RequestError
            If there is no image layer.
        """
        layer = self.layer
        if layer is None or self._axes is None:
            raise RequestError(
                "There is no image to look in.",
                "Open a movie, or one of File > Open Sample > Sa2VA.",
            )
        return layer, self._axes, self._choice(layer)

    def choose(self, layer: Image) -> None:
        """Choose a layer of the viewer."""
        self.combo.setCurrentIndex(self._layers.index(layer))

    def _choice(self, layer: Image) -> AxisChoice:
        rests: dict[int, Rest] = {dim: combo.currentData() for dim, combo in self._rests.items()}
        return AxisChoice(self.plays.currentData(), rests, self._view_of(layer))

    def _view_of(self, layer: Image) -> tuple[int, ...]:
        """Position of the viewer's slider along every dim of the layer."""
        point = layer.world_to_data(self._viewer.dims.point)
        return tuple(round(float(p)) for p in np.asarray(point)[-layer.ndim :])

    def _refill(self, event: Any = None) -> None:
        """List the image layers anew; the one chosen stays, else the newest is chosen."""
        if not isalive(self):
            return
        from napari.layers import Image

        before = self.layer
        for layer in self._layers:
            self._unwatch_layer(layer)
        # The viewer lists the top layer last; a person reads from the top.
        self._layers = [layer for layer in self._viewer.layers if isinstance(layer, Image)][::-1]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
            layer.events.contrast_limits.connect(self._describe)
            layer.events.set_data.connect(self._reread)
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for layer in self._layers:
                self.combo.addItem(layer.name)
            if not self._layers:
                self.combo.addItem("no image layer yet")
            self.combo.setEnabled(bool(self._layers))
            if before in self._layers:
                self.combo.setCurrentIndex(self._layers.index(before))
        if self.layer is not before or before is None:
            self._take_layer()

    def _unwatch_layer(self, layer: Image) -> None:
        layer.events.name.disconnect(self._rename)
        layer.events.contrast_limits.disconnect(self._describe)
        layer.events.set_data.disconnect(self._reread)

    def _rename(self, event: Any = None) -> None:
        if isalive(self):
            for index, layer in enumerate(self._layers):
                self.combo.setItemText(index, layer.name)

    def _reread(self, event: Any = None) -> None:
        """Take new axes if the layer got data of another shape; slicing emits this event too."""
        if not isalive(self) or self.layer is None or self._axes is None:
            return
        try:
            changed = read_axes(self.layer) != self._axes
        except AxesError:
            changed = True
        if changed:
            self._take_layer()

    def _take_layer(self) -> None:
        """Offer the axes of the layer chosen."""
        layer = self.layer
        self._axes = None
        guess = AxisChoice(None)
        if layer is not None:
            try:
                self._axes = read_axes(layer)
                guess = first_choice(self._axes)
            except AxesError as error:
                self.description.setText(str(error))
        wide = [a for a in self._axes.others if a.size > 1] if self._axes else []
        with QSignalBlocker(self.plays):
            self.plays.clear()
            for axis in wide:
                self.plays.addItem(f"{axis.word} ({axis.size})", axis.dim)
            self.plays.addItem(_NOTHING_PLAYS, None)
            self.plays.setCurrentIndex(self.plays.findData(guess.plays))
        # With one plain axis there is nothing to choose.
        needs_choice = len(wide) > 1 or (len(wide) == 1 and guess.plays is None)
        self._set_row_visible(self.plays, needs_choice)
        self._offer_rests(wide, guess)
        self._describe()
        self.changed.emit()

    def _take_player(self) -> None:
        if self._axes is not None:
            wide = [a for a in self._axes.others if a.size > 1]
            plays = self.plays.currentData()
            rests = {a.dim: a.rests[0] for a in wide if a.dim != plays}
            self._offer_rests(wide, AxisChoice(plays, rests))
            self._describe()
            self.changed.emit()

    def _offer_rests(self, wide: list[Axis], choice: AxisChoice) -> None:
        """One row for every axis that does not play."""
        for combo in self._rests.values():
            self._form.removeRow(combo)
        self._rests = {}
        above: QWidget = self.plays
        for axis in wide:
            if axis.dim == choice.plays:
                continue
            combo = ElidingCombo()
            for rest in axis.rests:
                if rest == "every" and (choice.plays is None or not self._every_plane):
                    continue
                combo.addItem(_REST_WORDS[rest], rest)
            combo.setCurrentIndex(combo.findData(choice.rests.get(axis.dim, axis.rests[0])))
            combo.setToolTip(f"What becomes of {axis.word}, which has {axis.size} positions.")
            combo.setAccessibleName(f"What becomes of {axis.word}")
            combo.currentIndexChanged.connect(self._describe)
            combo.currentIndexChanged.connect(self.changed)
            self._form.addRow(_short_label(axis.word, combo), combo)
            # Made last, it would come last with the Tab key too.
            QWidget.setTabOrder(above, combo)
            above = self._rests[axis.dim] = combo

    def _set_row_visible(self, widget: QWidget, visible: bool) -> None:
        widget.setVisible(visible)
        label = self._form.labelForField(widget)
        if isinstance(label, QLabel):
            label.setVisible(visible)

    def _describe(self, event: Any = None) -> None:
        """Say in plain words what will be looked at."""
        if not isalive(self):
            return
        layer = self.layer
        if layer is None:
            self.description.setText("Open a movie, a stack or a picture, or a sample.")
            return
        if self._axes is None:
            return
        choice = self._choice(layer)
        try:
            words = [describe_layer(layer, self._axes, choice)]
        except Sa2vaError as error:
            self.description.setText(str(error))
            return
        for axis in self._axes.others:
            if axis.size > 1 and axis.dim != choice.plays and choice.rests[axis.dim] == "view":
                position = min(max(choice.position(axis.dim), 0), axis.size - 1)
                words.append(f"{axis.word} {position + 1} of {axis.size}.")
        if not self._axes.rgb:
            low, high = layer.contrast_limits
            words.append(f"Contrast {low:.4g} to {high:.4g}, as shown.")
        self.description.setText(" ".join(words))


def _short_label(word: str, buddy: QWidget) -> QLabel:
    """A label of an axis; its name is the user's, and may be long."""
    label = QLabel()
    metrics = label.fontMetrics()
    longest = _LABEL_CHARS * metrics.averageCharWidth()
    label.setText(metrics.elidedText(word, Qt.TextElideMode.ElideMiddle, longest))
    label.setToolTip(word)
    label.setBuddy(buddy)
    return label
