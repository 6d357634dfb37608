"""`Sa2VA`: the multimodal language model and SAM 2 of one checkpoint, and `ground`.

Masks are made elsewhere (`models/sam2/tracker.py`) from the embeddings that `ground` returns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from napari_sa2va.core.errors import CheckpointError, RequestError
from napari_sa2va.core.exchange import Exchange
from napari_sa2va.core.grounding import SEG, Grounding
from napari_sa2va.models import device as devices
from napari_sa2va.models.formats import Formats, Quantisation, part_of
from napari_sa2va.models.hashes import weight_hashes
from napari_sa2va.models.sa2va import generate as generation
from napari_sa2va.models.sa2va.checkpoint import Checkpoint
from napari_sa2va.models.sa2va.drafts import Drafts
from napari_sa2va.models.sa2va.families import family_of
from napari_sa2va.models.sa2va.footprint import predict
from napari_sa2va.models.sa2va.keymap import KeyMap, Rule
from napari_sa2va.models.sa2va.loading import Hollow, Move, fill, plan_moves
from napari_sa2va.models.sa2va.placing import feed_in_own_format, halve, is_on
from napari_sa2va.models.sa2va.prompt_format import Mode
from napari_sa2va.models.sa2va.published_config import language_config
from napari_sa2va.models.sa2va.quantise import has_packed, prepare
from napari_sa2va.models.sa2va.sam2_part import (
    borrowed_decoder,
    has_both_decoders,
    sam2_config,
    sam2_rules,
)
from napari_sa2va.models.sa2va.seen import Seen
from napari_sa2va.models.sa2va.seg import text_hidden_fcs
from napari_sa2va.models.sa2va.sizes import build_errors, check_sizes
from napari_sa2va.models.sa2va.tokenizer import Tokenizer
from napari_sa2va.models.sam2.build import build_sam2
from napari_sa2va.models.sam2.tracker import Tracker

# The decoder inside SAM 2 is one of `tuned_decoder` and `original_decoder`, under a second name.
_ALIAS = "sam2.sam_mask_decoder."


class Sa2VA(nn.Module):
    """The network of a Sa2VA or Sa2VA-i checkpoint.

    Attributes
    ----------
    mllm : nn.Module
        The native multimodal language model.
    text_hidden_fcs : nn.Sequential
        `[SEG]` hidden state -> prompt vector.
    sam2 : SAM2Base
        Its `sam_mask_decoder` is the original decoder if there is one, else the tuned one.
    tuned_decoder : MaskDecoder
        The mask decoder that Sa2VA fine-tuned to its prompt vectors.
    original_decoder : MaskDecoder | None
        SAM 2.0's own, with which Sa2VA-i propagates.
    tokenizer : Tokenizer
    config : dict
        The published config.json.
    name : str
        What the checkpoint is called; its folder's name by default.
    weight_hashes : dict
        File name -> SHA-256 of the weight files, with those of a borrowed decoder; empty for a
        network that was not loaded.
    formats : Formats
        Number formats of the parts, as loaded.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        tokenizer: Tokenizer,
        *,
        original_decoder: bool,
        preprocessor: Mapping[str, Any] | None = None,
        reading: Literal["published", "trained"] = "published",
    ) -> None:
        """Build the network of a configuration; see `load` for one with its weights.

        Parameters
        ----------
        config : mapping
            A published config.json.
        tokenizer : Tokenizer
        original_decoder : bool
            Whether there is to be a second mask decoder.
        preprocessor : mapping, optional
            A published preprocessor_config.json, which the Qwen-VL family needs.
        reading : {"published", "trained"}
            See `load`.
        """
        super().__init__()
        self.config = dict(config)
        self.name = "untrained"
        self.weight_hashes: dict[str, str] = {}
        self.formats = Formats()
        self.tokenizer = tokenizer
        self._seg_id = tokenizer.id_of(SEG)
        self._family = family_of(config)
        _check_vocabulary(config, tokenizer)
        # The parts of a transformers module have no types that a checker could follow.
        self.mllm: Any = self._family.build(config)
        feed_in_own_format(self.mllm)
        sizes = sam2_config(config)
        self.text_hidden_fcs = text_hidden_fcs(self._family.hidden_size(config), sizes.hidden_dim)
        self.sam2 = build_sam2(sizes)
        self.tuned_decoder = self.sam2.sam_mask_decoder
        self.original_decoder: nn.Module | None = None
        if original_decoder:
            self.original_decoder = copy.deepcopy(self.tuned_decoder)
            self.sam2.sam_mask_decoder = self.original_decoder
        self._reader = self._family.reader(
            self.mllm, tokenizer, config, preprocessor=preprocessor or {}, reading=reading
        )
        self._drafts = Drafts.trained(tokenizer, self._reader.stop)
        # Answers are drafts for later questions about the same pictures only: a draft changes how an
        # embedding is rounded, and what comes of a run must not depend on the runs before it.
        self._learnt: WeakKeyDictionary[Seen, Drafts] = WeakKeyDictionary()
        self.eval()

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        vision_dtype: str = "same",
        quantise_language: Quantisation = "none",
        quantise_vision: Quantisation = "none",
        sam2_decoder: str | Path | None = None,
        reading: Literal["published", "trained"] = "published",
        name: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Sa2VA:
        """Load a checkpoint in its published layout.

        Parameters
        ----------
        folder : path
            Holds config.json, *.safetensors (with an index if there are several) and the
            tokenizer's files. Anything else in it is ignored; no code in it is run.
        device : str or torch.device
            `"auto"` takes cuda, then mps, then cpu.
        dtype : str or torch.dtype
            Type of the language model: "float32", "bfloat16", "float16", or "auto" (bfloat16 on a
            GPU that computes in it, else float32), whatever the file holds. SAM 2 is kept in
            float32; its tracker may compute in a lower precision.
        vision_dtype : str
            Type of the vision tower; "same" as the language model's by default.
        quantise_language, quantise_vision : {"none", "int8", "int4"}
            How the large matrices in their layers are stored. Nothing else is ever quantised.
        sam2_decoder : path, optional
            A safetensors file or folder with `*sam_mask_decoder.*` of SAM 2.0, as the original
            decoder of a plain Sa2VA checkpoint, which can then be run the Sa2VA-i way.
        reading : {"published", "trained"}
            Whether a Qwen-VL checkpoint is shown pictures and prompt as the published inference
            code does, or as in its training (see `qwen_prompt`). The same for other families.
        name : str, optional
            What to call the checkpoint; its folder's name by default.
        progress : callable, optional
            Called with bytes read so far and bytes in all.

        Raises
        ------
        CheckpointError
            If the folder is not a complete, consistent checkpoint of a supported family.
        ModelError
            If the device is not there, or 4 bits are wanted without bitsandbytes.
        MemoryShortage
            If the weights do not fit into the memory that is free.
        """
        where = devices.pick_device(device)
        formats = devices.pick_formats(
            dtype, where, vision_dtype=vision_dtype,
            quantise_language=quantise_language, quantise_vision=quantise_vision,
        )  # fmt: skip
        checkpoint = Checkpoint.open(folder)
        both = has_both_decoders(checkpoint.tensors)
        if both and sam2_decoder is not None:
            raise CheckpointError(
                f"{folder} has an original SAM 2 decoder of its own (Sa2VA-i layout).",
                "Leave sam2_decoder out.",
            )
        tokenizer = Tokenizer.load(folder)
        check_sizes(checkpoint.config)
        with build_errors(folder), Hollow():
            model = cls(
                checkpoint.config,
                tokenizer,
                original_decoder=both or sam2_decoder is not None,
                preprocessor=checkpoint.preprocessor,
                reading=reading,
            )
        expected = {name: tuple(t.shape) for name, t in model.tensors().items()}
        borrowed_moves: list[Move] = []
        if sam2_decoder is not None:
            borrowed = {n: s for n, s in expected.items() if n.startswith("original_decoder.")}
            expected = {n: s for n, s in expected.items() if n not in borrowed}
            borrowed_moves = borrowed_decoder(Path(sam2_decoder), borrowed)
        keys = KeyMap(model._rules(both=both))
        moves = plan_moves(checkpoint.tensors, keys, expected) + borrowed_moves
        needed = predict(checkpoint.config, checkpoint.tensors, formats).peak
        devices.require_memory(needed, where, what=name or Path(folder).name)
        prepare(model, expected, formats)
        model.formats = formats
        with devices.memory_errors(where):
            fill(
                model,
                moves,
                device=where,
                dtype_of=lambda name: getattr(torch, formats.weights_of(part_of(name))),
                progress=progress,
            )
            # What is left are constants that were computed while building.
            model.to(where)
        model.name = name or Path(folder).name
        decoder_files = {move.entry.shard for move in borrowed_moves}
        model.weight_hashes = weight_hashes(Path(folder), decoder_files)
        return model

    # -- tensors under published names --------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """All weights by our own names, each once."""
        return {n: t for n, t in self.state_dict().items() if not n.startswith(_ALIAS)}

    @property
    def key_map(self) -> KeyMap:
        """Published names <-> our names, in the layout that fits the decoders there are."""
        return KeyMap(self._rules(both=self.original_decoder is not None))

    def to_published(
        self, tensors: Mapping[str, torch.Tensor] | None = None
    ) -> dict[str, torch.Tensor]:
        """Weights under the names of the published layout, ready to be saved as safetensors.

        Sa2VA-i layout if there is an original decoder, else Sa2VA layout.

        Raises
        ------
        CheckpointError
            If the network is quantised.
        """
        if has_packed(self):
            raise CheckpointError(
                f"{self.name} was quantised as it was loaded: its full weights are not there.",
                "Load it without quantisation.",
            )
        return self.key_map.to_published(self.tensors() if tensors is None else tensors)

    def _rules(self, *, both: bool) -> tuple[Rule, ...]:
        return (
            *self._family.rules(self.config),
            Rule("text_hidden_fcs.{rest}", ("text_hidden_fcs.{rest}",)),
            *sam2_rules(both=both),
        )

    # -- memory --------------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """Bytes of all weights, as they are now."""
        return sum(t.numel() * t.element_size() for t in self.tensors().values())

    def nbytes_outside(self, device: torch.device) -> int:
        """Bytes of the weights that would have to be moved to a device."""
        outside = (t for t in self.tensors().values() if t.device.type != device.type)
        return sum(t.numel() * t.element_size() for t in outside)

    @property
    def pictures_at_once(self) -> int:
        """Pictures that go through the vision tower together; decides its memory, not its result."""
        return self._reader.pictures_at_once

    @pictures_at_once.setter
    def pictures_at_once(self, number: int) -> None:
        self._reader.pictures_at_once = number

    def park_language(self) -> None:
        """Let the language model and the vision tower wait on the CPU; a question fetches them."""
        self.mllm.to("cpu")

    def fetch_language(self) -> None:
        """Bring them back to where SAM 2 is."""
        if not is_on(self.mllm, self.device):
            self.mllm.to(self.device)

    def halve(self) -> None:
        """Cast what is in float32 to bfloat16, one tensor after the other; SAM 2's weights stay."""
        halve(self.mllm)
        halve(self.text_hidden_fcs)
        self.formats = self.formats.halved()

    # -- tracking ------------------------------------------------------------------------------

    def new_tracker(
        self,
        *,
        decoder: Literal["tuned", "original"],
        hide_absent: bool,
        turning_frame: int | None = None,
        max_conditioning: int = 0,
        precision: torch.dtype | None = None,
        objects_per_pass: int = 16,
        offload: bool = False,
    ) -> Tracker:
        """Start tracking on this network's SAM 2.

        Parameters
        ----------
        decoder : {"tuned", "original"}
            Which mask decoder tracks on.
        hide_absent : bool
            Whether a tracked mask is blanked where the object score is not positive.
        turning_frame : int, optional
            The frame at which tracking will turn round, if it goes both ways.
        max_conditioning : int
            Most prompted frames of an object that are attended on a frame; 0 for all.
        precision : torch.dtype, optional
            What SAM 2 computes in; by default as the language model.
        objects_per_pass : int
        offload : bool
            Whether what waits lies on the CPU; see `Tracker`.

        Raises
        ------
        CheckpointError
            If the original decoder is asked for and the checkpoint has none.
        """
        if decoder == "original" and self.original_decoder is None:
            raise CheckpointError(
                f"{self.name} has no original SAM 2.0 mask decoder, with which Sa2VA-i tracks.",
                "Take the preset sa2va, or name a file that has it as sam2_decoder.",
            )
        return Tracker(
            self.sam2,
            decoder=self.tuned_decoder if decoder == "tuned" else self.original_decoder,
            suppress_absent=hide_absent,
            precision=precision or self.dtype,
            turning_frame=turning_frame,
            max_conditioning=max_conditioning,
            objects_per_pass=objects_per_pass,
            offload=offload,
        )

    # -- grounding -----------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.sam2.no_mem_embed.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the language model, which the tracker may take as its precision."""
        return next(self.text_hidden_fcs.parameters()).dtype

    def ground(
        self,
        frames: Sequence[np.ndarray],
        text: str,
        answer: str | None = None,
        mode: Mode = "video",
        *,
        regions: Sequence[np.ndarray] = (),
        history: Sequence[Exchange] = (),
        max_new_tokens: int = generation.MAX_NEW_TOKENS,
        should_stop: Callable[[], bool] | None = None,
    ) -> Grounding:
        """Ask about key frames; see `look` and `ground_seen`, of which this is the sum."""
        return self.ground_seen(
            self.look(frames, mode, regions),
            text,
            answer,
            history=history,
            max_new_tokens=max_new_tokens,
            should_stop=should_stop,
        )

    def look(
        self,
        frames: Sequence[np.ndarray],
        mode: Mode = "video",
        regions: Sequence[np.ndarray] = (),
    ) -> Seen:
        """Take key frames in, once for any number of sentences.

        Parameters
        ----------
        frames : sequence of ndarray of uint8, shape (Y, X, 3)
            Key frames in the order of time; in image mode exactly one; none to talk without
            pictures.
        mode : {"video", "image"}
            A video frame becomes one picture; an image is cut into tiles, with an overview last.
        regions : sequence of ndarray of bool, shape (Y, X)
            Regions of the picture, in image mode only, which a question may call `region1`,
            `region2` ...

        Raises
        ------
        RequestError
            If the frames do not fit the mode, or the family knows no regions.
        """
        with devices.memory_errors(self.device):
            self.fetch_language()
            return self._reader.look(frames, mode, regions)

    @torch.inference_mode()
    def ground_seen(
        self,
        seen: Seen,
        text: str,
        answer: str | None = None,
        *,
        history: Sequence[Exchange] = (),
        use_drafts: bool = True,
        max_new_tokens: int = generation.MAX_NEW_TOKENS,
        should_stop: Callable[[], bool] | None = None,
    ) -> Grounding:
        """Ask about pictures already looked at.

        Parameters
        ----------
        seen : Seen
        text : str
            The user's turn, as worded by `wording.question_for`. `<image>` stands for the
            pictures; they are put in front if it is missing.
        answer : str, optional
            Taken instead of a generated one, with its special tokens, in one forward pass. As in
            generation, a `[SEG]` that ends it has no embedding: let a full stop or the end mark
            follow.
        history : sequence of Exchange
            What was said about these pictures before.
        use_drafts : bool
            Whether to try likely answers in one pass; the answer is the same without, and slower.
        max_new_tokens : int
        should_stop : callable, optional
            Asked after every token; the answer is cut short when it says yes.

        Returns
        -------
        Grounding
        """
        if answer is not None and not answer:
            raise RequestError("The given answer is empty.", "Leave it out to let the model speak.")
        prompt = self._reader.prompt_ids(text, seen, history)
        drafts = self._learnt.setdefault(seen, self._drafts.copy())
        with devices.memory_errors(self.device):
            self.fetch_language()
            seen = seen.to(self.device, self.dtype)
            if answer is None:
                said = generation.generate(
                    self._reader,
                    self.tokenizer,
                    prompt,
                    seen,
                    self._seg_id,
                    drafts=drafts if use_drafts else None,
                    max_new_tokens=max_new_tokens,
                    should_stop=should_stop,
                )
                if use_drafts:
                    drafts.add(said.ids)
            else:
                ids = self.tokenizer.encode(answer)
                said = generation.take(self._reader, prompt, ids, seen, self._seg_id)
            embeddings = self.text_hidden_fcs(said.hidden)
        return Grounding(
            answer=self.tokenizer.decode(said.ids).strip(),
            embeddings=embeddings.float().cpu().numpy(),
            prompt_ids=np.asarray(prompt, np.int64),
            generated_ids=np.asarray(said.ids, np.int64),
            num_frames=seen.num_frames,
            passes=said.passes,
            hidden=said.hidden.float().cpu().numpy(),
        )


def _check_vocabulary(config: Mapping[str, Any], tokenizer: Tokenizer) -> None:
    rows = language_config(config).get("vocab_size")
    if rows is not None and len(tokenizer) > int(rows):
        raise CheckpointError(
            f"The tokenizer has {len(tokenizer)} tokens, but config.json gives the language model "
            f"only {rows}.",
            "Give the tokenizer files that belong to the weights.",
        )
