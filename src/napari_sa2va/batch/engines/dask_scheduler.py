"""Workers of a dask cluster, of which only the scheduler's address need be known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from napari_sa2va.batch.engines.dask_crew import DaskCrew
from napari_sa2va.batch.engines.engine import Crew, Engine
from napari_sa2va.batch.engines.local import cores, gpus
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.extras import need

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

# A scheduler that is there answers within milliseconds, across a busy network within seconds, in s.
_ANSWER_S = 5.0


class Dask(Engine):
    """On the workers of a dask cluster that runs already, or of one that is started here.

    Workers of a cluster that runs already go on if this process is killed; those of one that was
    started here end with it, and all that was done is kept.
    """

    kind: Literal["dask"] = "dask"
    scheduler: str = Field(
        "",
        title="Scheduler",
        description="Address of a dask scheduler, such as tcp://host:8786. Empty: one is started "
        "here, with workers.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=1024,
        title="Workers",
        description="Processes to start here; 0 is one per GPU, or one on a machine without. "
        "Without effect if a scheduler is named.",
    )

    def check(self, folder: Path) -> None:
        need("distributed", "batch", "use a dask cluster")

    @contextmanager
    def crew(self, folder: BatchFolder) -> Iterator[Crew]:
        self.check(folder.path)
        with ExitStack() as stack:
            cluster = self.scheduler or stack.enter_context(closing(self.cluster()))
            crew = DaskCrew(folder, self.pull, connecting(cluster))
            stack.callback(crew.stop)
            yield crew

    def cluster(self) -> LocalCluster:
        """A cluster of dask on this machine, without regard to `scheduler`.

        Raises
        ------
        BatchError
            If its workers cannot be started.
        """
        from distributed import LocalCluster

        number = self.workers or len(gpus()) or 1
        try:
            return LocalCluster(
                n_workers=number,
                threads_per_worker=1,
                processes=True,
                # What fits is known to the worker; one that takes much must not be killed for it.
                memory_limit=0,
                dashboard_address=":0",  # no complaint about a port that another program has
                env={"OMP_NUM_THREADS": str(max(cores() // number, 1))},
            )
        except RuntimeError as error:
            raise BatchError(
                f"No dask workers could be started here: {error}",
                "Each of them reads the script that starts them. What it is to do only once stands "
                'below a line `if __name__ == "__main__":`.',
            ) from error


def connecting(cluster: object) -> Callable[[], Client]:
    """What makes clients of a cluster, given by its address or as an object of dask's."""

    def connect() -> Client:
        from distributed import Client

        try:
            return Client(cluster, timeout=_ANSWER_S, set_as_default=False)
        except ValueError as error:
            raise BatchError(
                f"{cluster!r} is not the address of a dask scheduler: {error}",
                "It is something like tcp://host:8786.",
            ) from error

    return connect
