"""Sizes in a config.json that no network can have, told before one is built.

A configuration is data from somewhere. What is only unusual builds, and then fails to fit the
weights, which names them; but a million layers would be built first, and a number of heads that
does not divide the width would fail in the middle of a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import CheckpointError, Sa2vaError

_HINT = "Take config.json from the checkpoint again."

# Fields that hold a whole number from 1, and the largest that is believed. No published network
# comes near them.
_LARGEST = {
    "hidden_size": 2**16, "intermediate_size": 2**18, "num_hidden_layers": 512, "depth": 512,
    "num_attention_heads": 1024, "num_heads": 1024, "num_key_value_heads": 1024, "head_dim": 4096,
    "vocab_size": 2**22, "max_position_embeddings": 2**31, "image_size": 4096, "patch_size": 256,
    "num_channels": 3, "in_channels": 3, "out_hidden_size": 2**16, "spatial_merge_size": 8,
    "temporal_patch_size": 8, "window_size": 4096, "num_position_embeddings": 2**20,
    "force_image_size": 4096, "embed_dim": 4096, "hidden_dim": 4096, "memory_dim": 4096,
    "memory_layers": 64, "memory_feedforward": 2**16, "num_memory_frames": 64,
}  # fmt: skip
# Fields that hold a positive number.
_POSITIVE = ("rms_norm_eps", "layer_norm_eps", "rope_theta", "downsample_ratio")
# Fields that hold whole numbers from 0: how many, and the largest of them.
_LISTS = {
    "stages": (4, 512), "window_spec": (4, 256), "window_pos_embed_bkg_spatial_size": (2, 256),
    "global_att_blocks": (None, 512), "fullatt_block_indexes": (None, 512),
    "deepstack_visual_indexes": (None, 512), "fpn_backbone_channel_list": (None, 2**16),
}  # fmt: skip
_PARTS = ("vision_config", "llm_config", "text_config", "sam2_config")


def check_sizes(config: Mapping[str, Any]) -> None:
    """Refuse sizes that are no sizes, or that do not divide as they must.

    Parameters
    ----------
    config : mapping
        A published config.json. Fields that are left out or null, and unknown ones, are not looked
        at.

    Raises
    ------
    CheckpointError
        Names the first such field, and its value.
    """
    _check_part("", config)
    for name, fields in config.items():
        if name in _PARTS or name.startswith("sam2_trunk"):
            if not isinstance(fields, Mapping):
                raise CheckpointError(f"config.json has no usable {name!r}.", _HINT)
            _check_part(f"{name}.", fields)
    for name in ("vision_config", "llm_config", "text_config"):
        _check_heads(name, config.get(name) or {})
    _check_sam2(config.get("sam2_config") or {})


def _check_part(where: str, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if value is None:
            continue
        if name in _LARGEST and not _is_whole(value, 1, _LARGEST[name]):
            raise _wrong(where + name, value, f"a whole number from 1 to {_LARGEST[name]}")
        if name in _POSITIVE and not _is_positive(value):
            raise _wrong(where + name, value, "a positive number")
        if name in _LISTS:
            count, largest = _LISTS[name]
            listed = isinstance(value, list | tuple) and all(
                _is_whole(v, 0, largest) for v in value
            )
            if not listed or (count is not None and len(value) != count):
                many = "whole numbers" if count is None else f"{count} whole numbers"
                raise _wrong(where + name, value, f"a list of {many} up to {largest}")


def _check_heads(part: str, fields: Mapping[str, Any]) -> None:
    """Widths that heads share."""
    heads = fields.get("num_attention_heads") or fields.get("num_heads")
    width, keys = fields.get("hidden_size"), fields.get("num_key_value_heads")
    if heads and width and not fields.get("head_dim") and width % heads:
        raise _uneven(f"{part}.hidden_size", width, "heads", heads)
    if heads and keys and heads % keys:
        raise _uneven(f"{part}.num_attention_heads", heads, "num_key_value_heads", keys)


def _check_sam2(fields: Mapping[str, Any]) -> None:
    """What SAM 2's trunk and neck halve five times, and what its heads share."""
    side, width, heads = (fields.get(n) for n in ("image_size", "embed_dim", "num_heads"))
    if side and side % 32:
        raise _uneven("sam2_config.image_size", side, "patches of", 32)
    if width and heads and width % heads:
        raise _uneven("sam2_config.embed_dim", width, "num_heads", heads)
    stages, windows = fields.get("stages") or (), fields.get("window_spec") or ()
    if 0 in stages:
        raise _wrong("sam2_config.stages", list(stages), "blocks in every stage")
    # The first block of each later stage pools, window by window.
    pooling = {sum(stages[: i + 1]) for i in range(len(stages) - 1)}
    everywhere = fields.get("global_att_blocks") or ()
    if pooling & set(everywhere):
        raise _wrong(
            "sam2_config.global_att_blocks",
            list(everywhere),
            f"blocks other than {sorted(pooling)}",
        )
    # Windows are pooled, halved, at the end of each stage but the last.
    if any(window < 1 or (i < 3 and window % 2) for i, window in enumerate(windows)):
        raise _wrong("sam2_config.window_spec", list(windows), "even numbers, but for the last")


def _is_whole(value: object, least: int, most: int) -> bool:
    # True is an int in Python, and 24.0 is a mistake of whoever wrote the file.
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_positive(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0


def _wrong(field: str, value: object, expected: str) -> CheckpointError:
    seen = repr(value)
    seen = seen if len(seen) <= 60 else f"{seen[:57]}..."
    return CheckpointError(f"config.json gives {field} as {seen}, not {expected}.", _HINT)


def _uneven(field: str, value: int, by: str, number: int) -> CheckpointError:
    return CheckpointError(
        f"config.json gives {field} as {value}, which does not divide evenly by {by} {number}.",
        _HINT,
    )


@contextmanager
def build_errors(folder: str | Path) -> Iterator[None]:
    """Turn what the libraries raise on a configuration that they cannot build into our error."""
    try:
        yield
    except (Sa2vaError, MemoryError):
        raise
    # Anything at all: each library has its own way to trip over a field that makes no sense.
    except Exception as error:
        said = next(iter(str(error).strip().splitlines()), "no reason given").rstrip(".")
        raise CheckpointError(
            f"The network that {folder}'s config.json describes cannot be built: "
            f"{type(error).__name__}: {said}.",
            _HINT,
        ) from error
