"""The Qwen-VL family: published configuration and names -> native transformers classes.

Covers Qwen2.5-VL and Qwen3-VL, told apart by their vision towers. `QwenVLReader` is how such a
model looks at pictures and reads a prompt; how large the pictures are and how the prompt is worded
stands in `qwen_pictures` and `qwen_prompt`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_sa2va.core.errors import CheckpointError, RequestError
from napari_sa2va.models.sa2va.keymap import Rule
from napari_sa2va.models.sa2va.prompt_format import QWEN_END, QWEN_PAD, QWEN_START, Mode
from napari_sa2va.models.sa2va.published_config import part, rope_parameters
from napari_sa2va.models.sa2va.qwen_pictures import PatchLayout, packed
from napari_sa2va.models.sa2va.qwen_prompt import READINGS, TEMPLATE
from napari_sa2va.models.sa2va.seen import Seen

if TYPE_CHECKING:
    import numpy as np
    from transformers import Cache

    from napari_sa2va.core.exchange import Exchange
    from napari_sa2va.models.sa2va.prompt_format import ChatTemplate
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

NAME = "qwen-vl"


@dataclass(frozen=True)
class _Generation:
    """One of the two generations of Qwen-VL.

    Attributes
    ----------
    name : str
    kind : str
        How `model_type` begins in the configuration of its vision tower.
    mark : str
        A field that only its vision tower has.
    vision, text : mapping
        Published fields, and what a config.json means that leaves one out: the defaults of the
        published classes.
    rope : mapping
        Likewise, of the rotary positions.
    system : str
        What its chat template says before the first turn.
    """

    name: str
    kind: str
    mark: str
    vision: Mapping[str, Any]
    text: Mapping[str, Any]
    rope: Mapping[str, Any]
    system: str = ""


_TOWER = {"in_channels": 3, "spatial_merge_size": 2, "temporal_patch_size": 2}
_SECOND = _Generation(
    name="Qwen2.5-VL",
    kind="qwen2_5_vl",
    mark="fullatt_block_indexes",
    vision=_TOWER | {
        "depth": 32, "hidden_size": 3584, "hidden_act": "silu", "intermediate_size": 3420,
        "num_heads": 16, "patch_size": 14, "tokens_per_second": 4, "window_size": 112,
        "out_hidden_size": 3584, "fullatt_block_indexes": [7, 15, 23, 31],
    },
    text={
        "vocab_size": 152064, "hidden_size": 8192, "intermediate_size": 29568,
        "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
        "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-5,
        "use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 80,
    },
    rope={"rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    system="You are a helpful assistant.",
)  # fmt: skip
_THIRD = _Generation(
    name="Qwen3-VL",
    kind="qwen3_vl",
    mark="deepstack_visual_indexes",
    vision=_TOWER | {
        "depth": 27, "hidden_size": 1152, "hidden_act": "gelu_pytorch_tanh",
        "intermediate_size": 4304, "num_heads": 16, "patch_size": 16, "out_hidden_size": 3584,
        "num_position_embeddings": 2304, "deepstack_visual_indexes": [8, 16, 24],
    },
    text={
        "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 128000,
        "rms_norm_eps": 1e-6, "attention_bias": False,
    },
    # Not the default of today's class, whose theta is a tenth of it.
    rope={"rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True},
)  # fmt: skip


def recognises(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of this family."""
    return "text_config" in config and "vision_config" in config and "llm_config" not in config


def hidden_size(config: Mapping[str, Any]) -> int:
    """Width of the language model's hidden states."""
    return int(_fields(part(config, "text_config"), _generation(config).text)["hidden_size"])


