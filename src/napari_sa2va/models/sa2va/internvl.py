"""The InternVL family: published configuration and names -> native transformers classes.

Covers vision towers of the 300M kind and of the 6B kind, and Qwen2, Qwen3, Phi3, Llama and
InternLM2 language models (the last as Llama, which computes the same). `InternVLReader` is how such
a model looks at pictures and reads a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sa2va.core.errors import CheckpointError, RequestError
from napari_sa2va.models.sa2va import tiles
from napari_sa2va.models.sa2va.keymap import GroupedQkv, Rule, Stacked
from napari_sa2va.models.sa2va.pictures import Squares
from napari_sa2va.models.sa2va.prompt_format import (
    IMAGE_CONTEXT,
    IMAGE_END,
    IMAGE_START,
    ChatTemplate,
    Mode,
    template_named,
)
from napari_sa2va.models.sa2va.published_config import is_internvl, part, rope_parameters
from napari_sa2va.models.sa2va.reader import PICTURES_AT_ONCE, Reader
from napari_sa2va.models.sa2va.regions import region_cells
from napari_sa2va.models.sa2va.seen import Seen

if TYPE_CHECKING:
    from transformers import Cache, InternVLForConditionalGeneration, PretrainedConfig

    from napari_sa2va.core.exchange import Exchange
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

NAME = "internvl"

# Published field -> ours, and what a config.json means that leaves it out: exports write only what
# differs from the defaults of the published classes, which are those of the 6B tower.
_VISION_FIELDS: dict[str, tuple[str, Any]] = {
    "hidden_size": ("hidden_size", 3200),
    "intermediate_size": ("intermediate_size", 12800),
    "num_hidden_layers": ("num_hidden_layers", 48),
    "num_attention_heads": ("num_attention_heads", 25),
    "num_channels": ("num_channels", 3),
    "image_size": ("image_size", tiles.DEFAULT_SIDE),
    "patch_size": ("patch_size", 14),
    "hidden_act": ("hidden_act", "gelu"),
    "layer_norm_eps": ("layer_norm_eps", 1e-6),
    "norm_type": ("norm_type", "rms_norm"),
    "qkv_bias": ("attention_bias", False),
    "qk_normalization": ("use_qk_norm", True),
}
_TEXT_FIELDS = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "hidden_act", "max_position_embeddings", "rms_norm_eps",
)  # fmt: skip
_TEXT_EXTRAS = {
    "Qwen2ForCausalLM": ("use_sliding_window", "sliding_window", "max_window_layers"),
    "Qwen3ForCausalLM": ("head_dim", "attention_bias"),
    "Phi3ForCausalLM": (
        "original_max_position_embeddings", "sliding_window", "partial_rotary_factor",
    ),
    "LlamaForCausalLM": ("head_dim", "attention_bias", "mlp_bias"),
    "InternLM2ForCausalLM": (),
}  # fmt: skip
# The defaults of all published classes but Phi3's, which is narrower.
_DEFAULT_WIDTH, _DEFAULT_PHI3_WIDTH, _DEFAULT_HEADS = 4096, 3072, 32
_DEFAULT_ROPE_THETA = 10000.0


def recognises(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of this family."""
    return is_internvl(config)


def hidden_size(config: Mapping[str, Any]) -> int:
    """Width of the language model's hidden states."""
    narrow = _language_model(config) == "Phi3ForCausalLM"
    default = _DEFAULT_PHI3_WIDTH if narrow else _DEFAULT_WIDTH
    return int(part(config, "llm_config").get("hidden_size") or default)


