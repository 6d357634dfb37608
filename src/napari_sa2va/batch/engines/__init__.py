"""Ways to start workers that pull units from a batch folder. One way, one file, one line below."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_sa2va.batch.engines.dask_scheduler import Dask
from napari_sa2va.batch.engines.engine import Crew, Engine
from napari_sa2va.batch.engines.here import Here
from napari_sa2va.batch.engines.local import Local
from napari_sa2va.batch.engines.lsf import Lsf
from napari_sa2va.batch.engines.pbs import Pbs
from napari_sa2va.batch.engines.sge import Sge
from napari_sa2va.batch.engines.slurm import Slurm

ENGINES: tuple[type[Engine], ...] = (Local, Here, Dask, Slurm, Pbs, Lsf, Sge)

AnyEngine = Annotated[Local | Here | Dask | Slurm | Pbs | Lsf | Sge, Field(discriminator="kind")]

__all__ = [
    "ENGINES",
    "AnyEngine",
    "Crew",
    "Dask",
    "Engine",
    "Here",
    "Local",
    "Lsf",
    "Pbs",
    "Sge",
    "Slurm",
]
