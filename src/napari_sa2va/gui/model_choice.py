"""The models and devices that the dock offers, without loading torch."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from napari_sa2va.models import zoo

DEVICES = ["auto", "cpu", "cuda", *(["mps"] if sys.platform == "darwin" else [])]


@dataclass(frozen=True)
class ModelChoice:
    """A model by the name that the settings take, and what to know of it."""

    name: str
    tip: str = ""


def known_models() -> list[ModelChoice]:
    """The models that can be named, those on this machine first."""
    entries = sorted(zoo.known_models(), key=lambda entry: entry.folder is None)
    return [ModelChoice(entry.name, describe(entry)) for entry in entries]


def describe(entry: zoo.ModelEntry) -> str:
    """Size, origin, licence, and whether the weights are on this machine."""
    facts = []
    if entry.num_parameters:
        facts.append(f"{entry.num_parameters / 1e9:.1f} billion parameters")
    if entry.base:
        facts.append(entry.base)
    facts.append(f"licence: {entry.licence}")
    if entry.folder is not None:
        facts.append("on this machine")
    elif entry.hub_id:
        facts.append(f"will be downloaded from {entry.hub_id}")
    else:
        facts.append("its weights are missing")
    return "; ".join(facts) + "."
