"""What becomes of an axis that does not play: a box, and for channels a row of colours below it."""

from __future__ import annotations

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from napari_sa2va.gui.channel_colors import ChannelColors
from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.layer_axes import Axis, Rest

_LABEL_CHARS = 12
_MOST_LISTED = 12  # of more channels, the slider chooses
_WORDS: dict[Rest, str] = {
    "view": "the plane in view",
    "max": "brightest of all planes",
    "mean": "mean of all planes",
    "colors": "as red, green, blue",
    "every": "every plane on its own",
}
_CHANNEL_WORDS: dict[Rest, str] = {
    "view": "the channel in view",
    "max": "brightest of all channels",
    "mean": "mean of all channels",
    "colors": "as red, green, blue",
}


class AxisRow(QObject):
    """The widgets of one axis, for a form.

    Parameters
    ----------
    axis : Axis
    every_plane : bool
        Whether its planes may be followed each on its own.

    Attributes
    ----------
    combo : ElidingCombo
        What becomes of it.
    colors : ChannelColors
        Which of its positions are red, green and blue; seen if they are.
    """

    changed = Signal()

    def __init__(
        self, axis: Axis, *, every_plane: bool = False, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.axis = axis
        self.combo = ElidingCombo()
        self._offered: list[tuple[Rest, int | None]] = []
        words = _CHANNEL_WORDS if axis.letter == "C" else _WORDS
        names = axis.names or tuple(f"{axis.word} {n + 1}" for n in range(axis.size))
        for rest in axis.rests:
            if rest == "every" and not every_plane:
                continue
            self._offer(words[rest], rest)
            if rest == "colors" and axis.letter == "C" and axis.size <= _MOST_LISTED:
                for position, name in enumerate(names):
                    self._offer(f"only {name}", "view", position)
        self.combo.setToolTip(f"What becomes of {axis.word}, which has {axis.size} positions.")
        self.combo.setAccessibleName(f"What becomes of {axis.word}")
        self.colors = ChannelColors(axis.names or [str(n + 1) for n in range(axis.size)])
        self.combo.currentIndexChanged.connect(self._take)
        self.colors.changed.connect(self.changed)

    def insert_into(self, form: QFormLayout, place: int) -> int:
        """Put the widgets into a form.

        Returns
        -------
        int
            Rows that were made.
        """
        form.insertRow(place, _short_label(self.axis.word, self.combo), self.combo)
        # In its whole width, so that names of channels can be read.
        form.insertRow(place + 1, self.colors)
        self.colors.setVisible(self.rest == "colors")
        return 2

    def remove_from(self, form: QFormLayout) -> None:
        """Take the widgets out of a form; they are deleted."""
        form.removeRow(self.combo)
        form.removeRow(self.colors)
        self.deleteLater()

    @property
    def rest(self) -> Rest:
        """What becomes of the axis."""
        return self._offered[self.combo.currentIndex()][0]

    @property
    def position(self) -> int | None:
        """The position that is taken wherever the slider stands; None if the slider decides."""
        return self._offered[self.combo.currentIndex()][1]

    def choose(self, rest: Rest, position: int | None = None) -> None:
        """Choose what becomes of the axis.

        Raises
        ------
        ValueError
            If that is not offered.
        """
        self.combo.setCurrentIndex(self._offered.index((rest, position)))

    def _offer(self, words: str, rest: Rest, position: int | None = None) -> None:
        self._offered.append((rest, position))
        self.combo.addItem(words)

    def _take(self) -> None:
        self.colors.setVisible(self.rest == "colors")
        self.changed.emit()


def _short_label(word: str, buddy: QWidget) -> QLabel:
    """A label of an axis; its name is the user's, and may be long."""
    label = QLabel()
    metrics = label.fontMetrics()
    longest = _LABEL_CHARS * metrics.averageCharWidth()
    label.setText(metrics.elidedText(word, Qt.TextElideMode.ElideMiddle, longest))
    label.setToolTip(word)
    label.setBuddy(buddy)
    return label
