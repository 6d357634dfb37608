"""What looking at a batch needs of the panel, and what it offers there. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from napari_sa2va.gui.batch.reader import Seen


@dataclass(frozen=True)
class Offers:
    """What can be done now.

    Attributes
    ----------
    check, start, cancel, retry, report, table : bool
    pause : str
        "Pause", "Resume", or nothing where neither makes sense.
    """

    check: bool = False
    start: bool = False
    pause: str = ""
    cancel: bool = False
    retry: bool = False
    report: bool = False
    table: bool = False


def offers_of(seen: Seen, *, is_here: bool, can_end: bool) -> Offers:
    """What can be done with a batch.

    Parameters
    ----------
    seen : Seen
    is_here : bool
        Whether a program was started here.
    can_end : bool
        Whether it is there already, and can be asked to end.
    """
    workers, is_left = bool(seen.workers), seen.ended < seen.total
    is_going = is_left and not seen.is_cancelled
    pause = "Resume" if seen.is_paused else "Pause" if workers else ""
    return Offers(
        check=is_left,
        start=is_left and not is_here and not workers,
        pause=pause if is_going else "",
        cancel=is_going and (can_end or workers),
        retry=any(seen.counts.get(state) for state in ("failed", "unfit")),
        report=seen.ended > 0,
        table=any(seen.counts.get(state) for state in ("done", "nothing")),
    )


class View(Protocol):
    """What the controller needs of the panel. Called on the window's thread."""

    def show_seen(self, seen: Seen) -> None:
        """Show what has changed in the folder."""

    def show_offers(self, offers: Offers) -> None:
        """Show what can be done."""

    def show_picture(self, unit_id: str, png: bytes) -> None:
        """Show the last mask of a unit."""

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        """Show what went wrong."""

    def tell(self, message: str, hint: str = "") -> None:
        """Say something worth knowing."""

    def show_errand(self, words: str) -> None:
        """Say what is being done in the background; nothing, if empty."""

    def show_file(self, path: Path) -> None:
        """Open a file with the program that the system has for it."""

    def start_over(self, path: Path | None) -> None:
        """Forget all rows: another folder is looked at, or none."""
