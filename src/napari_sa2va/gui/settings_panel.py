"""Preset, model and device in view; every other setting under a title that opens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import cast

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStyle,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.errors import RequestError, Sa2vaError
from napari_sa2va.gui.collapsible import Collapsible
from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.forms import ParamsForm, heading, quiet_label
from napari_sa2va.gui.model_choice import DEVICES, known_models
from napari_sa2va.gui.model_window import ModelWindow
from napari_sa2va.gui.preferences import preferences
from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.presets import DESCRIPTIONS, PRESETS
from napari_sa2va.settings import MemorySettings, ModelSettings, RunSettings

# What belongs to the machine and not to a preset.
_ELSEWHERE = ("preset", "model", "memory")


class SettingsPanel(QWidget):
    """Everything about how to find, read off the settings classes.

    Parameters
    ----------
    needed : callable
        Says what a run with these settings would ask of a model, and that run in words; it may
        raise a `Sa2vaError` if there is nothing to run on yet.
    """

    changed = Signal()

    def __init__(
        self, needed: Callable[[RunSettings], tuple[Ask, str]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._needed = needed
        self.window_of_models: ModelWindow | None = None
        self.preset = ElidingCombo()
        for name in PRESETS:
            self.preset.addItem(name)
        self._equip(self.preset, "Preset", "A published system, as settings. See Settings below.")
        self.description = quiet_label()
        self.reset = QPushButton("Back to the preset")
        self.reset.setToolTip("Undo what was changed under Settings.")

        self.model = ElidingCombo(editable=True)
        self.refresh_models()
        name_field = ModelSettings.model_fields["name"]
        self._equip(self.model, name_field.title or "Model", name_field.description or "")
        self.browse = QToolButton()
        self.browse.setIcon(self.style().standardIcon(QStyle.StandardPixmap.SP_DirOpenIcon))
        self.browse.setToolTip("Choose the folder of a checkpoint.")
        self.browse.setAccessibleName("Choose the folder of a checkpoint")
        self.models = QToolButton()
        self.models.setIcon(self.style().standardIcon(QStyle.StandardPixmap.SP_DriveHDIcon))
        self.models.setToolTip("Models: what is on this machine, what a run needs, downloads.")
        self.models.setAccessibleName("Models")
        self.device = ElidingCombo(editable=True)
        self.device.addItems(DEVICES)
        device_field = ModelSettings.model_fields["device"]
        self._equip(self.device, device_field.title or "Device", device_field.description or "")

        self.form = ParamsForm(RunSettings, leave_out=_ELSEWHERE)
        self.model_form = ParamsForm(ModelSettings, leave_out=("name", "device"))
        self.memory_form = ParamsForm(MemorySettings)
        body = QWidget()
        inside = QVBoxLayout(body)
        inside.setContentsMargins(8, 0, 0, 0)
        inside.addWidget(self.form)
        inside.addWidget(heading("Model"))
        inside.addWidget(self.model_form)
        inside.addWidget(heading("Memory"))
        inside.addWidget(self.memory_form)
        self.advanced = Collapsible("Settings", body, "Every other choice of a run.")

        model_row = QHBoxLayout()
        model_row.setContentsMargins(0, 0, 0, 0)
        model_row.addWidget(self.model, 1)
        model_row.addWidget(self.browse)
        model_row.addWidget(self.models)
        top = QFormLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        top.addRow(self._label("Preset", self.preset), self.preset)
        top.addRow(self.description)
        top.addRow(self.reset)
        top.addRow(self._label("Model", self.model), model_row)
        top.addRow(self._label("Device", self.device), self.device)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self.advanced)

        wanted = preferences()
        self.preset.setCurrentText(wanted.preset)
        self.model.setEditText(wanted.model)
        self.device.setEditText(wanted.device)
        self._take_preset()
        self.preset.currentIndexChanged.connect(self._take_preset)
        self.reset.clicked.connect(self._take_preset)
        self.browse.clicked.connect(self._browse)
        self.models.clicked.connect(self.show_models)
        self.form.changed.connect(self._compare)
        self.form.changed.connect(self.changed)
        self.model_form.changed.connect(self.changed)
        self.memory_form.changed.connect(self.changed)
        self.model.editTextChanged.connect(self.changed)
        self.device.editTextChanged.connect(self.changed)

    def value(self) -> RunSettings:
        """Return the settings of the run.

        Raises
        ------
        RequestError
            If a value is not allowed.
        """
        model = self.model_form.value(
            name=self.model.currentText().strip(), device=self.device.currentText().strip()
        )
        settings = self.form.value(
            preset=self.preset.currentText(), model=model, memory=self.memory_form.value()
        )
        return cast(RunSettings, settings)

    def set_value(self, settings: RunSettings) -> None:
        """Show settings, for example those of an earlier run."""
        with QSignalBlocker(self.preset):
            self.preset.setCurrentText(settings.preset)
        self.model.setEditText(settings.model.name)
        self.device.setEditText(settings.model.device)
        self.model_form.set_value(settings.model)
        self.memory_form.set_value(settings.memory)
        self.form.set_value(settings)
        self._compare()

    def refresh_models(self) -> None:
        """List the models anew, those on this machine first; the one chosen stays."""
        chosen = self.model.currentText()
        with QSignalBlocker(self.model):
            self.model.clear()
            for model in known_models():
                self.model.addItem(model.name)
                last = self.model.count() - 1
                self.model.setItemData(last, model.tip, Qt.ItemDataRole.ToolTipRole)
            if chosen:
                self.model.setEditText(chosen)

    def show_models(self) -> None:
        """Open the window of models, with what a run as it is set up now would need."""
        if self.window_of_models is None:
            self.window_of_models = ModelWindow(self)
            self.window_of_models.chosen.connect(self.model.setEditText)
            self.window_of_models.changed.connect(self.refresh_models)
        settings, ask, run = RunSettings(), Ask(), "a short run"
        # What cannot be run yet must not keep anybody from looking at models.
        with suppress(Sa2vaError):
            settings = self.value()
            ask, run = self._needed(settings)
        self.window_of_models.look(settings, ask, run)

    def end(self) -> None:
        """Close the window of models: the dock is gone."""
        if self.window_of_models is not None:
            self.window_of_models.end()

    @property
    def differs(self) -> bool:
        """Whether the settings are no longer those of the preset."""
        preset = PRESETS[self.preset.currentText()]
        names = [n for n in RunSettings.model_fields if n not in _ELSEWHERE]
        try:
            mine = self.form.value()
        except RequestError:
            return True
        return any(getattr(mine, n) != getattr(preset, n) for n in names)

    def _take_preset(self) -> None:
        """Fill the form with the preset chosen."""
        self.form.set_value(PRESETS[self.preset.currentText()])
        self._compare()

    def _compare(self) -> None:
        name = self.preset.currentText()
        changed = self.differs
        words = DESCRIPTIONS.get(name, "")
        self.description.setText(f"{words} Changed under Settings." if changed else words)
        self.reset.setVisible(changed)

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a checkpoint")
        if folder:
            self.model.setEditText(folder)

    @staticmethod
    def _equip(combo: ElidingCombo, title: str, tip: str) -> None:
        combo.setToolTip(tip)
        combo.setAccessibleName(title)
        combo.setAccessibleDescription(tip)

    @staticmethod
    def _label(text: str, buddy: QWidget) -> QLabel:
        label = QLabel(text)
        label.setBuddy(buddy)
        label.setToolTip(buddy.toolTip())
        return label
