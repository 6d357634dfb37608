"""The part of the dock that writes masks in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QDialog, QFileDialog, QMessageBox, QVBoxLayout, QWidget

from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.export_dialog import FormatDialog
from napari_sa2va.gui.exporter import Export, Offer, Stopped, offers_for, plain_name, suggested
from napari_sa2va.gui.keeper import require_layer
from napari_sa2va.gui.labels_result import result_of_workspace
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.work_row import WorkRow
from napari_sa2va.gui.worker import RunHandle, start_work

if TYPE_CHECKING:
    from napari_sa2va.writers.format import WriteFormat
    from napari_sa2va.writers.write import Written

_LOOK_MS = 100
_TITLE = "Export masks"


class ExportPanel(QWidget):
    """Asks for a format and a place, and writes the masks there while the window goes on.

    Parameters
    ----------
    bench : Bench
    """

    refused = Signal(str, str)  # message, hint
    told = Signal(str, str)

    def __init__(self, bench: Bench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bench = bench
        self._work: RunHandle | None = None
        self._export: Export | None = None
        self._kind = "ome-tiff"  # the last one that was chosen
        self.row = WorkRow(
            "Export masks …", "Write the masks as OME-TIFF, COCO, DAVIS, a table and many more."
        )
        self.row.cancel_button.setToolTip("Stop; what was there before stays as it was.")
        self.row.start_clicked.connect(self.ask)
        self.row.cancel_clicked.connect(self.cancel)
        self._look = QTimer(self)
        self._look.setInterval(_LOOK_MS)
        self._look.timeout.connect(self._show_progress)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.row)

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return self._work is not None

    def ask(self) -> None:
        """Ask for a format, then for a place, and write there."""
        try:
            result = result_of_workspace(require_layer(self._bench.workspace))
        except Sa2vaError as error:
            self.refused.emit(error.message, error.hint)
            return
        dialog = FormatDialog(offers_for(result), self._kind, self.window())
        accepted = dialog.exec() == QDialog.DialogCode.Accepted
        offer = dialog.chosen
        dialog.deleteLater()
        if not accepted or offer.refusal:
            return
        self._kind = offer.about.kind
        path, is_told = self._place_of(offer)
        if path is not None:
            self.export_to(path, offer.about, overwrite=is_told)

    def _place_of(self, offer: Offer) -> tuple[Path | None, bool]:
        """Where to write, and whether what is there may be replaced."""
        if offer.store is None:
            # The dialog of files asks whether a file may be replaced; of folders it does not.
            about = offer.about
            return self._ask_place(about), not (about.is_folder or about.in_place)
        path = offer.store / "labels" / plain_name(self._name)
        if not path.exists():
            return path, False
        yes = QMessageBox.StandardButton.Yes
        words = f"{offer.store.name} has labels {path.name!r} already. Replace them?"
        return (path, True) if QMessageBox.question(self, _TITLE, words) == yes else (None, False)

    @property
    def _name(self) -> str:
        workspace = self._bench.workspace
        return "masks" if workspace is None else workspace.image_name

    def _ask_place(self, about: WriteFormat) -> Path | None:
        from napari.utils.history import get_save_history, update_save_history

        start = suggested(self._name, about, get_save_history()[0])
        endings = f"{about.title} ({' '.join(f'*{e}' for e in about.suffixes) or '*'})"
        chosen, _ = QFileDialog.getSaveFileName(self, _TITLE, str(start), endings)
        if not chosen:
            return None
        update_save_history(chosen)
        return Path(chosen)

    def export_to(self, path: Path, about: WriteFormat, *, overwrite: bool = False) -> None:
        """Write the masks as they are now; what is done meanwhile is not in the file."""
        from napari_sa2va.writers.naming import with_ending
        from napari_sa2va.writers.write import check_place

        if self.busy:
            return
        path = with_ending(path, about)
        try:
            result = result_of_workspace(require_layer(self._bench.workspace))
            check_place(path, about, overwrite=overwrite)
        except Sa2vaError as error:
            self.refused.emit(error.message, error.hint)
            return
        self._export = Export(result, path, about.kind, overwrite=overwrite)
        self.row.set_running(True)
        self.row.say(f"Writing {path.name} …")
        self._look.start()
        self._work = start_work(self._export, self._take, Export.run)

    def cancel(self) -> None:
        """Stop writing."""
        if self._work is not None:
            self._work.cancel()

    def close_down(self) -> None:
        """The dock is gone: nobody waits for the file any more."""
        self.cancel()

    def _show_progress(self) -> None:
        if self._export is not None and self._export.done:
            self.row.show_progress(self._export.done, self._export.total)

    def _take(self, done: Written | Stopped | Failed) -> None:
        self._work = self._export = None
        if not isalive(self):
            return
        self._look.stop()
        self.row.set_running(False)
        if isinstance(done, Failed):
            self.row.say("")
            self.refused.emit(done.message, done.hint)
        elif isinstance(done, Stopped):
            self.row.say("Stopped; nothing was written.")
        else:
            self.row.say(f"Wrote {done.path}")
            for warning in done.warnings:
                self.told.emit(warning, "")
