"""Where the masks of a layer come from, small enough for `layer.metadata`."""

from __future__ import annotations

from typing import Any

from napari_sa2va import __version__
from napari_sa2va.project.clip_keeping import fingerprints_of
from napari_sa2va.project.project import Project


def provenance(project: Project) -> dict[str, Any]:
    """Say how the masks of a project came to be, as JSON types.

    Reads the frames of the clip that its fingerprint is made of.

    Parameters
    ----------
    project : Project

    Returns
    -------
    dict
        ``version`` of the package; ``clip`` (what `Clip.describe` says) and ``fingerprints``, if the
        pixels are at hand; ``history``, in words; ``steps`` and ``records``, in which a mask is its
        number of px; ``weights_sha256``, by model and file.

    Raises
    ------
    ClipError
        If a frame cannot be read.
    """
    steps = project.steps
    weights: dict[str, dict[str, str]] = {}
    for record in project.records:
        if record.get("weights_sha256"):
            weights[str(record.get("model_name"))] = record["weights_sha256"]
    said: dict[str, Any] = {
        "version": f"napari-sa2va {__version__}",
        "history": [step.title for step in steps],
        "steps": [without_masks(step.model_dump(mode="json")) for step in steps],
        "records": [without_masks(record) for record in project.records],
        "weights_sha256": weights,
    }
    if project.footage is not None:
        said["clip"] = project.footage.first.describe()
        said["fingerprints"] = list(fingerprints_of(project.footage))
    return said


def without_masks(value: Any) -> Any:
    """JSON types in which every run-length code is replaced by its size and its number of px."""
    if isinstance(value, dict):
        if set(value) == {"size", "counts"}:
            return {"size": value["size"], "px": sum(value["counts"][1::2])}
        return {key: without_masks(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_masks(item) for item in value]
    return value
