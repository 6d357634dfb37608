"""A unit of a batch: one movie and one set of sentences, with all that is needed to do it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from napari_sa2va.batch.stored_path import absolute_path, stored_path
from napari_sa2va.core.params import Params
from napari_sa2va.readers.opening import OpenArguments


class Output(Params):
    """A file or folder that a unit writes."""

    path: str = Field(description="Absolute.")
    kind: str = Field(description="Name of the format, as `napari_sa2va.writers` has it.")


class Part(Params):
    """What a unit does of a movie that was split."""

    first_frame: int = Field(ge=0)
    last_frame: int = Field(ge=0, description="It is included.")
    box: tuple[int, int, int, int] | None = Field(
        None, description="y0, x0, y1, x1 in px of the movie as it is opened; None is all."
    )


class Unit(Params):
    """One movie and one set of sentences."""

    unit_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,79}$")
    movie: str = Field(description="What people call it.")
    path: str = Field(description="Absolute, or an address.")
    arguments: OpenArguments = OpenArguments()
    sentences: tuple[str, ...] = Field(min_length=1)
    settings: str = Field(description="Digest of its settings, under which the folder has them.")
    outputs: tuple[Output, ...] = ()
    identity: str = Field("", description="Of what is in the file; see `batch.planning.identity`.")
    key: str = Field(description="Of all that the masks depend on; see `batch.planning.identity`.")
    num_bytes: int = Field(0, ge=0, description="Size of the file; 0 if not known.")
    annotations: dict[str, str] = Field(
        {}, description="What the user's table says of the movie, carried into the results."
    )
    part: Part | None = None
    parts: tuple[str, ...] = Field(
        (), description="Units whose results this one merges, instead of running a network."
    )
    removed: bool = Field(
        False, description="Whether it was taken out of the batch. Its id is not given again."
    )

    def stored_in(self, batch: Path) -> Unit:
        """The unit as the files of a batch folder have it."""
        return self._with_outputs([stored_path(output.path, batch) for output in self.outputs])

    def read_in(self, batch: Path) -> Unit:
        """The unit that `stored_in` was asked of."""
        return self._with_outputs([absolute_path(output.path, batch) for output in self.outputs])

    def _with_outputs(self, paths: list[str]) -> Unit:
        moved = (
            Output(path=path, kind=output.kind)
            for path, output in zip(paths, self.outputs, strict=True)
        )
        return self.model_copy(update={"outputs": tuple(moved)})


class Facts(Params):
    """What opening the movie of a unit told."""

    unit_id: str
    key: str = Field(description="Of the unit, when it was looked at.")
    num_frames: int = Field(0, ge=0)
    height: int = Field(0, ge=0)
    width: int = Field(0, ge=0)
    num_channels: int = Field(0, ge=0)
    frame_interval_s: float | None = None
    seconds: float | None = Field(None, description="How long it will take; None if not known.")
    is_measured: bool = Field(False, description="Whether earlier runs say so, and not a guess.")
    load_s: float = Field(0.0, ge=0, description="A worker waits so long for its network, once.")
    need_bytes: int = Field(0, ge=0, description="Most memory held at any time; 0 if not known.")
    formats: str = Field(
        "", description="Number formats in which it needs that; a device may ask for others."
    )
    disk_bytes: int = Field(0, ge=0, description="What it will write; 0 if not known.")
    problem: str = Field("", description="Why it cannot be done, if it cannot.")
    hint: str = ""