def build(config: Mapping[str, Any]) -> InternVLForConditionalGeneration:
    """Build the native model of a published configuration, without weights.

    Raises
    ------
    CheckpointError
        If the configuration lacks a field or asks for a part that is not supported.
    """
    from transformers.models.internvl.configuration_internvl import (
        InternVLConfig,
        InternVLVisionConfig,
    )
    from transformers.models.internvl.modeling_internvl import InternVLForConditionalGeneration

    if config.get("select_layer", -1) != -1:
        raise CheckpointError(
            f"config.json takes vision features from layer {config['select_layer']}.",
            "Only the last layer (-1) is supported; all published checkpoints use it.",
        )
    # `use_mean_pooling` stays True: with it the native tower has no norm after its last layer,
    # just as the reference.
    vision = InternVLVisionConfig(
        **{ours: _vision(config, theirs) for theirs, (ours, _) in _VISION_FIELDS.items()}
    )
    native = InternVLConfig(
        vision_config=vision,
        text_config=_text_config(part(config, "llm_config")),
        downsample_ratio=float(config.get("downsample_ratio", 0.5)),
        image_seq_length=tokens_per_tile(config),
        # The default ties lm_head to the embedding, which would silently replace it.
        tie_word_embeddings=False,
    )
    model = InternVLForConditionalGeneration(native)
    for layer in model.model.vision_tower.encoder.layer:
        for norm in (layer.attention.q_norm, layer.attention.k_norm):
            norm.variance_epsilon = vision.layer_norm_eps  # the native class ignores the setting
    return model.eval()


def _vision(config: Mapping[str, Any], field: str) -> Any:
    """A field of the vision tower, under its published name."""
    return part(config, "vision_config").get(field, _VISION_FIELDS[field][1])


def _language_model(config: Mapping[str, Any]) -> str:
    name = next(iter(part(config, "llm_config").get("architectures") or ()), None)
    if name not in _TEXT_EXTRAS:
        raise CheckpointError(
            f"config.json names the language model {name!r}, which this family does not have.",
            f"Supported are {sorted(_TEXT_EXTRAS)}.",
        )
    return str(name)


def _text_config(published: Mapping[str, Any]) -> PretrainedConfig:
    name = _language_model({"llm_config": published})
    wanted = (*_TEXT_FIELDS, *_TEXT_EXTRAS[name])
    fields = {key: published[key] for key in wanted if published.get(key) is not None}
    fields["rope_parameters"] = rope_parameters(published, _DEFAULT_ROPE_THETA)
    fields["tie_word_embeddings"] = False
    # The tokenizer decides about these; the native defaults may lie outside the vocabulary.
    fields.update(bos_token_id=None, eos_token_id=None, pad_token_id=None)
    if name == "Qwen2ForCausalLM":
        from transformers.models.qwen2.configuration_qwen2 import Qwen2Config

        return Qwen2Config(**fields)
    if name == "Qwen3ForCausalLM":
        from transformers.models.qwen3.configuration_qwen3 import Qwen3Config

        return Qwen3Config(**fields)
    if name == "Phi3ForCausalLM":
        from transformers.models.phi3.configuration_phi3 import Phi3Config

        trained = published.get("original_max_position_embeddings")
        if trained is not None and fields["rope_parameters"]["rope_type"] == "longrope":
            fields["rope_parameters"].setdefault("original_max_position_embeddings", trained)
        return Phi3Config(**fields)
    from transformers.models.llama.configuration_llama import LlamaConfig

    if name == "InternLM2ForCausalLM":
        fields["attention_bias"] = bool(published.get("bias", True))
    return LlamaConfig(**fields)


