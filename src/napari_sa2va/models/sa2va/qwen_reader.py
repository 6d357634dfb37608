"""How a Qwen-VL model looks at pictures and reads a prompt.

How large the pictures are and how the prompt is worded stands in `qwen_pictures` and `qwen_prompt`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from napari_sa2va.core.errors import RequestError
from napari_sa2va.models.sa2va.pictures import Fitted
from napari_sa2va.models.sa2va.prompt_format import QWEN_END, QWEN_PAD, QWEN_START, Mode
from napari_sa2va.models.sa2va.qwen_pictures import PatchLayout, in_patches
from napari_sa2va.models.sa2va.qwen_prompt import READINGS, TEMPLATE
from napari_sa2va.models.sa2va.qwen_vl import hidden_size, system_text, vision_sizes
from napari_sa2va.models.sa2va.reader import Reader
from napari_sa2va.models.sa2va.seen import Seen

if TYPE_CHECKING:
    import numpy as np
    from transformers import Cache

    from napari_sa2va.core.exchange import Exchange
    from napari_sa2va.models.sa2va.prompt_format import ChatTemplate
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer


class QwenVLReader(Reader):
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
        self.pictures_at_once = 1  # whatever is asked for; see `_encoded`
        self._mllm = mllm
        self._tokenizer = tokenizer
        self._width = hidden_size(config)
        self._layout = PatchLayout.published(preprocessor, vision_sizes(config))
        self._reading = READINGS[reading]
        self._pictures = Fitted(self._layout.step, self._layout.resample, self._reading)
        self._system = system_text(config, tokenizer.chat_template)
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
        shown = self._pictures(frame, "video", num_pictures)
        rows, grid = in_patches(shown.pixels[0], self._layout)
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
