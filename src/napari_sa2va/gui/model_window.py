"""The window "Models": what there is, what is on this machine, and what a run needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.gui.forms import quiet_label
from napari_sa2va.gui.message_box import MessageBox
from napari_sa2va.gui.model_controller import ModelController
from napari_sa2va.gui.model_tasks import Listed, ModelMessage, ModelRow, ModelTask, messages_of
from napari_sa2va.gui.worker import start_work
from napari_sa2va.models.jobs import gigabytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.models.sa2va.footprint import Ask
    from napari_sa2va.settings import RunSettings

_PLACES = {"package": "yes, ships", "store": "yes", "hub cache": "yes, in the hub's cache"}
_COLUMNS = ("Model", "Size", "Licence", "Memory", "On this machine")
_ROW = Qt.ItemDataRole.UserRole
_STEPS = 1000  # of the bar: bytes do not fit into its numbers
_SIZE_PX = (720, 480)


class ModelWindow(QDialog):
    """Implements `napari_sa2va.gui.model_controller.ModelView`.

    Parameters
    ----------
    parent : QWidget, optional
    source : callable
        What turns a task into messages on the worker thread.
    """

    chosen = Signal(str)
    """The name of a model that is to be used."""
    changed = Signal()
    """Models have come or gone."""

    def __init__(
        self,
        parent: QWidget | None = None,
        source: Callable[[ModelTask, CancelToken], Iterator[ModelMessage]] = messages_of,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models")
        self.resize(*_SIZE_PX)
        self._listed: Listed | None = None
        self._run = ""
        self.list = QTreeWidget()
        self.list.setAccessibleName("Models")
        self.list.setHeaderLabels(_COLUMNS)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.about = quiet_label()
        self.detail = quiet_label()
        self.use_button = _button("Use", "Take this model in the dock. (Double click)")
        self.download_button = _button(
            "Download",
            "Fetch this model and check every file. A download that was stopped goes on.",
        )
        self.verify_button = _button(
            "Verify", "Read every file and compare it with the hash recorded of it."
        )
        self.remove_button = _button("Remove …", "Delete the files of this model.")
        self.import_button = _button(
            "Import folder …", "Copy a checkpoint folder into the folder of models."
        )
        self.cancel_button = _button("Cancel", "Stop; what has arrived of a download is kept.")
        self.mirror = QLineEdit()
        self.mirror.setAccessibleName("Hub or mirror")
        self.mirror.setToolTip("Address from which models are downloaded. Empty: the hub itself.")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Bytes done")
        self.stage = quiet_label()
        self.message = MessageBox()
        self.controller = _connected(self, source)
        self._lay_out()

        self.list.itemSelectionChanged.connect(self._offer)
        self.list.itemDoubleClicked.connect(self._use)
        self.use_button.clicked.connect(self._use)
        self.download_button.clicked.connect(self._download)
        self.verify_button.clicked.connect(self._verify)
        self.remove_button.clicked.connect(self._remove)
        self.import_button.clicked.connect(self._import)
        self.cancel_button.clicked.connect(self.controller.cancel)
        self.destroyed.connect(self.controller.stop)
        self.set_busy(False)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (
            self.use_button,
            self.download_button,
            self.verify_button,
            self.remove_button,
            self.import_button,
        ):
            buttons.addWidget(button)
        moving = QHBoxLayout()
        moving.addWidget(self.progress, 1)
        moving.addWidget(self.cancel_button)
        form = QFormLayout()
        form.addRow("Hub or mirror", self.mirror)
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.about)
        layout.addWidget(self.detail)
        layout.addLayout(buttons)
        layout.addLayout(moving)
        layout.addWidget(self.stage)
        layout.addWidget(self.message)
        layout.addLayout(form)

    def look(self, settings: RunSettings, ask: Ask, run: str) -> None:
        """Open, and list the models with the memory of a run.

        Parameters
        ----------
        settings : RunSettings
        ask : Ask
        run : str
            The run in words.
        """
        self._run = run
        self.show()
        self.raise_()
        self.controller.look(settings, ask)

    def end(self) -> None:
        """Close, and stop what is on its way: the dock is gone."""
        self.controller.stop()
        self.set_busy(False)
        self.show_outcome("")
        self.hide()

    def selected(self) -> str:
        """The name of the model in the list that is selected; empty if none is."""
        row = self._row()
        return row.entry.name if row is not None else ""

    def select(self, name: str) -> None:
        """Select a model of the list."""
        for item in self.list.findItems(name, Qt.MatchFlag.MatchExactly):
            self.list.setCurrentItem(item)

    # -- the view ------------------------------------------------------------------------------

    def show_models(self, listed: Listed) -> None:
        before = self.selected()
        self._listed = listed
        self.list.clear()
        for row in listed.rows:
            item = QTreeWidgetItem(_cells(row, listed))
            item.setData(0, _ROW, row)
            for column in range(len(_COLUMNS)):
                item.setToolTip(column, item.text(column))
            self.list.addTopLevelItem(item)
        self.select(before)
        free = f"; {listed.device} has {gigabytes(listed.free)} free" if listed.free else ""
        self.about.setText(f"Memory: {self._run}, in {listed.dtype}{free}.")
        self.mirror.setPlaceholderText(listed.hub or "offline: nothing is downloaded")

    def set_busy(self, busy: bool) -> None:
        self.progress.setVisible(busy)
        self.cancel_button.setVisible(busy)
        self.mirror.setEnabled(not busy)
        if busy:
            self.message.hide()
        else:
            self.progress.setRange(0, 1)  # a bar that runs to and fro says that it goes on
        self._offer()

    def show_progress(self, text: str, share: float | None) -> None:
        self.progress.setRange(0, _STEPS if share is not None else 0)
        self.progress.setValue(round((share or 0) * _STEPS))
        self.stage.setText(text)
        self.stage.show()

    def show_outcome(self, text: str) -> None:
        self.stage.setText(text)
        self.stage.setVisible(bool(text))

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        self.message.show_error(message, hint, details)

    # -- buttons -------------------------------------------------------------------------------

    def _row(self) -> ModelRow | None:
        items = self.list.selectedItems()
        return items[0].data(0, _ROW) if items else None

    def _offer(self) -> None:
        """Offer what can be done with the model selected."""
        row, listed = self._row(), self._listed
        idle = not self.controller.busy
        here = row is not None and row.entry.folder is not None
        self.use_button.setEnabled(row is not None)
        self.download_button.setEnabled(
            idle
            and row is not None
            and listed is not None
            and self.controller.can_download(row, listed)
        )
        self.verify_button.setEnabled(idle and (here or (row is not None and row.can_remove)))
        self.remove_button.setEnabled(idle and row is not None and row.can_remove)
        self.import_button.setEnabled(idle)
        self.detail.setText(_detail(row) if row is not None else "")
        self.detail.setVisible(row is not None)

    def _use(self) -> None:
        if self.selected():
            self.chosen.emit(self.selected())

    def _download(self) -> None:
        self.controller.endpoint = self.mirror.text()
        self.controller.download(self.selected())

    def _verify(self) -> None:
        self.controller.verify(self.selected())

    def _remove(self) -> None:
        name = self.selected()
        yes = QMessageBox.StandardButton.Yes
        if QMessageBox.question(self, "Models", f"Delete the files of {name}?") == yes:
            self.controller.remove(name)

    def _import(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a checkpoint")
        if folder:
            self.controller.import_folder(Path(folder))


def _connected(
    window: ModelWindow, source: Callable[[ModelTask, CancelToken], Iterator[ModelMessage]]
) -> ModelController:
    return ModelController(
        window,
        lambda task, on_message: start_work(task, on_message, source),
        lambda name: window.changed.emit(),
    )


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)  # Enter in the address must not press any
    return button


def _cells(row: ModelRow, listed: Listed) -> list[str]:
    size = gigabytes(row.num_bytes) if row.num_bytes else ""
    memory = gigabytes(row.memory) if row.memory else ""
    if memory and listed.free is not None and row.memory > listed.free:
        memory += ", more than is free"
    if row.complaint:
        here = "damaged"
    elif row.entry.folder is not None:
        here = _PLACES[row.entry.place]
    else:
        here = f"{gigabytes(row.arrived)} have arrived" if row.arrived else "no"
        size = f"~{size}" if size else ""
    return [row.entry.name, size, row.entry.licence, memory, here]


def _detail(row: ModelRow) -> str:
    entry = row.entry
    facts = [entry.hub_id, entry.base, str(entry.folder or ""), row.complaint]
    if entry.revision:
        facts.insert(1, f"revision {entry.revision[:10]}")
    return "; ".join(fact for fact in facts if fact)
