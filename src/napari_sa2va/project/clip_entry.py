"""What a project keeps of its clip, so that it can be found and opened again just as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ConfigDict, Field

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.params import Params
from napari_sa2va.core.region_box import Box
from napari_sa2va.readers.opening import OpenArguments

_Pair = tuple[float, float]


class ClipFacts(Params):
    """What `Clip.describe` says; most of it is put back when the clip is opened again."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    num_frames: int = Field(ge=1)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    dtype: str = ""
    time_axis: str | None = None
    z: int | str | None = None
    channels: tuple[int, ...] | None = None
    channel_names: tuple[str, ...] = ()
    limits: tuple[_Pair, ...] | None = None
    tints: tuple[str, ...] | None = None
    box: tuple[int, int, int, int] | None = None
    pixel_size_um: _Pair | None = None
    z_step_um: float | None = None
    frame_interval_s: float | None = None
    variable_rate: bool = False
    opened_with: dict[str, Any] = Field({})

    def put_back(self, clip: Clip) -> Clip:
        """A clip of the same pixels with the name and the physical facts that it had.

        A layer in napari may have been given another scale than its file says.
        """
        return replace(
            clip,
            name=self.name,
            time_axis=self.time_axis,
            z=self.z,
            channels=self.channels,
            channel_names=self.channel_names,
            box=None if self.box is None else Box(*self.box),
            pixel_size_um=self.pixel_size_um,
            z_step_um=self.z_step_um,
            frame_interval_s=self.frame_interval_s,
            variable_rate=self.variable_rate,
            opened_with=self.opened_with,
        )


class ClipEntry(Params):
    """The part of ``project.json`` that is about the clip."""

    described: ClipFacts = Field(description="What `Clip.describe` says of the first plane.")
    fingerprints: tuple[str, ...] = Field(
        min_length=1, description="Of the first plane, and of the last if there are several."
    )
    path: str | None = Field(
        None, description="The file, folder or pattern, absolute; words that name a patient are "
        "replaced by what they are, as in /data/(PatientName).dcm."
    )  # fmt: skip
    relative_path: str | None = Field(
        None, description="The same from the project folder, with / on every system."
    )
    num_bytes: int | None = Field(None, description="Size of the file; None of a folder.")
    embedded: str | None = Field(None, description="File in the project folder with the pixels.")
    arguments: tuple[OpenArguments, ...] = Field(
        (), description="With which `open_clip` gives the clip, one per plane; the embedded one's "
        "if there is one. Empty if the pixels were not kept."
    )  # fmt: skip
    note: str = Field("", description="Why the pixels were not kept, if they were not.")
