"""Which units a worker may take up now: those that fit beside what others have begun on its device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import Held, claim_here
from napari_sa2va.batch.history import Claim
from napari_sa2va.batch.host import here
from napari_sa2va.batch.standing import Standing
from napari_sa2va.batch.unit import Facts, Unit
from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.file_lock import locked
from napari_sa2va.core.file_names import file_safe

Fits = Callable[[Facts, str, Sequence[Claim]], str]
"""From what is known of a unit, a device and what other workers on it have claimed to why the unit
cannot run there now; empty if it can. See `fits.why_not`."""

# Looking for room and claiming takes others on the same device so long, in s, on a slow drive.
_TURN_S = 10.0


class Admission:
    """Claims units for a worker, if there is room for them.

    Parameters
    ----------
    folder : BatchFolder
    worker : str
        Its name.
    device : str
        Of the worker; empty for what the settings of a unit say.
    fits : callable
        See `Fits`.

    Attributes
    ----------
    refused : dict of str to str
        Units for which there was no room since the last look, with the reason.
    """

    def __init__(self, folder: BatchFolder, worker: str, *, device: str, fits: Fits) -> None:
        self._folder = folder
        self._worker = worker
        self._device = device
        self._fits = fits
        self._beside: list[Claim] = []
        # What is known of units -> the same for the device of this worker.
        self._known: dict[Facts, Facts] = {}
        self.refused: dict[str, str] = {}

    def look(self, standings: Iterable[Standing]) -> None:
        """Take down where all units stand, before some are asked for."""
        self.refused = {}
        self._beside = self._beside_among(standings)

    def take(self, unit: Unit, generation: int, facts: Facts | None) -> Held | None:
        """Claim a unit if there is room for it.

        Parameters
        ----------
        unit : Unit
        generation : int
        facts : Facts or None
            Of its movie. What is not known to need memory fits.

        Returns
        -------
        Held or None
            None if there is no room, or another worker was faster.

        Raises
        ------
        OSError
            If the folder is away.
        """
        known = self._on_device(unit, facts)
        if known is None or not known.need_bytes:
            return self.claim(unit, generation)
        why = self._why_not(unit, known, self._beside)
        if not why:
            # Two that look at the same moment would both count on the same memory.
            place = self._folder.path / "workers" / file_safe(f"{here().name}-{self._device}")
            with locked(place, wait_s=_TURN_S):
                beside = self._beside_among(self._folder.standings().values())
                why = self._why_not(unit, known, beside)
                if not why:
                    return self.claim(unit, generation, known.need_bytes)
        self.refused[unit.unit_id] = why
        return None

    def claim(self, unit: Unit, generation: int, need_bytes: int = 0) -> Held | None:
        """Claim a unit, whatever it needs; None if another worker was faster."""
        claim = claim_here(self._worker, device=self._device, key=unit.key, need_bytes=need_bytes)
        return self._folder.runs.take(unit.unit_id, generation, claim)

    def _beside_among(self, standings: Iterable[Standing]) -> list[Claim]:
        """What other workers on this machine and device have claimed."""
        machine = here().name
        claims = (s.claim for s in standings if s.claim is not None)
        return [c for c in claims if c.host.name == machine and c.device == self._device]

    def _on_device(self, unit: Unit, facts: Facts | None) -> Facts | None:
        """What is known of a unit, with the memory that it needs here; None if nothing is."""
        if facts is None:
            return None
        if facts not in self._known:
            from napari_sa2va.batch.survey import as_on

            try:
                settings = self._folder.settings_of(unit, self._device)
            except BatchError:  # they are gone, which is told when the unit is taken up
                return None
            self._known[facts] = as_on(facts, unit, settings)
        return self._known[facts]

    def _why_not(self, unit: Unit, facts: Facts, beside: Sequence[Claim]) -> str:
        settings = self._folder.settings_of(unit, self._device)
        return self._fits(facts, settings.model.device, beside)
