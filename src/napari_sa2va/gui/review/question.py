"""The question what becomes of masks that were edited and are not saved."""

from __future__ import annotations

from qtpy.QtWidgets import QMessageBox, QWidget

from napari_sa2va.gui.review.view import Answer


def ask_about_edits(movie: str, parent: QWidget) -> Answer:
    """Ask, and return when a person has answered; closing the question is going on.

    Parameters
    ----------
    movie : str
        Whose masks they are.
    parent : QWidget
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Review")
    box.setText(f"The masks of {movie} were edited, and are not saved.")
    box.setInformativeText("Save them in the batch folder?")
    save = box.addButton("Save", QMessageBox.ButtonRole.AcceptRole)
    discard = box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
    go_on = box.addButton("Go on editing", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(save)
    box.setEscapeButton(go_on)
    box.exec()
    clicked = box.clickedButton()
    box.deleteLater()
    if clicked is save:
        return "save"
    return "discard" if clicked is discard else "go on"
