"""The row over the timeline: what is shown, what is doubtful, and what is said of this frame."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.timeline_legend import LegendButton
from napari_sa2va.gui.timeline_look import look_of, mark_pixmap, qcolor
from napari_sa2va.gui.timeline_words import tip_markup

_GAP_PX = 6
_SIGN_PX = 12
_TITLE_LETTERS = 16  # of a quantity, for which there is room before it is shortened
_WORDS_PX = 80  # the least room for words beside the buttons


@dataclass(frozen=True)
class HeaderState:
    """What the row shows.

    Attributes
    ----------
    counts : str
        Such as "12 doubtful, 3 reviewed".
    doubts : str
        Lines about the current frame.
    earlier, later : bool
        Whether there is a doubtful frame on that side.
    reviewed : bool
        Of the current frame.
    locked : bool or None
        Of the selected object on the current frame; None if no object is selected.
    """

    counts: str = ""
    doubts: str = ""
    earlier: bool = False
    later: bool = False
    reviewed: bool = False
    locked: bool | None = None


class TimelineHeader(QWidget):
    """Breaks into two rows where one would be too narrow."""

    jump_wanted = Signal(bool)  # backwards
    review_clicked = Signal()
    lock_clicked = Signal()
    view_changed = Signal()  # lanes or plot
    curve_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state: HeaderState | None = None
        self.lanes_button = _button("Lanes", "Show one lane per object.")
        self.plot_button = _button("Plot", "Show how a quantity of the selected object changes.")
        self._views = QButtonGroup(self)
        for button in (self.lanes_button, self.plot_button):
            button.setCheckable(True)
            self._views.addButton(button)
        self.lanes_button.setChecked(True)
        self.plot_button.toggled.connect(self._switch)
        self.curve_box = ElidingCombo()
        self.curve_box.setAccessibleName("Quantity")
        self.curve_box.setToolTip("What is drawn over time.")
        self.curve_box.textActivated.connect(self.curve_chosen)
        self.curve_box.setMinimumContentsLength(_TITLE_LETTERS)
        self.curve_box.setMinimumWidth(_WORDS_PX)
        self.curve_box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.curve_box.hide()
        self.earlier_button = _button("", "Go to the doubtful frame before this one. (Shift+N)")
        self.earlier_button.setAccessibleName("Previous doubtful frame")
        self.earlier_button.clicked.connect(self._jump_back)
        self.later_button = _button("", "Go to the next doubtful frame. (N)")
        self.later_button.setAccessibleName("Next doubtful frame")
        self.later_button.clicked.connect(self._jump_on)
        self.counts = QLabel()
        self.counts.setAccessibleName("Doubtful and reviewed frames")
        self.counts.setToolTip(
            "Frames that deserve a look: a low score, a jump of area or place, an object that "
            "appears, vanishes or overlaps with another."
        )
        self.words = ShortWords()
        self.words.setAccessibleName("Doubts about this frame")
        self.review_box = _check("Reviewed", "You have looked at this frame: no more doubts. (R)")
        self.review_box.clicked.connect(self.review_clicked)
        self.lock_box = _check(
            "Lock", "Keep the selected object on this frame as it is, whatever is run. (L)"
        )
        self.lock_box.clicked.connect(self.lock_clicked)
        self.legend_button = LegendButton()

        switch = _row(self.lanes_button, self.plot_button, gap=0)
        jumps = _row(self.earlier_button, self.counts, self.later_button, gap=2)
        self._left = QWidget()
        left = _row(switch, self.curve_box, jumps)
        left.addStretch()
        self._left.setLayout(left)
        self._right = QWidget()
        self._right.setLayout(_row(self.words, self.review_box, self.lock_box, self.legend_button))
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(_GAP_PX)
        self._layout.addWidget(self._left)
        self._layout.addWidget(self._right, 1)
        self._draw_icons()
        self.show_state(HeaderState(), enabled=False)

    def show_state(self, state: HeaderState, *, enabled: bool = True) -> None:
        """Show how things stand; a click alone changes none of the boxes."""
        self.review_box.setChecked(state.reviewed)
        self.lock_box.setChecked(bool(state.locked))
        if state == self.state:
            return
        self.state = state
        if self.counts.text() != state.counts:
            self.counts.setText(state.counts)
        self.counts.setVisible(bool(state.counts))
        self.words.set_words(state.doubts)
        self.earlier_button.setEnabled(state.earlier)
        self.later_button.setEnabled(state.later)
        self.review_box.setEnabled(enabled)
        self.lock_box.setEnabled(state.locked is not None)

    def set_titles(self, titles: list[str], chosen: str) -> None:
        """Offer quantities."""
        box = self.curve_box
        if titles != [box.itemText(place) for place in range(box.count())]:
            box.clear()
            box.addItems(titles)
        if chosen != box.currentText():
            box.setCurrentIndex(box.findText(chosen))

    def minimumSizeHint(self) -> QSize:
        """As narrow as the wider half, for the halves may lie one below the other."""
        sizes = [half.minimumSizeHint() for half in (self._left, self._right)]
        return QSize(max(size.width() for size in sizes), super().minimumSizeHint().height())

    def event(self, event: QEvent) -> bool:
        """Break the row when a part of it has become longer."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fold()
        return bool(super().event(event))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the row, or join it again."""
        super().resizeEvent(event)
        self._fold()

    def changeEvent(self, event: QEvent) -> None:
        """Draw the arrows in the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._draw_icons()

    def _fold(self) -> None:
        need = self._left.sizeHint().width() + self._right.minimumSizeHint().width() + _GAP_PX
        wide = self.width() >= need
        self._layout.setDirection(
            QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        )

    def _jump_back(self) -> None:
        self.jump_wanted.emit(True)

    def _jump_on(self) -> None:
        self.jump_wanted.emit(False)

    def _switch(self, plot: bool) -> None:
        self.curve_box.setVisible(plot)
        self.view_changed.emit()

    def _draw_icons(self) -> None:
        look, dpr = look_of(self.palette()), self.devicePixelRatioF()
        for button, name in ((self.earlier_button, "earlier"), (self.later_button, "later")):
            icon = QIcon(mark_pixmap(name, look.ink, dpr, side_px=_SIGN_PX))
            dull = mark_pixmap(name, look.hatch, dpr, side_px=_SIGN_PX)
            icon.addPixmap(dull, QIcon.Mode.Disabled)  # not every style makes one of its own
            button.setIcon(icon)
            button.setIconSize(QSize(_SIGN_PX, _SIGN_PX))


