"""Pullers on the workers of a dask cluster, tended by a client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from napari_sa2va.batch.engines.engine import missing, pause_s
from napari_sa2va.batch.engines.puller import Seat, pull_here, stop_here, take_seat
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.core.errors import BatchError, Sa2vaError

if TYPE_CHECKING:
    from distributed import Client, Future

_log = logging.getLogger(__name__)

# A worker on which pulling failed so often, for no reason of ours, is left alone.
_FAILURES = 3
# Time for the frame in work, how often to look whether it is over, and time to say goodbye, in s.
_POLITE_S, _LOOK_S, _CLOSE_S = 60.0, 0.2, 1.0


@dataclass
class _Puller:
    """A worker of the cluster, and the task that pulls there."""

    name: str
    seat: Seat
    number: int
    resources: Mapping[str, float]
    future: Future | None = None
    failures: int = 0
    not_before: float = 0.0
    given_up: str = ""

    @property
    def is_idle(self) -> bool:
        return self.future is None and not self.given_up and monotonic() >= self.not_before


class DaskCrew:
    """One long task on each worker of a cluster.

    Parameters
    ----------
    folder : BatchFolder
    pull : str
        See `Engine`.
    connect : callable
        Makes a client of the cluster; raises OSError if its scheduler does not answer.
    """

    def __init__(self, folder: BatchFolder, pull: str, connect: Callable[[], Client]) -> None:
        self._folder = folder
        self._pull = pull
        self._connect = connect
        self._client: Client | None = None
        self._pullers: dict[str, _Puller] = {}  # by address
        self._left: dict[str, str] = {}  # addresses that are no more, by the names of their workers
        self._was_there = False
        self._attempts = 0
        self._not_before = 0.0

    @property
    def size(self) -> int:
        return sum(puller.future is not None for puller in self._pullers.values())

    @property
    def names(self) -> set[str]:
        """What the workers that are there are called in the cluster."""
        return {puller.name for puller in self._pullers.values()}

    @property
    def busy_names(self) -> set[str]:
        """The same for those that are at work."""
        return {p.name for p in self._pullers.values() if p.future is not None}

    @property
    def num_missing(self) -> int:
        """How many more pullers would find something to do."""
        there = [p.seat.name for p in self._pullers.values() if p.future is not None]
        return missing(self._folder, there)

    def tend(self) -> None:
        client = self._reached()
        if client is None:
            return
        try:
            workers = _workers_of(client)
            if client.status != "running":  # so these are what was known before
                return
            self._note_lost(workers)
            self._look()
            self._meet(client, workers)
        except OSError as error:
            _log.info("The dask scheduler does not answer: %s", error)
            return
        if self._pullers and all(puller.given_up for puller in self._pullers.values()):
            why = next(iter(self._pullers.values())).given_up
            raise BatchError(f"No worker of the dask cluster can work: {why}")
        self._start(client)

    def stop(self) -> None:
        """Stop all pullers after the frame in work, and wait for that."""
        client, self._client = self._client, None
        if client is None:
            return
        until = monotonic() + _POLITE_S
        with suppress(OSError):
            while client.status == "running":
                self._note_lost(_workers_of(client))  # for these nobody has to wait
                self._look()
                if not self.size or monotonic() > until:
                    break
                # Again and again: who was about to begin has not heard it.
                client.run(stop_here, self._folder.head.batch_id, on_error="ignore")
                sleep(_LOOK_S)
        client.close(timeout=_CLOSE_S)

    def _reached(self) -> Client | None:
        """The client, connected; None if the scheduler is gone at the moment.

        Raises
        ------
        BatchError
            If it was never there.
        """
        if self._client is not None:
            if self._client.status == "running":
                return self._client
            _log.warning("The dask scheduler is gone; its workers go on, and it is looked for.")
            self._client.close(timeout=_CLOSE_S)
            self._client = None
            self._pullers.clear()  # who is still there will tell
        if monotonic() < self._not_before:
            return None
        try:
            self._client = self._connect()
        except OSError as error:
            if not self._was_there:
                raise BatchError(
                    f"The dask scheduler cannot be reached: {error}",
                    "Is it running, is the address right, and does a firewall let it through?",
                ) from error
            self._attempts += 1
            self._not_before = monotonic() + pause_s(self._attempts)
            return None
        self._was_there, self._attempts = True, 0
        return self._client

    def _note_lost(self, workers: Mapping[str, Any]) -> None:
        """Let others take the units of workers that have left the cluster, once these are dead.

        One that was asked to leave, for its job comes to an end, is still at its last frame, and says
        itself what came of it.
        """
        for address in self._pullers.keys() - workers.keys():
            puller = self._pullers.pop(address)
            if puller.future is not None:
                puller.future.cancel()
            self._left[puller.seat.name] = address
        if not self._left:
            return
        claims = [history.claim for history in self._folder.runs.scan().values()]
        alive = {claim.worker for claim in claims if claim is not None}
        for name in self._left.keys() - alive:
            cause = f"Its worker at {self._left.pop(name)} left the dask cluster."
            self._folder.runs.note_vanished(name, cause)

    def _look(self) -> None:
        """See which pullers have ended, and why."""
        for address, puller in self._pullers.items():
            future = puller.future
            if future is None or not future.done():
                continue
            puller.future = None
            if future.status == "finished":
                puller.failures = 0
                continue
            error = None if future.cancelled() else future.exception()
            if isinstance(error, Sa2vaError):
                puller.given_up = str(error)
                _log.error("%s is not used: %s", address, error)
                continue
            puller.failures += 1
            puller.not_before = monotonic() + pause_s(puller.failures)
            _log.warning("Pulling failed on %s: %r", address, error)
            if puller.failures >= _FAILURES:
                puller.given_up = f"{address}: {type(error).__name__}: {error}"

    def _meet(self, client: Client, workers: Mapping[str, Any]) -> None:
        """Ask new workers who they are."""
        new = [address for address in workers if address not in self._pullers]
        if not new:
            return
        for address, answer in client.run(take_seat, workers=new, on_error="return").items():
            name = str(workers[address]["name"])
            if isinstance(answer, Seat):
                taken = {
                    p.number for p in self._pullers.values() if p.seat.siblings == answer.siblings
                }
                number = next(n for n in range(len(taken) + 1) if n not in taken)
                gpu = {"GPU": 1} if workers[address]["resources"].get("GPU") else {}
                self._pullers[address] = _Puller(name, answer, number, gpu)
                self._left.pop(answer.name, None)
            elif isinstance(answer, ImportError):
                nobody = Seat(address, (address,))
                why = f"{address} has no napari-sa2va that fits this one: {answer}."
                self._pullers[address] = _Puller(name, nobody, 0, {}, given_up=why)

    def _start(self, client: Client) -> None:
        idle = [address for address, puller in self._pullers.items() if puller.is_idle]
        if not idle:
            return
        for address in idle[: self.num_missing]:
            puller = self._pullers[address]
            puller.future = client.submit(
                pull_here,
                self._pull,
                str(self._folder.path),
                self._folder.head.batch_id,
                puller.number,
                workers=[address],
                allow_other_workers=False,
                resources=puller.resources,
                pure=False,
                retries=0,
            )


def _workers_of(client: Client) -> Mapping[str, Any]:
    """The workers of the cluster, by address."""
    workers: Mapping[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return workers
