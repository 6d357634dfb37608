"""Chooses the image layer, and says in plain words what its axes are and which one plays."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_sa2va.core.errors import AxesError, RequestError, Sa2vaError
from napari_sa2va.core.tints import GREY
from napari_sa2va.gui.axis_row import AxisRow
from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.forms import quiet_label
from napari_sa2va.gui.inside_picker import InsidePicker
from napari_sa2va.gui.layer_axes import (
    Axis,
    AxisChoice,
    LayerAxes,
    channel_axis,
    first_choice,
    read_axes,
)
from napari_sa2va.gui.layer_look import Look, can_mix, tint_of
from napari_sa2va.gui.layer_mixer import LayerMixer
from napari_sa2va.gui.layer_words import describe_layer, describe_look

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sa2va.core.region_box import Box

_NOTHING_PLAYS = "nothing, one picture"
_AXES_BEGIN = 2  # the row below what plays
_LOOK_WORDS: dict[Look, str] = {"shown": "as shown", "grey": "grey"}
_LOOKS = ("contrast_limits", "gamma", "colormap", "opacity")


def list_events(viewer: Viewer) -> tuple[Any, ...]:
    """What tells that the viewer's layers are other ones, or in another order."""
    events = viewer.layers.events
    return events.inserted, events.removed, events.reordered


