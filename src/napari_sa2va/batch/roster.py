"""Who works on a batch: a card per worker, for people who look at the batch.

Beside the card of a worker, its client may put down that it looks after it, and ask it to leave. That
is a file, too: not all systems have a signal to which a process can listen.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import Field

from napari_sa2va.batch.clock import FolderClock
from napari_sa2va.batch.host import Host
from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.file_names import file_safe
from napari_sa2va.core.params import Params
from napari_sa2va.writers.paths import replacing

# A card that says "idle" holds so long, in s.
_LIVES_S = 60.0

CardState = Literal["working", "idle", "paused", "refused", "left"]


class Card(Params):
    """What a worker says of itself.

    Attributes
    ----------
    name : str
        Of the worker.
    host : Host
        Its process.
    device : str
        Empty for what the settings of units say.
    state : str
        See `CardState`.
    why : str
        Why it was refused.
    unit_id : str
        What it works on.
    versions : dict of str to str
        Of its packages.
    """

    name: str
    host: Host
    device: str = ""
    state: CardState = "idle"
    why: str = ""
    unit_id: str = ""
    versions: dict[str, str] = Field({})


class Roster:
    """The folder ``workers`` of a batch.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock = FolderClock(folder)

    def write(self, card: Card) -> None:
        """Put up a card in place of the worker's last one; a full disk stops no work."""
        with suppress(OSError, OutputError):
            self._put(self._file(card.name, "json"), card)

    def read(self) -> list[tuple[Card, float]]:
        """All cards, by name, with the Unix time at which each was written."""
        cards = []
        for path in sorted(self._folder.glob("*.json")):
            if path.name.startswith("."):  # which systems put beside a file, such as ._box-1.json
                continue
            with suppress(OSError, ValueError):
                card = Card.model_validate_json(path.read_bytes())
                cards.append((card, path.stat().st_mtime))
        return cards

    def has_idle(self, name: str) -> bool:
        """Whether another worker waits for something to do, which it says from time to time."""
        now = self._clock.now()
        return any(
            card.name != name
            and card.state == "idle"
            and not card.host.is_gone
            and now - written < _LIVES_S
            for card, written in self.read()
        )

    def lead(self, name: str, client: Host) -> None:
        """Put down which client looks after a worker."""
        with suppress(OSError, OutputError):
            self._put(self._file(name, "client"), client)

    def leader_of(self, name: str) -> Host | None:
        """The client that looks after a worker, or did last; None if that is not known."""
        with suppress(OSError, ValueError):
            return Host.model_validate_json(self._file(name, "client").read_bytes())
        return None

    def dismiss(self, name: str) -> None:
        """Ask a worker to leave after the frame in work."""
        with suppress(OSError):
            self._file(name, "stop").touch()

    def is_dismissed(self, name: str) -> bool:
        """Whether a worker was asked to leave."""
        return os.path.exists(self._file(name, "stop"))  # False while the drive is away

    def forget(self, name: str) -> None:
        """Delete what was put down beside the card of a worker that has left."""
        for ending in ("client", "stop"):
            with suppress(OSError):
                self._file(name, ending).unlink(missing_ok=True)

    def _file(self, name: str, ending: str) -> Path:
        return self._folder / f"{file_safe(name)}.{ending}"

    def _put(self, path: Path, about: Params) -> None:
        self._folder.mkdir(exist_ok=True)
        with replacing(path, overwrite=True) as new:
            new.write_text(about.model_dump_json(), encoding="utf-8")
