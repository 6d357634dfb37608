"""How much memory a checkpoint takes to run, predicted from its configuration; loads no network.

Weights are counted exactly where the checkpoint's headers are at hand. What the steps of a run take
beside them follows from the sizes of the largest layers; the factors were read off the allocations
of the published architectures and are checked by `benchmarks/memory.py`. Memory of the interpreter
and its libraries is not counted: it is there before anything is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sa2va.models.formats import BYTES, Formats, Part, part_of
from napari_sa2va.models.sa2va.checkpoint import READ_AT_ONCE

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.checkpoint import TensorEntry

    Sizes = Mapping[str, Any]
    Shape = tuple[int, ...]

_FLOAT32 = 4

# SAM 2 Hiera-L with one mask decoder, which published configurations do not describe.
_SAM2_PARAMETERS = 224_430_130
_SAM2: dict[str, int] = {
    "image_size": 1024, "embed_dim": 144, "hidden_dim": 256, "memory_dim": 64,
    "memory_feedforward": 2048, "num_memory_frames": 7,
}  # fmt: skip
# Fields of the published classes that a config.json may leave out: those of the 6B tower, of
# Qwen2.5-VL's tower, and of a 7B language model.
_TOWER = {
    "hidden_size": 3200,
    "intermediate_size": 12800,
    "num_hidden_layers": 48,
    "patch_size": 14,
}
_QWEN_TOWER = {"hidden_size": 1280, "intermediate_size": 3420, "depth": 32, "patch_size": 14}
_LANGUAGE = {
    "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "vocab_size": 151_936,
}  # fmt: skip
# Pixels that the Qwen-VL processors leave a picture; more are shrunk, fewer are stretched.
_QWEN_FEWEST, _QWEN_MOST = 401_408, 1_605_632
# Tokens of a prompt beside those of its pictures.
_WORDS = 100


@dataclass(frozen=True)
class Ask:
    """What a run asks of a network, as far as its memory depends on it.

    Attributes
    ----------
    num_key_frames : int
        Pictures that the language model sees and that prompt the tracker; 0 for marks only.
    num_objects : int
    height, width : int
        Of a frame, in px.
    new_tokens : int
        Length of an answer.
    pictures_at_once : int
        Pictures in the vision tower at once.
    objects_at_once : int
        Objects tracked in one batch.
    offload_language : bool
        Whether the language model leaves the device before tracking, as it can where the device is
        not the CPU.
    offload_frames : bool
        Whether what waits to be tracked leaves it.
    """

    num_key_frames: int = 5
    num_objects: int = 1
    height: int = 480
    width: int = 640
    new_tokens: int = 64
    pictures_at_once: int = 8
    objects_at_once: int = 16
    offload_language: bool = False
    offload_frames: bool = False


@dataclass(frozen=True)
class Footprint:
    """Bytes that a run takes on its device.

    Attributes
    ----------
    parts : dict
        Weights of "language" (with projector and `[SEG]` MLP), "vision" and "sam2".
    steps : dict
        What is held at the height of "loading", "looking", "grounding" and "tracking", weights
        included.
    """

    parts: dict[Part, int]
    steps: dict[str, int]

    @property
    def weights(self) -> int:
        """Bytes of all weights."""
        return sum(self.parts.values())

    @property
    def peak(self) -> int:
        """Most bytes held at any time."""
        return max(self.steps.values())

    @property
    def working(self) -> int:
        """Bytes needed beside the weights, at most."""
        return max(self.peak - self.weights, 0)


def predict(
    config: Sizes,
    tensors: Mapping[str, TensorEntry] | None = None,
    formats: Formats | None = None,
    ask: Ask | None = None,
    *,
    num_parameters: int = 0,
) -> Footprint:
    """Predict the memory of a run.

    Parameters
    ----------
    config : mapping
        A published config.json, of the InternVL or of the Qwen-VL kind; may be empty if
        `num_parameters` is given.
    tensors : mapping of published name to TensorEntry, optional
        Headers of the weights, if they are here. Otherwise they are counted from `config`.
    formats : Formats, optional
        float32 by default.
    ask : Ask, optional
        A short run with one object by default.
    num_parameters : int
        Of the whole checkpoint, for one whose configuration is not here.
    """
    formats, ask = formats or Formats(), ask or Ask()
    shapes = (
        {name: entry.shape for name, entry in tensors.items()}
        if tensors is not None
        else dict(_shapes(config))
    )
    parts: dict[Part, int] = {"language": 0, "vision": 0, "sam2": 0}
    for name, shape in shapes.items():
        parts[part_of(name)] += formats.bytes_of(name, shape)
    if tensors is None:
        parts["sam2"] = _SAM2_PARAMETERS * _FLOAT32
    if not shapes:
        rest = max(num_parameters - _SAM2_PARAMETERS, 0)
        parts["language"] = rest * BYTES[formats.language]
    weights = sum(parts.values())

    looking, seen = _looking(config, formats, ask)
    grounding = seen + _grounding(config, formats, ask)
    away = parts["language"] + parts["vision"] if ask.offload_language else 0
    # What is open of the file: the largest tensor lies in it as it is stored.
    largest = max(
        (entry.num_bytes for entry in tensors.values())
        if tensors is not None
        else (math.prod(shape) * _FLOAT32 for shape in shapes.values()),
        default=0,
    )
    return Footprint(
        parts,
        {
            "loading": weights + READ_AT_ONCE + largest,
            "looking": weights + looking,
            "grounding": weights + grounding,
            "tracking": weights - away + _tracking(config, formats, ask),
        },
    )


def _looking(config: Sizes, formats: Formats, ask: Ask) -> tuple[int, int]:
    """The vision tower at its widest, and the vision tokens that stay."""
    tower = _tower(config)
    patches, tokens = per_picture(config, ask)
    # Qwen-VL's towers take one picture after the other.
    together = min(ask.num_key_frames, 1 if _is_qwen(config) else ask.pictures_at_once)
    width, inner = tower["hidden_size"], tower["intermediate_size"]
    # Both sides of an activation function, and a few states of the tower's width.
    states = patches * ((3 if _is_qwen(config) else 2) * inner + 5 * width)
    unpacked = width * inner if formats.quantise_vision != "none" else 0
    pixels = ask.num_key_frames * patches * tower["patch_size"] ** 2 * 3 * _FLOAT32
    seen = ask.num_key_frames * tokens * _language(config)["hidden_size"] * BYTES[formats.language]
    return (together * states + unpacked) * BYTES[formats.vision] + pixels + seen, seen


def _grounding(config: Sizes, formats: Formats, ask: Ask) -> int:
    """The language model while it reads the prompt, with all keys and values of the conversation."""
    text = _language(config)
    width, inner = text["hidden_size"], text["intermediate_size"]
    _, tokens = per_picture(config, ask)
    length = ask.num_key_frames * tokens + _WORDS + ask.new_tokens
    kept = 2 * text["num_hidden_layers"] * _key_width(config)
    unpacked = width * inner if formats.quantise_language != "none" else 0
    scores = 8 * text["vocab_size"]  # of as many tokens as a draft has
    states = length * (3 * inner + 4 * width + kept)
    return (states + unpacked + scores) * BYTES[formats.language]


def _tracking(config: Sizes, formats: Formats, ask: Ask) -> int:
    """SAM 2: encoding one frame, then attending to the memories of as many objects as go together."""
    sam2 = sam2_sizes(config)
    side, width = sam2["image_size"], sam2["hidden_dim"]
    fine, top = (side // 4) ** 2, (side // 16) ** 2  # positions of the two finest scales
    half = 1 if formats.sam2 == "float32" else 2
    # The trunk's first stage, its MLP four times as wide, before and after the activation.
    encoding = fine * sam2["embed_dim"] * 12 * _FLOAT32 // half
    # The three feature maps of a frame, their codes of position, and the decoders' own maps.
    frame = fine * width * _FLOAT32 * 5 // 4
    codes = fine * width * _FLOAT32 * 4 // 3
    waits = 2 * (top * width + 2 * (fine * width // 8 + fine * width // 16)) * _FLOAT32
    together = min(ask.num_objects, ask.objects_at_once)
    memories = ask.num_key_frames + sam2["num_memory_frames"] - 1
    # Keys, values and their rotated copies; autocast does not halve them, since they are rotated in
    # float32. Then the decoder, whose maps grow to a quarter of the input's side.
    attending = together * (memories + 1) * top * width * 5 * _FLOAT32
    decoding = together * fine * (width // 8) * 3 * _FLOAT32
    held = ask.num_objects * memories * (top * sam2["memory_dim"] + fine) * _FLOAT32
    waiting = 0 if ask.offload_frames or ask.num_objects < 2 else ask.num_key_frames * waits
    masks = (ask.num_objects + 12) * ask.height * ask.width  # and one mask's logits, resampled
    return codes + frame + held + waiting + masks + max(encoding, attending + decoding)


# -- sizes, by whichever names the configuration has them -----------------------------------------


def _is_qwen(config: Sizes) -> bool:
    return "llm_config" not in config and "vision_config" in config


def _tower(config: Sizes) -> dict[str, int]:
    return _numbers(config.get("vision_config"), _QWEN_TOWER if _is_qwen(config) else _TOWER)


def _language(config: Sizes) -> dict[str, int]:
    # Older Qwen-VL files have the fields of the language model on the top level.
    return _numbers(config.get("llm_config") or config.get("text_config") or config, _LANGUAGE)


def sam2_sizes(config: Sizes) -> dict[str, int]:
    """Sizes of SAM 2, those of Hiera-L where the configuration says nothing."""
    return _numbers(config.get("sam2_config"), _SAM2)


def _numbers(found: object, defaults: dict[str, int]) -> dict[str, int]:
    """Sizes under the names of `defaults`; what is no positive whole number counts as left out."""
    given = found if isinstance(found, Mapping) else {}
    return {
        name: value if isinstance(value := given.get(name), int) and value > 0 else default
        for name, default in defaults.items()
    }


def _key_width(config: Sizes) -> int:
    """Values of one token's keys in one layer."""
    source = config.get("llm_config") or config.get("text_config") or config
    text = _language(config)
    heads = text["num_attention_heads"]
    found = _numbers(
        source, {"num_key_value_heads": heads, "head_dim": max(text["hidden_size"] // heads, 1)}
    )
    return found["num_key_value_heads"] * found["head_dim"]


def per_picture(config: Sizes, ask: Ask) -> tuple[int, int]:
    """Patches and vision tokens of one key frame."""
    tower = _tower(config)
    if not _is_qwen(config):
        side = _numbers(config.get("vision_config"), {"image_size": 448})["image_size"]
        side = _numbers(config, {"force_image_size": side})["force_image_size"]
        patches = (side // tower["patch_size"]) ** 2
        ratio = config.get("downsample_ratio")
        ratio = ratio if isinstance(ratio, float) and 0 < ratio <= 1 else 0.5
        return patches + 1, max(int(patches * ratio**2), 1)
    merge = _numbers(config.get("vision_config"), {"spatial_merge_size": 2})["spatial_merge_size"]
    pixels = min(max(ask.height * ask.width, _QWEN_FEWEST), _QWEN_MOST)
    tokens = -(-pixels // (tower["patch_size"] * merge) ** 2)
    return tokens * merge**2, tokens


def _shapes(config: Sizes) -> Iterator[tuple[str, Shape]]:
    """Tensors that a configuration implies, under published names, SAM 2 left out.

    Those of one kind stand together in one layer, so that there are as many values as in the
    checkpoint, to within the smallest tensors.
    """
    vision = config.get("vision_config")
    if not isinstance(vision, Mapping):
        return
    text, tower = _language(config), _tower(config)
    width, inner, keys = text["hidden_size"], text["intermediate_size"], _key_width(config)
    heads = text["num_attention_heads"]
    queries = _numbers(config.get("llm_config") or config.get("text_config") or config,
                       {"head_dim": max(width // heads, 1)})["head_dim"] * heads  # fmt: skip
    layers, qwen = "language_model.model.layers", _is_qwen(config)
    for n in range(text["num_hidden_layers"]):
        yield f"{layers}.{n}.self_attn.weight", (2 * (queries + keys), width)
        yield f"{layers}.{n}.mlp.weight", (3 * inner, width)
        yield f"{layers}.{n}.norms", (2 * width,)
    for name in ("embed_tokens", "lm_head"):
        yield name, (text["vocab_size"], width)
    yield "text_hidden_fcs", (width + sam2_sizes(config)["hidden_dim"], width)

    deep, wide = tower["hidden_size"], tower["intermediate_size"]
    if not qwen:
        for n in range(tower["num_hidden_layers"]):
            yield f"vision_model.encoder.layers.{n}.attn.weight", (4 * deep, deep)
            yield f"vision_model.encoder.layers.{n}.mlp.weight", (2 * wide, deep)
            yield f"vision_model.encoder.layers.{n}.rest", (11 * deep + wide,)
        patch, side = tower["patch_size"], _numbers(vision, {"image_size": 448})["image_size"]
        yield "vision_model.embeddings", (3 * patch**2 + (side // patch) ** 2 + 3, deep)
        yield "mlp1", (4 * deep + width, width)
        return
    blocks, matrices = "model.model.visual.blocks", 2 if "deepstack_visual_indexes" in vision else 3
    for n in range(tower["depth"]):
        yield f"{blocks}.{n}.attn.weight", (4 * deep, deep)
        yield f"{blocks}.{n}.mlp.weight", (matrices * wide, deep)
        yield f"{blocks}.{n}.rest", (8 * deep + wide,)
    deeper = vision.get("deepstack_visual_indexes")
    mergers = 1 + (len(deeper) if isinstance(deeper, list) else 0)
    merged = _numbers(vision, {"spatial_merge_size": 2})["spatial_merge_size"] ** 2 * deep
    yield "model.model.visual.merger", (mergers * (merged + width), merged)
    yield "model.model.visual.patch_embed", (6 * tower["patch_size"] ** 2, deep)
