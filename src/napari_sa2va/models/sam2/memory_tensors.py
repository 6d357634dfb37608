"""Memories as tensors with names, and back: how they are put into a file and taken out of it.

Nothing is changed on the way, neither a number nor its format.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import torch

from napari_sa2va.models.sam2.memory import ConditioningFrame, Memories
from napari_sa2va.models.sam2.prediction import MaskPrediction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_ANSWER = tuple(part.name for part in fields(MaskPrediction))


def to_tensors(memories: Memories) -> dict[str, Tensor]:
    """All that is remembered, by name.

    Parameters
    ----------
    memories : Memories

    Returns
    -------
    dict of str to Tensor
        The very tensors, where they are: they are never written to. ``object_ids`` holds the ids in
        their order; the others are called ``<id>/conditioning/<frame>/<part>``, ``<id>/map/<frame>``
        and ``<id>/pointer/<frame>``.
    """
    tensors = {"object_ids": torch.tensor(memories.object_ids, dtype=torch.int64)}
    for i in memories.object_ids:
        bank = memories[i]
        for t, frame in bank.conditioning.items():
            at = f"{i}/conditioning/{t}"
            tensors[f"{at}/map"] = frame.map
            tensors |= {f"{at}/{part}": getattr(frame.prediction, part) for part in _ANSWER}
        tensors |= {f"{i}/map/{t}": map_ for t, map_ in bank.maps.items()}
        tensors |= {f"{i}/pointer/{t}": pointer for t, pointer in bank.pointers.items()}
    return tensors


def add_from_tensors(tensors: Mapping[str, Tensor], memories: Memories) -> None:
    """Add what `to_tensors` gave to memories.

    Parameters
    ----------
    tensors : mapping of str to Tensor
    memories : Memories
        Without these objects, and with the sizes of those that the tensors are of.
    """
    order = {object_id: place for place, object_id in enumerate(tensors["object_ids"].tolist())}
    found = [(name, *name.split("/")) for name in tensors if "/" in name]
    # An object is known from its first conditioning frame on.
    found.sort(key=lambda entry: (order[int(entry[1])], entry[2] != "conditioning"))
    for name, i, kind, t, *part in found:
        object_id, frame = int(i), int(t)
        if kind == "map":
            memories[object_id].maps[frame] = tensors[name]
        elif kind == "pointer":
            memories[object_id].pointers[frame] = tensors[name]
        elif part == ["map"]:
            at = name.removesuffix("map")
            answer = MaskPrediction(**{one: tensors[at + one] for one in _ANSWER})
            memories.condition(object_id, frame, ConditioningFrame(tensors[name], answer))
