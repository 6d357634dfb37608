"""What a person who corrects a result sees all the time: where to save it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from napari_sa2va.gui.buttons import text_button

SAVE = "Save the edited masks"


class EditBar(QFrame):
    """Stands in the review, and in the dock that corrects, which may cover the review.

    Attributes
    ----------
    save_clicked, stop_clicked : Signal()
    """

    save_clicked = Signal()
    stop_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.save_button = text_button(
            SAVE, "Save them in the batch folder, and go on to the next result."
        )
        font = self.save_button.font()
        font.setBold(True)
        self.save_button.setFont(font)
        self.stop_button = text_button("Stop editing", "Show the result as it was.")
        self.save_button.clicked.connect(self.save_clicked)
        self.stop_button.clicked.connect(self.stop_clicked)
        layout = QGridLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(4)
        layout.addWidget(self.words, 0, 0, 1, 2)
        layout.addWidget(self.save_button, 1, 0)
        layout.addWidget(self.stop_button, 1, 1)
        layout.setColumnStretch(0, 1)

    def show_state(self, movie: str, *, is_saving: bool, can_save: bool) -> None:
        """Say what is edited, and offer what can be done.

        Parameters
        ----------
        movie : str
        is_saving : bool
        can_save : bool
            Whether the masks are on the screen.
        """
        self.words.setText(f"Saving the masks of {movie} …" if is_saving else f"You edit {movie}.")
        self.save_button.setEnabled(can_save and not is_saving)
        self.stop_button.setEnabled(not is_saving)
