"""The SAM 2 half of a Sa2VA checkpoint: its sizes, its names, and which mask decoder is which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.sa2va.checkpoint import read_headers
from napari_sa2va.models.sa2va.keymap import KeyMap, Rule
from napari_sa2va.models.sa2va.loading import Move, plan_moves
from napari_sa2va.models.sam2.build import Sam2Config

if TYPE_CHECKING:
    Shape = tuple[int, ...]

_PREFIX = "grounding_encoder.sam2_model."
_DECODER = re.compile(r"(?:.*\.)?sam_mask_decoder\.(.+)")


def sam2_config(config: Mapping[str, Any]) -> Sam2Config:
    """Sizes of SAM 2. Published checkpoints say nothing and mean Hiera-L.

    A `sam2_config` gives all sizes (our own checkpoints); a field whose name starts with
    `sam2_trunk` gives those of the image trunk only.
    """
    if "sam2_config" in config:
        return Sam2Config.from_json(dict(config["sam2_config"]))
    for name, fields in config.items():
        if name.startswith("sam2_trunk"):
            return Sam2Config.from_json(dict(fields))
    return Sam2Config()


def has_both_decoders(names: Iterable[str]) -> bool:
    """Whether these are the published names of the Sa2VA-i layout."""
    return any(name.startswith(f"{_PREFIX}sam_mask_decoder_modified.") for name in names)


def sam2_rules(*, both: bool) -> tuple[Rule, ...]:
    """Published names of SAM 2 -> ours.

    Parameters
    ----------
    both : bool
        Sa2VA-i layout. There the plain name belongs to SAM 2.0's original decoder, and the
        fine-tuned one is called `_modified`; in the Sa2VA layout the plain name is the fine-tuned.
    """
    plain, modified = f"{_PREFIX}sam_mask_decoder.{{rest}}", f"{_PREFIX}sam_mask_decoder_modified"
    decoders = [Rule(plain, ("original_decoder.{rest}" if both else "tuned_decoder.{rest}",))]
    if both:
        decoders.append(Rule(f"{modified}.{{rest}}", ("tuned_decoder.{rest}",)))
    fuser = "memory_encoder.fuser.layers.{n}"
    return (
        *decoders,
        # Published under another name because an old loader mangled names with "gamma".
        Rule(f"{_PREFIX}{fuser}.g_weight", (f"sam2.{fuser}.gamma",)),
        Rule(f"{_PREFIX}{{rest}}", ("sam2.{rest}",)),
    )


def borrowed_decoder(source: Path, expected: Mapping[str, Shape]) -> list[Move]:
    """Plan to read SAM 2.0's own mask decoder from another checkpoint.

    Parameters
    ----------
    source : Path
        A safetensors file or folder with tensors named `...sam_mask_decoder.*`; other tensors in
        it are passed over.
    expected : mapping of native name to shape
        The tensors of `original_decoder.`.

    Raises
    ------
    CheckpointError
        If it has no such tensors, they do not fit, or they are a fine-tuned decoder.
    """
    if not source.exists():
        raise CheckpointError(f"{source} does not exist.", "Give a safetensors file or folder.")
    entries = dict(read_headers(source))
    if "text_hidden_fcs.0.weight" in entries and not has_both_decoders(entries):
        raise CheckpointError(
            f"{source} is a plain Sa2VA checkpoint: its mask decoder is the fine-tuned one.",
            "Give SAM 2.0-L's weights, or a Sa2VA-i checkpoint, which holds the original decoder.",
        )
    found = {name: entry for name, entry in entries.items() if _DECODER.fullmatch(name)}
    if not found:
        raise CheckpointError(
            f"{source} has no tensor named sam_mask_decoder.*.",
            "Give SAM 2.0-L's weights, or a Sa2VA-i checkpoint, which holds the original decoder.",
        )
    keys = KeyMap(
        tuple(
            Rule(name, (f"original_decoder.{_DECODER.fullmatch(name)[1]}",))  # type: ignore[index]
            for name in found
        )
    )
    return plan_moves(found, keys, expected)