def rules(config: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Published names of the multimodal language model -> ours (`mllm.`)."""
    tower = "mllm.model.vision_tower"
    layer, published = f"{tower}.encoder.layer.{{n}}", "vision_model.encoder.layers.{n}"
    qkv = tuple(f"{layer}.attention.{p}_proj.{{rest}}" for p in "qkv")
    vision = (
        Rule("vision_model.embeddings.class_embedding", (f"{tower}.embeddings.cls_token",)),
        Rule(
            "vision_model.embeddings.position_embedding",
            (f"{tower}.embeddings.position_embeddings",),
        ),
        Rule(
            "vision_model.embeddings.patch_embedding.{rest}",
            (f"{tower}.embeddings.patch_embeddings.projection.{{rest}}",),
        ),
        Rule(f"{published}.attn.qkv.{{rest}}", qkv, Stacked(3)),
        Rule(f"{published}.attn.proj.{{rest}}", (f"{layer}.attention.projection_layer.{{rest}}",)),
        Rule(f"{published}.attn.q_norm.{{rest}}", (f"{layer}.attention.q_norm.{{rest}}",)),
        Rule(f"{published}.attn.k_norm.{{rest}}", (f"{layer}.attention.k_norm.{{rest}}",)),
        Rule(f"{published}.norm1.{{rest}}", (f"{layer}.layernorm_before.{{rest}}",)),
        Rule(f"{published}.norm2.{{rest}}", (f"{layer}.layernorm_after.{{rest}}",)),
        Rule(f"{published}.ls1", (f"{layer}.lambda_1",)),
        Rule(f"{published}.ls2", (f"{layer}.lambda_2",)),
        Rule(f"{published}.mlp.{{rest}}", (f"{layer}.mlp.{{rest}}",)),
        Rule("mlp1.0.{rest}", ("mllm.model.multi_modal_projector.layer_norm.{rest}",)),
        Rule("mlp1.1.{rest}", ("mllm.model.multi_modal_projector.linear_1.{rest}",)),
        Rule("mlp1.3.{rest}", ("mllm.model.multi_modal_projector.linear_2.{rest}",)),
    )
    if _language_model(config) == "InternLM2ForCausalLM":
        return vision + _internlm2_rules(part(config, "llm_config"))
    return (
        *vision,
        Rule("language_model.lm_head.{rest}", ("mllm.lm_head.{rest}",)),
        Rule("language_model.model.{rest}", ("mllm.model.language_model.{rest}",)),
    )


def _internlm2_rules(text: Mapping[str, Any]) -> tuple[Rule, ...]:
    heads = int(text.get("num_attention_heads") or _DEFAULT_HEADS)
    kv_heads = int(text.get("num_key_value_heads") or heads)
    width = int(text.get("hidden_size") or _DEFAULT_WIDTH)
    grouped = GroupedQkv(kv_heads, heads // kv_heads, width // heads)
    published, native = "language_model.model.layers.{n}", "mllm.model.language_model.layers.{n}"

    def layer(theirs: str, ours: str) -> Rule:
        return Rule(f"{published}.{theirs}.{{rest}}", (f"{native}.{ours}.{{rest}}",))

    return (
        Rule("language_model.output.{rest}", ("mllm.lm_head.{rest}",)),
        Rule(
            "language_model.model.tok_embeddings.{rest}",
            ("mllm.model.language_model.embed_tokens.{rest}",),
        ),
        Rule("language_model.model.norm.{rest}", ("mllm.model.language_model.norm.{rest}",)),
        Rule(
            f"{published}.attention.wqkv.{{rest}}",
            tuple(f"{native}.self_attn.{p}_proj.{{rest}}" for p in "qkv"),
            grouped,
        ),
        layer("attention.wo", "self_attn.o_proj"),
        layer("feed_forward.w1", "mlp.gate_proj"),
        layer("feed_forward.w3", "mlp.up_proj"),
        layer("feed_forward.w2", "mlp.down_proj"),
        layer("attention_norm", "input_layernorm"),
        layer("ffn_norm", "post_attention_layernorm"),
    )


def tokens_per_tile(config: Mapping[str, Any]) -> int:
    """Vision tokens of one tile: its patches, after the pixel shuffle."""
    patch = int(_vision(config, "patch_size"))
    side = tiles.tile_side(config)
    grid = side // patch * float(config.get("downsample_ratio", 0.5))
    if grid != int(grid) or grid < 1:
        raise CheckpointError(
            f"config.json gives tiles of {side} px in patches of {patch} px, which "
            f"does not divide evenly.",
            "Correct force_image_size, patch_size or downsample_ratio.",
        )
    return int(grid) ** 2


class InternVLReader(Reader):
    """How a model of this family looks at pictures and reads a prompt.

    Parameters
    ----------
    mllm : InternVLForConditionalGeneration
    tokenizer : Tokenizer
    config : mapping
        The published configuration.
    preprocessor : mapping
        Not used: the published code has mean and deviation as constants.
    reading : {"published", "trained"}
        The same in this family, whose published code reads as it was trained.
    """

    def __init__(
        self,
        mllm: InternVLForConditionalGeneration,
        tokenizer: Tokenizer,
        config: Mapping[str, Any],
        *,
        preprocessor: Mapping[str, Any] | None = None,
        reading: str = "published",
    ) -> None:
        self.pictures_at_once = PICTURES_AT_ONCE
        self._mllm = mllm
        self._tokenizer = tokenizer
        self._pictures = Squares(tiles.tile_side(config))
        self._tokens = tokens_per_tile(config)
        self._width = hidden_size(config)
        # Order of the vision tokens: row by row (v2), or column by column (v1).
        self._columns_first = config.get("ps_version", "v1") == "v1"
        self._context = tokenizer.id_of(IMAGE_CONTEXT)
        for token in (IMAGE_START, IMAGE_END):
            tokenizer.id_of(token)
        self.template: ChatTemplate = template_named(config.get("template"))

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
            Key frames of a video, each squashed into one tile; in image mode one image, cut into
            tiles; none for plain text.
        mode : {"video", "image"}
        regions : sequence of ndarray of bool, shape (Y, X)
            Marked regions of the image. Each is said once more by the vision tokens that it covers
            in the last tile, which shows the whole image.

        Raises
        ------
        RequestError
            If image mode is not given one image, or a region is given without it or covers no
            token.
        """
        if mode == "image" and len(frames) != 1:
            raise RequestError(f"image mode was given {len(frames)} frames.", "Give one.")
        if regions and mode != "image":
            raise RequestError(
                "Regions can be marked in a single picture only, not in a movie.",
                "Choose the frame that they are marked on.",
            )
        if not len(frames):
            return Seen(torch.zeros((0, self._width), device=self._device), (), 0)
        shown = [self._pictures(frame, mode, len(frames)) for frame in frames]
        counts = [self._tokens * len(one.pixels) for one in shown]
        pictures = np.stack([tiles.normalised(tile) for one in shown for tile in one.pixels])
        tokens = torch.cat(
            [
                self.encode(torch.from_numpy(pictures[first : first + self.pictures_at_once]))
                for first in range(0, len(pictures), self.pictures_at_once)
            ]
        )  # (n, tokens, H)
        cells = [region_cells(region, round(self._tokens**0.5)) for region in regions]
        marked = [tokens[-1][torch.from_numpy(c.reshape(-1)).to(tokens.device)] for c in cells]
        return Seen(
            torch.cat([tokens.flatten(0, 1), *marked]),
            tuple(counts),
            len(frames),
            region_counts=tuple(int(c.sum()) for c in cells),
        )

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Vision tokens of normalised tiles: (n, 3, S, S) -> (n, tokens, H)."""
        found = self._mllm.model.get_image_features(
            pixel_values=pixels.to(self._device),
            vision_feature_layer=-1,
            vision_feature_select_strategy="default",
            return_dict=True,
        ).pooler_output
        if self._columns_first:
            grid = int(self._tokens**0.5)
            found = found.unflatten(1, (grid, grid)).transpose(1, 2).flatten(1, 2)
        return found

    def prompt_ids(self, text: str, seen: Seen, history: Sequence[Exchange] = ()) -> list[int]:
        """Tokens of the whole prompt, picture placeholders included, up to the coming answer."""
        prompt = self.template.conversation(
            text, history, seen.token_counts, region_counts=seen.region_counts
        )
        return self._tokenizer.encode(prompt, start=True)

    def embed(self, ids: Sequence[int], seen: Seen) -> torch.Tensor:
        """Input embeddings with the vision tokens in their places: (P, H)."""
        tokens = torch.tensor(ids, device=self._device)
        embeds = self._mllm.get_input_embeddings()(tokens).clone()
        places = tokens == self._context
        if int(places.sum()) != len(seen.tokens):
            raise RequestError(
                f"The prompt has {int(places.sum())} picture placeholders for "
                f"{len(seen.tokens)} vision tokens.",
                "Leave the placeholders to the model; write <image>.",
            )
        embeds[places] = seen.tokens.to(embeds)
        return embeds

    def read(self, ids: Sequence[int], seen: Seen, cache: Cache | None = None) -> torch.Tensor:
        """Last hidden states, after the final norm, of a prompt: (P, H). Fills the cache."""
        return self._forward(self.embed(ids, seen), cache)

    def extend(self, ids: Sequence[int], seen: Seen, cache: Cache) -> torch.Tensor:
        """Last hidden states of tokens that follow what is in the cache: (n, H)."""
        tokens = torch.tensor(ids, device=self._device)
        return self._forward(self._mllm.get_input_embeddings()(tokens), cache)

    def _forward(self, embeds: torch.Tensor, cache: Cache | None) -> torch.Tensor:
        output = self._mllm.model.language_model(
            inputs_embeds=embeds[None], past_key_values=cache, use_cache=cache is not None
        )
        return output.last_hidden_state[0]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: (..., H) -> (..., V)."""
        return self._mllm.lm_head(hidden)
