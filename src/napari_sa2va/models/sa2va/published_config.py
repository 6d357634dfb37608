"""Parts of a published config.json that every family reads in the same way; plain JSON, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_sa2va.core.errors import CheckpointError

# What older files call a kind of rotary positions -> today's name. "mrope" says only that the
# positions have three axes, which its sections say too.
_ROTARY_KINDS = {"mrope": "default", "su": "longrope"}


def is_internvl(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of the InternVL family."""
    return "llm_config" in config and "vision_config" in config


def is_qwen_vl(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of the Qwen-VL family."""
    return "text_config" in config and "vision_config" in config and "llm_config" not in config


def part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A nested configuration.

    Raises
    ------
    CheckpointError
        If it is absent or no object.
    """
    found = config.get(name)
    if not isinstance(found, Mapping):
        raise CheckpointError(
            f"config.json has no usable {name!r}.", "Take config.json from the checkpoint again."
        )
    return found


def language_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The language model's configuration, whichever family it is of; empty if there is none."""
    found = config.get("llm_config") or config.get("text_config")
    return found if isinstance(found, Mapping) else {}


def rope_parameters(published: Mapping[str, Any], default_theta: float) -> dict[str, Any]:
    """Rotary settings in today's form; older files keep theta and scaling apart.

    Parameters
    ----------
    published : mapping
        A language model's configuration.
    default_theta : float
        What its published class takes if the file gives none.

    Examples
    --------
    >>> rope_parameters({"rope_theta": 1e6, "rope_scaling": {"type": "su"}}, 1e4)
    {'rope_type': 'longrope', 'rope_theta': 1000000.0}
    """
    given = published.get("rope_parameters") or published.get("rope_scaling") or {}
    rope = {key: value for key, value in given.items() if key != "type"}
    kind = rope.get("rope_type") or given.get("type") or "default"
    rope["rope_type"] = _ROTARY_KINDS.get(kind, kind)
    rope.setdefault("rope_theta", float(published.get("rope_theta") or default_theta))
    return rope
