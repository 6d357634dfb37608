"""One file on its way from the hub: it goes on where it was cut off, and is hashed as it comes."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from napari_sa2va.core.errors import DownloadError
from napari_sa2va.models import hub
from napari_sa2va.models.digests import Digests, Expected, digest
from napari_sa2va.models.jobs import Job, Meter, gigabytes

# How long to wait, in seconds, when a connection broke without a byte having come since.
_WAITS_S = (1.0, 2.0, 4.0, 8.0)
# So that a download can be stopped while it waits.
_TICK_S = 0.2


class Arrival:
    """A file of which some bytes may be here.

    Parameters
    ----------
    part : Path
        Where it is put together.
    file : Expected
    hub_id, revision, endpoint : str
        Where it comes from.

    Attributes
    ----------
    num_fetched : int
        Bytes that came over the network.
    """

    def __init__(
        self, part: Path, file: Expected, hub_id: str, revision: str, endpoint: str
    ) -> None:
        self.num_fetched = 0
        self._part, self._file = part, file
        self._source = hub_id, file.name, revision
        self._endpoint = endpoint
        self._digests = Digests(file)

    def run(self, meter: Meter) -> Job[Digests]:
        """Fetch what is missing; the caller looks whether it is as it should be.

        Raises
        ------
        DownloadError
            If the connection breaks again and again; what came is kept.
        """
        part, file = self._part, self._file
        part.touch()
        if part.stat().st_size > file.size:
            part.write_bytes(b"")
        if part.stat().st_size:
            self._digests = yield from digest(part, file, meter)
        broken = 0
        while self._digests.size < file.size:
            before, lost = self._digests.size, None
            try:
                yield from self._read_on(meter)
            except hub.ConnectionLost as error:
                lost = error
            except hub.EndsBefore:
                break
            if self._digests.size >= file.size:
                break
            broken = 0 if self._digests.size > before else broken + 1
            if broken > len(_WAITS_S):
                raise self._cut_off() from lost
            yield from self._wait(_WAITS_S[max(broken - 1, 0)], meter)
        return self._digests

    def _read_on(self, meter: Meter) -> Job[None]:
        """Append what comes until the connection ends."""
        stream = hub.read(*self._source, self._digests.size, self._endpoint)
        with closing(stream), self._part.open("ab") as out:
            for position, piece in stream:
                if position != self._digests.size:  # the other side began anew
                    meter.done -= self._digests.size
                    out.truncate(0)
                    self._digests = Digests(self._file)
                out.write(piece)
                self._digests.take(piece)
                self.num_fetched += len(piece)
                yield meter.step("Downloading", self._file.name, len(piece))
                if self._digests.size > self._file.size:
                    return  # it does not end where it should: no need to see how far it goes

    def _wait(self, seconds: float, meter: Meter) -> Job[None]:
        """Give the network time; whoever runs the job can stop it meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield meter.step("Waiting for", self._file.name)
            time.sleep(min(_TICK_S, seconds))

    def _cut_off(self) -> DownloadError:
        here, whole = self._digests.size, self._file.size
        return DownloadError(
            f"The connection broke again and again at {self._file.name}, of which "
            f"{gigabytes(here)} of {gigabytes(whole)} are here.",
            "Check the network and try again: the download goes on from there.",
        )