class ShortWords(QWidget):
    """The first line that is to be said, shortened to fit, behind a warning sign."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def set_words(self, words: str) -> None:
        """Say something; all of it is in the tool tip."""
        self._words = words
        self.setToolTip(tip_markup(words))
        self.setAccessibleDescription(words)
        self.update()

    def text(self) -> str:
        """All lines."""
        return self._words

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(3 * _WORDS_PX, self.fontMetrics().height() + 2)

    def minimumSizeHint(self) -> QSize:
        """Room for a few words."""
        return QSize(_WORDS_PX, self.fontMetrics().height() + 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the sign and the words."""
        if not self._words:
            return
        look, side = look_of(self.palette()), _SIGN_PX
        painter = QPainter(self)
        sign = mark_pixmap("warning", look.warning, self.devicePixelRatioF(), side_px=side)
        painter.drawPixmap(0, (self.height() - side) // 2, sign)
        painter.setPen(qcolor(look.ink))
        lines = self._words.split("\n")
        more = f" (+{len(lines) - 1})" if len(lines) > 1 else ""
        metrics = self.fontMetrics()
        area = self.rect().adjusted(side + 5, 0, -metrics.horizontalAdvance(more), 0)
        short = metrics.elidedText(lines[0], Qt.TextElideMode.ElideRight, area.width())
        level = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(
            area.adjusted(0, 0, metrics.horizontalAdvance(more), 0), level, short + more
        )
        painter.end()


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keys with the timeline
    return button


def _check(text: str, tip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setToolTip(tip)
    box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return box


def _row(*parts: QWidget | QHBoxLayout, gap: int = _GAP_PX) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(gap)
    for part in parts:
        if isinstance(part, QWidget):
            row.addWidget(part)
        else:
            row.addLayout(part)
    return row
