"""The dock "Segment by sentence": puts the parts together and turns a click into a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.controller import Controller
from napari_sa2va.gui.forms import heading
from napari_sa2va.gui.labels_sink import LabelsSink
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.gui.layer_picker import LayerPicker
from napari_sa2va.gui.model_tasks import need_of
from napari_sa2va.gui.placement import place
from napari_sa2va.gui.request import Failed, Request, messages_of, prompts_in
from napari_sa2va.gui.run_panel import RunPanel
from napari_sa2va.gui.sentence_edit import SentenceEdit
from napari_sa2va.gui.settings_panel import SettingsPanel
from napari_sa2va.gui.worker import Source, start_run

if TYPE_CHECKING:
    from napari.viewer import Viewer

# Narrower, words would have to be cut; napari's own docks are about as wide.
_NARROWEST_PX = 300


class SentenceDock(QWidget):
    """Type sentences, press Run, get one named label per sentence.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    source : callable
        What turns a request into messages on the worker thread; by default the pipeline.
    """

    def __init__(self, napari_viewer: Viewer, source: Source = messages_of) -> None:
        super().__init__()
        self.setObjectName("napari_sa2va_sentence_dock")
        self.picker = picker = LayerPicker(napari_viewer)
        self.sentences = sentences = SentenceEdit()
        self.settings = SettingsPanel(
            lambda settings: need_of(settings, picker.chosen(), sentences.toPlainText())
        )
        self.panel = RunPanel()
        self.controller = _connected(napari_viewer, self.panel, source)

        upper = QWidget()
        inside = QVBoxLayout(upper)
        inside.setContentsMargins(0, 0, 6, 0)
        inside.setSpacing(6)
        inside.addWidget(self.picker)
        what = heading("What to find")
        what.setBuddy(self.sentences)
        inside.addWidget(what)
        inside.addWidget(self.sentences)
        inside.addWidget(self.settings)
        inside.addStretch(1)
        self.scroll_area = QScrollArea()
        self.scroll_area.setWidget(upper)
        self.scroll_area.setWidgetResizable(True)
        self.scroll_area.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addWidget(self.scroll_area, 1)
        layout.addWidget(self.panel)
        lines = self.sentences.fontMetrics().lineSpacing()
        self.sentences.setFixedHeight(5 * lines + 12)
        self.setMinimumWidth(_NARROWEST_PX)

        self.panel.run_clicked.connect(self.run)
        self.panel.cancel_clicked.connect(self.controller.cancel)
        shortcut = QShortcut(QKeySequence("Ctrl+Return"), self.sentences)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.run)
        # Nobody reads the answers of a dock that is gone.
        self.destroyed.connect(self.controller.stop)

    def run(self) -> None:
        """Start a run with what the dock says, or show what is wrong with it."""
        if self.controller.running:
            return
        try:
            request = self._request()
        except Sa2vaError as error:
            self.panel.show_error(error.message, error.hint)
            return
        except Exception as error:
            failed = Failed.of(error)
            self.panel.show_error(failed.message, failed.hint, failed.details)
            return
        self.controller.run(request)

    def _request(self) -> Request:
        """Read everything off the layer now: the worker must not touch it."""
        layer, axes, choice = self.picker.chosen()
        prompts = prompts_in(self.sentences.toPlainText())
        return Request(
            recording=to_recording(layer, axes, choice),
            clip_arguments=clip_arguments(layer, axes, choice),
            prompts=prompts,
            settings=self.settings.value(),
            placement=place(layer, axes, choice),
            layer_name=layer.name,
        )

    def event(self, event: QEvent) -> bool:
        """Stop when the dock is closed: napari then takes this widget out of its window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.controller.stop()
                self.panel.set_running(False)
                self.settings.end()
                self.picker.unwatch()
            else:
                self.picker.watch()
        return super().event(event)


def _connected(viewer: Viewer, panel: RunPanel, source: Source) -> Controller:
    """A controller that knows the panel but not the dock, which must be free to go."""
    return Controller(
        panel,
        lambda request, on_message: start_run(request, on_message, source),
        lambda request: LabelsSink(viewer, request, follow=panel.follow_box.isChecked()),
    )
