"""What a review of the results of a batch needs of the panel in which it is. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from napari_sa2va.gui.review.entries import Entry
    from napari_sa2va.gui.review.result import Result

Answer = Literal["save", "discard", "go on"]
"""What becomes of masks that were edited and are not saved. go on: nothing is left, nor lost."""


class View(Protocol):
    """What the controller needs of the panel. Called on its thread.

    What can be done at a moment the panel asks the controller for.
    """

    @property
    def note(self) -> str:
        """What is typed about the result on show."""

    def show_entry(self, entry: Entry | None) -> None:
        """Another result is wanted, and shown when it was read; none at the end of all."""

    def show_result(self, result: Result | None) -> None:
        """The result is in the viewer; None if there is none any more."""

    def begin_edit(self) -> None:
        """Let a person correct the masks."""

    def end_edit(self) -> None:
        """They were saved, or given up."""

    def ask(self, movie: str) -> Answer:
        """Ask what becomes of edited masks; returns when a person has said so."""

    def tell(self, message: str, hint: str = "") -> None:
        """Say something worth knowing."""

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        """Show what went wrong."""