def _generation(config: Mapping[str, Any]) -> _Generation:
    """Which Qwen-VL a config.json is of. All have `model_type` "sa2va_chat", so the tower decides."""
    tower = part(config, "vision_config")
    kind = str(tower.get("model_type", ""))
    found = [
        generation
        for generation in (_SECOND, _THIRD)
        if kind in (generation.kind, f"{generation.kind}_vision")
        or (not kind and generation.mark in tower)
    ]
    if len(found) != 1 or "num_experts" in part(config, "text_config"):
        raise CheckpointError(
            f"config.json has a vision tower {kind!r} that is neither Qwen2.5-VL's nor Qwen3-VL's, "
            "or a language model that does not belong to it.",
            "Give the folder of a Sa2VA checkpoint.",
        )
    return found[0]


def _fields(published: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the network needs; everything else in the file is left aside."""
    return {
        name: default if published.get(name) is None else published[name]
        for name, default in defaults.items()
    }


def build(config: Mapping[str, Any]) -> Any:
    """Build the native model of a published configuration, without weights.

    Returns
    -------
    Qwen2_5_VLForConditionalGeneration or Qwen3VLForConditionalGeneration

    Raises
    ------
    CheckpointError
        If the configuration is of another model, or contradicts itself.
    """
    generation = _generation(config)
    vision = _fields(part(config, "vision_config"), generation.vision)
    if vision["hidden_size"] % (4 * vision["num_heads"]):  # its positions have two rotary axes
        raise CheckpointError(
            f"config.json gives a vision tower {vision['hidden_size']} values and "
            f"{vision['num_heads']} heads, whose positions do not divide evenly.",
            "Take config.json from the checkpoint again.",
        )
    token = vision["patch_size"] * vision["spatial_merge_size"]
    if vision.get("window_size", token) < token:
        raise CheckpointError(
            f"config.json gives the vision tower windows of {vision['window_size']} px, which are "
            f"smaller than a vision token of {token} px.",
            "Take config.json from the checkpoint again.",
        )
    published = part(config, "text_config")
    text = _fields(published, generation.text)
    if vision["out_hidden_size"] != text["hidden_size"]:
        raise CheckpointError(
            f"config.json gives vision tokens {vision['out_hidden_size']} values, and the language "
            f"model {text['hidden_size']}.",
            "Take config.json from the checkpoint again.",
        )
    rope = rope_parameters(published, generation.rope["rope_theta"])
    text["rope_parameters"] = dict(generation.rope) | rope
    _check_rope(text)
    # The default ties lm_head to the embedding in some versions, which would silently replace it.
    text["tie_word_embeddings"] = False
    # The tokenizer decides about these; the native defaults may lie outside the vocabulary.
    text.update(bos_token_id=None, eos_token_id=None, pad_token_id=None)
    tokens = {
        name: config[name]
        for name in ("image_token_id", "video_token_id", "vision_start_token_id")
        if name in config
    }
    if generation is _SECOND:
        return _second(vision, text, tokens).eval()
    return _third(vision, text, tokens).eval()


def _check_rope(text: Mapping[str, Any]) -> None:
    """The three axes of the positions share half of a head."""
    sections = text["rope_parameters"]["mrope_section"]
    half = (text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]) // 2
    whole = isinstance(sections, list | tuple) and all(
        isinstance(n, int) and n >= 0 for n in sections
    )
    if not whole or len(sections) != 3 or sum(sections) != half:
        raise CheckpointError(
            f"config.json gives the axes of positions mrope_section {sections}, not three numbers "
            f"with the sum {half}.",
            "Take config.json from the checkpoint again.",
        )


def _second(vision: dict[str, Any], text: dict[str, Any], tokens: dict[str, Any]) -> Any:
    from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLTextConfig,
        Qwen2_5_VLVisionConfig,
    )
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
        Qwen2_5_VLForConditionalGeneration,
    )

    native = Qwen2_5_VLConfig(
        text_config=Qwen2_5_VLTextConfig(**text),
        vision_config=Qwen2_5_VLVisionConfig(**vision),
        tie_word_embeddings=False,
        **tokens,
    )
    return Qwen2_5_VLForConditionalGeneration(native)


def _third(vision: dict[str, Any], text: dict[str, Any], tokens: dict[str, Any]) -> Any:
    from transformers.models.qwen3_vl.configuration_qwen3_vl import (
        Qwen3VLConfig,
        Qwen3VLTextConfig,
        Qwen3VLVisionConfig,
    )
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

    native = Qwen3VLConfig(
        text_config=Qwen3VLTextConfig(**text),
        vision_config=Qwen3VLVisionConfig(**vision),
        tie_word_embeddings=False,
        **tokens,
    )
    return Qwen3VLForConditionalGeneration(native)


def rules(config: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Published names of the multimodal language model -> ours (`mllm.`).

    The published wrapper holds the native model as its `model`, so exactly one `model.` goes.
    """
    return (Rule("model.{rest}", ("mllm.{rest}",)),)


class QwenVLReader:
    """How a model of this family looks at pictures and reads a prompt.

    Parameters
    ----------
    mllm : Qwen2_5_VLForConditionalGeneration or Qwen3VLForConditionalGeneration
    tokenizer : Tokenizer
    config : mapping
        The published configuration.
    preprocessor : mapping
        The published preprocessor_config.json.
    reading : {"published", "trained"}
        Whether pictures and prompt are as in the published inference code, or as in training.
    """

    def __init__(
        self,
        mllm: Any,
        tokenizer: Tokenizer,
        config: Mapping[str, Any],
        *,
        preprocessor: Mapping[str, Any],
        reading: str = "published",
    ) -> None:
        generation = _generation(config)
        vision = _fields(part(config, "vision_config"), generation.vision)
        self.pictures_at_once = 1  # whatever is asked for; see `_encoded`
        self._mllm = mllm
        self._tokenizer = tokenizer
        self._width = hidden_size(config)
        self._layout = PatchLayout.published(preprocessor, vision)
        self._reading = READINGS[reading]
        self._system = generation.system
        self._pad = tokenizer.id_of(QWEN_PAD)
        for token in (QWEN_START, QWEN_END):
            tokenizer.id_of(token)
        self.template: ChatTemplate = TEMPLATE

    @property
    def _device(self) -> torch.device:
        return self._mllm.lm_head.weight.device

    @torch.inference_mode()
    def look(
        self, frames: Sequence[np.ndarray], mode: Mode, regions: Sequence[np.ndarray] = ()
    ) -> Seen:
        """Turn pictures into vision tokens.

        Parameters
        ----------
        frames : sequence of ndarray of uint8, shape (Y, X, 3)
            Key frames of a video, or one image: this family makes no difference. None for plain
            text.
        mode : {"video", "image"}
        regions : sequence of ndarray
            Must be empty.

        Raises
        ------
        RequestError
            If image mode is not given one image, or any region is marked.
        """
        if regions:
            raise RequestError(
                "Qwen-VL checkpoints take no marked regions.",
                "Say which object is meant, or use a checkpoint of the InternVL family.",
            )
        if mode == "image" and len(frames) != 1:
            raise RequestError(f"image mode was given {len(frames)} frames.", "Give one.")
        if not len(frames):
            return Seen(torch.zeros((0, self._width), device=self._device), (), 0)
        seen = [self._encoded(*self.patches(frame, len(frames))) for frame in frames]
        return Seen(
            torch.cat([tokens for tokens, _, _ in seen]),
            tuple(len(tokens) for tokens, _, _ in seen),
            len(frames),
            grids=torch.cat([grid for _, grid, _ in seen]),
            deep_tokens=tuple(
                torch.cat(of) for of in zip(*(deep for *_, deep in seen), strict=True)
            ),
        )

    def patches(self, frame: np.ndarray, num_pictures: int) -> tuple[torch.Tensor, torch.Tensor]:
        """One of several pictures, resized and packed.

        Returns
        -------
        patches : Tensor of float32, shape (n, values)
        grid : Tensor of int64, shape (1, 3)
            Patches in time, y and x.
        """
        limits = self._reading.limits(num_pictures)
        rows, grid = packed(frame, self._layout, limits, first=self._reading.resized_before)
        return torch.from_numpy(rows), torch.tensor([grid])

    def _encoded(
        self, patches: torch.Tensor, grid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Vision tokens of one picture (n, H), its grid, and what deeper layers add (n, H) each.

        Pictures do not attend to each other, so one at a time gives the same as all together, in
        the memory of one.
        """
        tower = self._mllm.model.visual
        grid = grid.to(self._device)
        dtype = next(tower.parameters()).dtype
        found = tower(patches.to(self._device, dtype), grid_thw=grid, return_dict=True)
        return found.pooler_output, grid, list(getattr(found, "deepstack_features", None) or ())

    def prompt_ids(self, text: str, seen: Seen, history: Sequence[Exchange] = ()) -> list[int]:
        """Tokens of the whole prompt, picture placeholders included, up to the coming answer."""
        prompt = self._reading.conversation(text, history, seen.token_counts, system=self._system)
        return self._tokenizer.encode(prompt, start=True)

    @property
    def stop(self) -> str:
        """The text that ends an answer."""
        return self.template.stops[0]

    def is_finished(self, answer: str) -> bool:
        """Whether the decoded answer, as it is so far, ends with a stop text of the template."""
        return self.template.is_finished(answer)

    def read(self, ids: Sequence[int], seen: Seen, cache: Cache | None = None) -> torch.Tensor:
        """Last hidden states, after the final norm, of a prompt: (P, H). Fills the cache."""
        tokens = torch.tensor(ids, device=self._device)
        embeds = self._mllm.get_input_embeddings()(tokens).clone()
        places = tokens == self._pad
        if int(places.sum()) != len(seen.tokens):
            raise RequestError(
                f"The prompt has {int(places.sum())} picture placeholders for "
                f"{len(seen.tokens)} vision tokens.",
                "Leave the placeholders to the model; write <image>.",
            )
        embeds[places] = seen.tokens.to(embeds)
        # The native model would remember how far pictures shift positions; asking it for the
        # positions only, and handing them over, keeps conversations apart.
        positions, _ = self._mllm.model.get_rope_index(
            tokens[None], mm_token_type_ids=places[None].int(), image_grid_thw=seen.grids
        )
        if not seen.deep_tokens:
            return self._forward(embeds, positions, cache)
        return self._forward(
            embeds,
            positions,
            cache,
            visual_pos_masks=places[None],
            deepstack_visual_embeds=list(seen.deep_tokens),
        )

    def extend(self, ids: Sequence[int], seen: Seen, cache: Cache) -> torch.Tensor:
        """Last hidden states of tokens that follow what is in the cache: (n, H)."""
        tokens = torch.tensor(ids, device=self._device)
        begin = cache.get_seq_length() + self._shift(seen)
        positions = torch.arange(begin, begin + len(ids), device=self._device)
        embeds = self._mllm.get_input_embeddings()(tokens)
        return self._forward(embeds, positions.expand(3, 1, -1), cache)

    def _shift(self, seen: Seen) -> int:
        """Position of a token after all pictures, minus its place in the prompt.

        A picture takes as many positions as its longer side has tokens, however many tokens it has.
        """
        if seen.grids is None:
            return 0
        longer = seen.grids[:, 1:].amax(dim=1) // self._layout.merge
        return int(longer.sum()) - len(seen.tokens)

    def _forward(
        self, embeds: torch.Tensor, positions: torch.Tensor, cache: Cache | None, **deep: Any
    ) -> torch.Tensor:
        """(n, H) at positions (3, 1, n) -> (n, H)."""
        output = self._mllm.model.language_model(
            inputs_embeds=embeds[None],
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
            **deep,
        )
        return output.last_hidden_state[0]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: (..., H) -> (..., V)."""
        return self._mllm.lm_head(hidden)
