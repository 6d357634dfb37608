"""The part of the batch panel that says what to find, how, and where the masks go."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QPoint, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QStyle,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.batch.planning.naming import DEFAULT, FIELDS
from napari_sa2va.core.extras import is_there
from napari_sa2va.gui.batch.setup import SetUp
from napari_sa2va.gui.buttons import text_button
from napari_sa2va.gui.collapsible import Collapsible
from napari_sa2va.gui.forms import quiet_label
from napari_sa2va.gui.staying_menu import StayingMenu

# Of a batch, in the tip.
_MOST_SETS = 10


class SetUpForm(QWidget):
    """Shows a `SetUp`, and lets a person change where masks go.

    Attributes
    ----------
    take_clicked : Signal()
        Sentences and settings are to be taken from the dock again.
    changed : Signal()
        By a person.
    """

    take_clicked = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._setup = SetUp()
        self.words = quiet_label()
        self.words.setAccessibleName("What is to be found, and how")
        self.take_button = text_button(
            "Take from the dock",
            'Take sentences and settings from the dock "Segment by sentence" as they are there now.',
        )
        self.take_button.clicked.connect(self.take_clicked)
        self.formats = QToolButton()
        self.formats.setToolTip("The formats in which the masks of each movie are written.")
        self.formats.setAccessibleName("Formats")
        self.formats.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._menu = _menu_of_formats(self)
        # No menu of the button's own, whose mark the themes draw over its text.
        self.formats.clicked.connect(self._open_formats)
        self.place = QLineEdit()
        self.place.setPlaceholderText("beside the first movie")
        self._equip(self.place, "Batch folder", "Where all that is known of the batch is kept.")
        self.results = QLineEdit()
        self.results.setPlaceholderText("results, in the batch folder")
        self._equip(self.results, "Folder for the masks", "Where the masks are written.")
        self.pattern = QLineEdit()
        self.pattern.setPlaceholderText(DEFAULT)
        self._equip(self.pattern, "Names of the masks", _names_tip())

        body = QWidget()
        form = QFormLayout(body)
        form.setContentsMargins(8, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._place_row = self._with_button(self.place)
        form.addRow("Batch", self._place_row)
        form.addRow("Formats", self.formats)
        form.addRow("Masks", self._with_button(self.results))
        form.addRow("Names", self.pattern)
        self.outputs = Collapsible(
            "Folders and outputs", body, "In which formats masks are written, and where."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        line = QHBoxLayout()
        line.addWidget(self.words, 1)
        line.addWidget(self.take_button)
        layout.addLayout(line)
        layout.addWidget(self.outputs)

        for edit in (self.place, self.results, self.pattern):
            edit.editingFinished.connect(self._read)
        for action in self._menu.actions():
            action.toggled.connect(lambda checked: self._read())
        self.set_value(self._setup)

    @property
    def value(self) -> SetUp:
        """What is shown."""
        return self._setup

    def set_value(self, setup: SetUp) -> None:
        """Show something else; a line that is being typed stays, unless it is to be another."""
        before, self._setup = self._setup, setup
        self.words.setText(setup.words)
        shown = [setup.sentences] if setup.sentences else setup.sets[:_MOST_SETS]
        self.words.setToolTip("\n\n".join("\n".join(sentences) for sentences in shown))
        for edit, old, new in (
            (self.place, before.place, setup.place),
            (self.results, before.results, setup.results),
            (self.pattern, before.pattern, setup.pattern),
        ):
            if new != old:
                edit.setText(new)
        for action in self._menu.actions():
            with QSignalBlocker(action):
                action.setChecked(action.data() in setup.kinds)
        self._name_formats()

    def _read(self) -> None:
        kinds = tuple(str(a.data()) for a in self._menu.actions() if a.isChecked())
        if not kinds:  # something has to be written
            self.set_value(self._setup)
            return
        new = replace(
            self._setup,
            kinds=kinds,
            place=self.place.text().strip(),
            results=self.results.text().strip(),
            pattern=self.pattern.text().strip(),
        )
        if new != self._setup:
            self._setup = new
            self._name_formats()
            self.changed.emit()

    def _name_formats(self) -> None:
        kinds = self._setup.kinds
        self.formats.setText(f"{', '.join(kinds)} ▾")

    def _open_formats(self) -> None:
        self._menu.popup(self.formats.mapToGlobal(QPoint(0, self.formats.height())))

    def let_choose_place(self, can: bool) -> None:
        """Whether the batch folder may be chosen: not of a batch that is on show."""
        self._place_row.setEnabled(can)

    def _with_button(self, line: QLineEdit) -> QWidget:
        """A line for a folder, with a button that asks for one."""
        browse = QToolButton()
        browse.setIcon(self.style().standardIcon(QStyle.StandardPixmap.SP_DirOpenIcon))
        self._equip(browse, f"Choose: {line.accessibleName()}", "Choose a folder.")
        browse.clicked.connect(lambda: self._browse(line))
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(line, 1)
        layout.addWidget(browse)
        return row

    def _browse(self, line: QLineEdit) -> None:
        folder = QFileDialog.getExistingDirectory(self, line.accessibleName(), line.text())
        if folder:
            line.setText(folder)
            self._read()

    @staticmethod
    def _equip(part: QWidget, name: str, tip: str) -> None:
        part.setAccessibleName(name)
        part.setToolTip(tip)


def _menu_of_formats(parent: QWidget) -> StayingMenu:
    """All formats to be checked; those that need a package which is not here say so."""
    from napari_sa2va.writers import WRITERS

    menu = StayingMenu(parent)
    menu.setToolTipsVisible(True)
    for writer in WRITERS:
        about = writer.FORMAT
        action = menu.addAction(about.title)
        action.setData(about.kind)
        action.setCheckable(True)
        action.setToolTip(f"Keeps {about.keeps}.")
        if not all(map(is_there, about.packages)):
            action.setEnabled(False)
            action.setToolTip(f'Needs a package: pip install "napari-sa2va[{about.extra}]"')
    return menu


def _names_tip() -> str:
    """What may stand in a pattern."""
    fields = "\n".join(f"{{{name}}}: {what}" for name, what in FIELDS.items())
    return f"How the masks of a movie are called, without an ending.\n{fields}"
