"""The part of the dock that keeps: a project, masks for other programs, a command or a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QGridLayout,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.buttons import text_button
from napari_sa2va.gui.export_panel import ExportPanel
from napari_sa2va.gui.forms import heading, quiet_label
from napari_sa2va.gui.keeper import require_layer, show_project, view_of
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.worker import RunHandle, start_work

if TYPE_CHECKING:
    from napari_sa2va.gui.workspace import Workspace
    from napari_sa2va.project.folder import Saved
    from napari_sa2va.project.project import Project


@dataclass(frozen=True, eq=False)
class _Done:
    """What came of saving or opening."""

    saved: Saved | None = None
    project: Project | None = None
    view: dict[str, Any] | None = None


Task = Callable[[], _Done]


class KeepPanel(QWidget):
    """Saves and opens projects, and copies what was done.

    Parameters
    ----------
    bench : Bench
    to_keep : callable
        Returns what the dock shows: the sentences, and the settings as JSON types.
    show_kept : callable
        Shows sentences and settings again.
    """

    refused = Signal(str, str)  # message, hint
    told = Signal(str, str)

    def __init__(
        self,
        bench: Bench,
        to_keep: Callable[[], tuple[str, dict[str, Any]]],
        show_kept: Callable[[str, dict[str, Any]], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._bench = bench
        self._to_keep = to_keep
        self._show_kept = show_kept
        self._workspace: Workspace | None = None
        self._work: RunHandle | None = None
        self.folders: dict[str, Path] = {}  # by the key of a workspace, where it is kept

        self.save_button = text_button(
            "Save", "Keep settings, sentences, corrections, locks and masks in a folder.", self.save
        )
        self.save_as_button = text_button(
            "Save as …", "Choose another folder for the project.", self.save_as
        )
        self.open_button = text_button("Open …", "Open a project folder.", self.open)
        self.command_button = text_button(
            "Copy as command", "Copy the line that does this again on the command line.",
            self.copy_command,
        )  # fmt: skip
        self.python_button = text_button(
            "Copy as Python", "Copy the script that does this again.", self.copy_python
        )
        self.place = quiet_label()
        self.export = ExportPanel(bench)
        self.export.refused.connect(self.refused)
        self.export.told.connect(self.told)
        self.steps = QListWidget()
        self.steps.setAccessibleName("What was done")
        self.steps.setToolTip(
            "Everything that was done, oldest first. Doing it again gives the same masks."
        )
        buttons = QGridLayout()
        buttons.setSpacing(4)
        for column, button in enumerate((self.save_button, self.save_as_button, self.open_button)):
            buttons.addWidget(button, 0, column)
        copies = QGridLayout()
        copies.setSpacing(4)
        copies.addWidget(self.command_button, 0, 0)
        copies.addWidget(self.python_button, 0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 6, 0)
        layout.addWidget(heading("Project"))
        layout.addLayout(buttons)
        layout.addWidget(self.place)
        layout.addWidget(heading("For other programs"))
        layout.addWidget(self.export)
        layout.addWidget(heading("Do it again elsewhere"))
        layout.addLayout(copies)
        layout.addWidget(heading("What was done"))
        layout.addWidget(self.steps, 1)
        bench.changed.connect(self._take_workspace)
        self._take_workspace(bench.workspace)

    # Saving and opening

    def save(self) -> None:
        """Save where the project is kept, or ask where."""
        folder = None if self._workspace is None else self.folders.get(self._workspace.key)
        if folder is None:
            self.save_as()
        else:
            self.save_to(folder)

    def save_as(self) -> None:
        """Ask for a folder, and save there."""
        try:
            workspace = require_layer(self._workspace)
        except Sa2vaError as error:
            self.refused.emit(error.message, error.hint)
            return
        name = "".join(c if c.isalnum() or c in "-_ " else "-" for c in workspace.image_name)
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Folder of the project", f"{name.strip() or 'project'}-project"
        )
        if chosen:
            self.save_to(Path(chosen))

    def save_to(self, folder: Path) -> None:
        """Save the project as a folder."""
        try:
            workspace = require_layer(self._workspace)
            from napari_sa2va.project.folder import check_place, save

            check_place(folder)
            view = view_of(workspace, *self._to_keep())
        except Sa2vaError as error:
            self.refused.emit(error.message, error.hint)
            return
        self._start(
            lambda: _Done(saved=save(workspace.project, folder, view=view)),
            f"Saving {folder.name} …",
            workspace,
        )

    def open(self) -> None:
        """Ask for a project folder, and open it."""
        chosen = QFileDialog.getExistingDirectory(self, "Folder of a project")
        if chosen:
            self.open_from(Path(chosen))

    def open_from(self, folder: Path) -> None:
        """Open a project folder."""

        def task() -> _Done:
            from contextlib import suppress

            from napari_sa2va.core.errors import ClipError
            from napari_sa2va.project.find_clip import find_footage
            from napari_sa2va.project.folder import Saved, read_project

            opened = read_project(folder)
            with suppress(ClipError):  # the masks are there without it, and the panel says so
                opened.project.footage = find_footage(opened.folder)
            view = opened.manifest.view
            return _Done(saved=Saved(opened.folder), project=opened.project, view=view)

        self._start(task, f"Opening {folder.name} …")

    def _start(self, task: Task, words: str, saved: Workspace | None = None) -> None:
        if self._work is not None:
            return
        if saved is not None:
            if saved.is_being_saved:
                self.refused.emit("The project is being saved.", "Try again in a moment.")
                return
            saved.is_being_saved = True
        self.place.setText(words)
        self._enable(False)
        self._work = start_work(task, lambda done: self._take(done, saved), _run)

    def _take(self, done: _Done | Failed, workspace: Workspace | None) -> None:
        self._work = None
        if workspace is not None:
            workspace.is_being_saved = False
        if not isalive(self):
            return
        self._enable(True)
        if isinstance(done, Failed):
            self.refused.emit(done.message, done.hint)
            self._refresh()
            return
        assert done.saved is not None
        if done.project is not None:
            self._show_opened(done)
        elif workspace is not None:
            self.folders[workspace.key] = done.saved.folder
            for note in done.saved.notes:
                self.told.emit(note, "")
        self._refresh()

    def _show_opened(self, done: _Done) -> None:
        assert done.project is not None
        assert done.saved is not None
        view = done.view or {}
        try:
            workspace = show_project(self._bench.viewer, done.project, view)
        except Sa2vaError as error:
            self.refused.emit(error.message, error.hint)
            return
        self.folders[workspace.key] = done.saved.folder
        if done.project.footage is None:
            self.told.emit(
                "The movie of this project was not found.",
                "Masks can be looked at and painted; put the movie beside the folder for the rest.",
            )
        self._show_kept(str(view.get("sentences") or ""), dict(view.get("settings") or {}))
        self._bench.take(workspace)

    # Copies

    def copy_command(self) -> None:
        """Copy the command line that does this again."""
        from napari_sa2va.project.command_line import as_command

        self._copy(as_command, "The command")

    def copy_python(self) -> None:
        """Copy the script that does this again."""
        from napari_sa2va.project.script import as_python

        self._copy(as_python, "The script")

    def _copy(self, write: Callable[..., str], what: str) -> None:
        try:
            workspace = require_layer(self._workspace)
            folder = self.folders.get(workspace.key)
            text = write(workspace.project, workspace.project.clip, folder=folder)
        except Sa2vaError as error:
            hint = error.hint
            self.refused.emit(error.message, hint or "Save the project first.")
            return
        QApplication.clipboard().setText(text)
        self.told.emit(f"{what} was copied.", "")

    # What it shows

    def close_down(self) -> None:
        """Let go of everything: the dock is gone."""
        self.export.close_down()
        self._take_workspace(None)

    def _take_workspace(self, workspace: Workspace | None) -> None:
        old, self._workspace = self._workspace, workspace
        if old is not None:
            old.history_changed.disconnect(self._refresh, missing_ok=True)
        if workspace is not None:
            workspace.history_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        workspace = self._workspace
        self.steps.clear()
        if workspace is None:
            self.place.setText("Nothing to keep yet.")
            return
        self.steps.addItems([step.title for step in workspace.project.steps])
        self.steps.scrollToBottom()
        if self._work is None:
            folder = self.folders.get(workspace.key)
            self.place.setText("Not saved yet." if folder is None else f"Kept in {folder}")

    def _enable(self, enabled: bool) -> None:
        for button in (self.save_button, self.save_as_button, self.open_button):
            button.setEnabled(enabled)


def _run(task: Task, cancel: CancelToken) -> Iterator[_Done]:
    yield task()
