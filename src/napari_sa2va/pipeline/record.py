"""What happened in a run, written so that it can be run again."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from napari_sa2va.settings import RunSettings

_PACKAGES = ("napari-sa2va", "torch", "transformers", "sam2", "numpy", "napari")


class ObjectRecord(BaseModel):
    """What became of one object."""

    object_id: int
    name: str
    text: str = Field(description="The sentence that asked for it; empty if it was marked by hand.")
    answer: str = Field("", description="What the model said, special tokens left out.")
    raw_answer: str = Field("", description="The same with special tokens.")
    answer_given: bool = Field(False, description="Whether the answer was given, not generated.")
    found: bool = Field(True, description="Whether the answer held a [SEG].")
    frames_done: int = 0
    frames_present: list[int] = Field(default_factory=list)
    mean_score: float | None = Field(
        None, description="Mean over the done frames of how sure the model is that it is there."
    )


class RunRecord(BaseModel):
    """The settings, the versions, the weights, the answers and the times of one run."""

    model_config = ConfigDict(extra="forbid")

    settings: RunSettings
    source: str | None = None
    clip_name: str = ""
    clip_shape: tuple[int, int, int] = Field(description="(T, Y, X)")
    pixel_size_um: tuple[float, float] | None = None
    frame_interval_s: float | None = None
    intensity_limits: list[tuple[float, float]] = Field(default_factory=list)
    started: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    model_name: str = ""
    weights_sha256: dict[str, str] = Field(default_factory=dict)
    device: str = ""
    dtype: str = ""
    key_frames: list[int] = Field(default_factory=list)
    key_frames_rule: str = ""
    prompt_frames: list[int] = Field(default_factory=list)
    objects: list[ObjectRecord] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    frames_planned: int = 0
    frames_done: int = 0
    frames_encoded: int = Field(0, description="Passes of the frame encoder.")
    finished: str = Field("", description="done, cancelled or failed; empty while it runs.")
    timings_s: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def any_found(self) -> bool:
        """Whether at least one object has a pixel on at least one frame."""
        return any(o.frames_present for o in self.objects)


def package_versions() -> dict[str, str]:
    """Return the versions that decide the result, as installed; absent packages are left out."""
    versions: dict[str, Any] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