class LayerPicker(QWidget):
    """Follows the viewer's image layers.

    Rows are there only where there is something to choose.

    Parameters
    ----------
    viewer : napari.Viewer
    every_plane : bool
        Whether whoever asks can follow every plane of a stack on its own.

    Attributes
    ----------
    changed : Signal()
        Another layer, or something else to take of it, was chosen.
    look_changed : Signal()
        The choice is the same, but what the model sees is not: the plane in view, the contrast, the
        colours, or a rectangle that was moved.
    """

    changed = Signal()
    look_changed = Signal()

    def __init__(
        self, viewer: Viewer, parent: QWidget | None = None, *, every_plane: bool = True
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._every_plane = every_plane
        self._layers: list[Image] = []
        self._axes: LayerAxes | None = None
        self._rows: list[AxisRow] = []

        self.combo = ElidingCombo()
        self.combo.setToolTip("The movie, stack or picture to look in.")
        self.combo.setAccessibleName("Image layer")
        self.mixer = LayerMixer()
        self.plays = ElidingCombo()
        self.plays.setToolTip("The axis along which objects are followed from frame to frame.")
        self.plays.setAccessibleName("Axis that plays as time")
        self.look = ElidingCombo()
        for look, words in _LOOK_WORDS.items():
            self.look.addItem(words, look)
        self.look.setToolTip("Whether the model sees the layer's colormap and gamma, or grey.")
        self.look.setAccessibleName("Colours")
        self.inside = InsidePicker(viewer)
        self.description = quiet_label()

        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        image_row = QHBoxLayout()
        image_row.addWidget(self.combo, 1)
        image_row.addWidget(self.mixer)
        image_label = QLabel("Image")
        image_label.setBuddy(self.combo)
        self._form.addRow(image_label, image_row)
        self._form.addRow("Plays", self.plays)
        self._form.addRow("Colours", self.look)
        self._form.addRow("Only inside", self.inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._form)
        layout.addWidget(self.description)

        self.combo.currentIndexChanged.connect(self._take_layer)
        self.mixer.changed.connect(self._take_choice)
        self.plays.currentIndexChanged.connect(self._take_player)
        self.look.currentIndexChanged.connect(self._take_choice)
        self.inside.changed.connect(self._take_inside)
        self.watch()

    def watch(self) -> None:
        """Follow the viewer from now on."""
        self.unwatch()
        for event in list_events(self._viewer):
            event.connect(self._refill)
        self._viewer.dims.events.current_step.connect(self._take_look)
        self._refill()

    def unwatch(self) -> None:
        """Hear nothing more of the viewer."""
        for event in list_events(self._viewer):
            event.disconnect(self._refill)
        self._viewer.dims.events.current_step.disconnect(self._take_look)
        self.inside.unfollow()
        for layer in self._layers:
            self._unwatch_layer(layer)
        self._layers = []

    @property
    def layer(self) -> Image | None:
        """The layer chosen."""
        index = self.combo.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def chosen(self) -> tuple[Image, LayerAxes, AxisChoice]:
        """Return the layer, its axes, and what to take of it.

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

    def box(self) -> Box | None:
        """Return the part of the frames to look at, in px of the layer; None for all.

        Raises
        ------
        RequestError
            If the rectangle chosen lies outside the image or is too small.
        """
        if self.layer is None or self._axes is None:
            return None
        return self.inside.box(self.layer, self._axes)

    def choose(self, layer: Image) -> None:
        """Choose a layer of the viewer."""
        self.combo.setCurrentIndex(self._layers.index(layer))

    def row_of(self, dim: int) -> AxisRow:
        """What becomes of an axis that does not play."""
        return next(row for row in self._rows if row.axis.dim == dim)

    def _choice(self, layer: Image) -> AxisChoice:
        view = list(self._view_of(layer))
        colors: tuple[int | None, ...] = ()
        for row in self._rows:
            if row.rest == "colors":
                colors = row.colors.value()
            if row.position is not None:
                view[row.axis.dim] = row.position
        return AxisChoice(
            self.plays.currentData(),
            {row.axis.dim: row.rest for row in self._rows},
            tuple(view),
            colors=colors,
            beside=self.mixer.layers,
            look=self.look.currentData(),
        )

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
            layer.events.set_data.connect(self._reread)
            for look in _LOOKS:
                getattr(layer.events, look).connect(self._take_look)
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
        else:
            self._offer_more()
        self.inside.follow()  # at last: it describes what is chosen by then

    def _unwatch_layer(self, layer: Image) -> None:
        layer.events.name.disconnect(self._rename)
        layer.events.set_data.disconnect(self._reread)
        for look in _LOOKS:
            getattr(layer.events, look).disconnect(self._take_look)

    def _rename(self, event: Any = None) -> None:
        if isalive(self):
            for index, layer in enumerate(self._layers):
                self.combo.setItemText(index, layer.name)
            self._offer_more()

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
        with QSignalBlocker(self.look):
            self.look.setCurrentIndex(0)
        # With one plain axis there is nothing to choose.
        needs_choice = len(wide) > 1 or (len(wide) == 1 and guess.plays is None)
        self._set_row_visible(self.plays, needs_choice)
        self._offer_rests(wide, guess)
        self._take_choice()

    def _take_player(self) -> None:
        if self._axes is not None:
            wide = [a for a in self._axes.others if a.size > 1]
            plays = self.plays.currentData()
            rests = {a.dim: a.rests[0] for a in wide if a.dim != plays}
            self._offer_rests(wide, AxisChoice(plays, rests))
            self._take_choice()

    def _take_choice(self) -> None:
        """Something else is to be taken of the layer."""
        self._offer_more()
        self.changed.emit()

    def _take_look(self, event: Any = None) -> None:
        """What the model sees looks otherwise."""
        if isalive(self):
            self._offer_more()
            self.look_changed.emit()

    def _take_inside(self) -> None:
        self._set_row_visible(self.inside, self.inside.has_rectangles)
        self._describe()
        self.look_changed.emit()

    def _offer_rests(self, wide: list[Axis], choice: AxisChoice) -> None:
        """One row for every axis that does not play."""
        for row in self._rows:
            row.remove_from(self._form)
        self._rows = []
        place = _AXES_BEGIN
        for axis in wide:
            if axis.dim == choice.plays:
                continue
            with_planes = self._every_plane and choice.plays is not None
            row = AxisRow(axis, every_plane=with_planes, parent=self)
            row.changed.connect(self._take_choice)
            place += row.insert_into(self._form, place)
            self._rows.append(row)
        # Made last, they would come last with the Tab key too.
        chain: list[QWidget] = [self.combo, self.mixer, self.plays]
        for row in self._rows:
            chain += [row.combo, *row.colors.combos]
        chain += [self.look, self.inside]
        for before, after in pairwise(chain):
            QWidget.setTabOrder(before, after)

    def _offer_more(self) -> None:
        """Offer what goes with the choice: further layers, colours; and say what is chosen."""
        layer, axes = self.layer, self._axes
        if layer is None or axes is None:
            self.mixer.offer([])
            self._set_row_visible(self.look, False)
            self._describe()
            return
        has_channels = channel_axis(axes, self._choice(layer)) is not None
        fit = [] if has_channels else [one for one in self._layers if can_mix(layer, one)]
        self.mixer.offer(fit)  # what was added and fits no more is another choice
        mixed = has_channels or bool(self.mixer.layers)
        self._set_row_visible(self.look, not (axes.rgb or mixed) and tint_of(layer) != GREY)
        self._describe()

    def _set_row_visible(self, widget: QWidget, visible: bool) -> None:
        widget.setVisible(visible)
        label = self._form.labelForField(widget)
        if isinstance(label, QLabel):
            label.setVisible(visible)

    def _describe(self) -> None:
        """Say in plain words what will be looked at."""
        layer = self.layer
        if layer is None:
            self.description.setText("Open a movie, a stack or a picture, or a sample.")
            return
        if self._axes is None:
            return
        choice = self._choice(layer)
        try:
            words = [describe_layer(layer, self._axes, choice)]
            box = self.box()
        except Sa2vaError as error:
            self.description.setText(str(error))
            return
        if box is not None:
            words.append(f"Only {box.height} × {box.width} px of them.")
        words.append(describe_look(layer, self._axes, choice))
        self.description.setText(" ".join(w for w in words if w))
