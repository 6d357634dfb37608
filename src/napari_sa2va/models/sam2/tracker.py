"""A streaming tracker on SAM 2's modules: frames come one by one, memory stays bounded.

The same numbers as `SAM2VideoPredictor` (without its post-processing), for several objects at once,
with language prompts and with a choice of mask decoder. Reading frames, choosing the order of
frames and keeping results are not done here.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.models.sam2 import decode as sam
from napari_sa2va.models.sam2.attend import attend, memory_maps
from napari_sa2va.models.sam2.clicks import clicks_on_input
from napari_sa2va.models.sam2.features import FrameFeatures, encode_frame
from napari_sa2va.models.sam2.memory import ConditioningFrame, Memories
from napari_sa2va.models.sam2.memory_tensors import add_from_tensors, to_tensors
from napari_sa2va.models.sam2.prediction import MaskPrediction
from napari_sa2va.models.sam2.supported import check_supported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sam2.modeling.sam.mask_decoder import MaskDecoder
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from napari_sa2va.models.sam2.memory import Recall


class Tracker:
    """Segment objects through a video, frame by frame, in either direction.

    Prompt each object on at least one frame, then call `track` on one frame after the other.
    A frame is encoded once, by `encode`; everything else takes the features.

    Parameters
    ----------
    sam2 : SAM2Base
        The network, on the device to be used. It is not changed.
    decoder : MaskDecoder, optional
        Decodes tracked frames and clicks; the network's own by default. Sa2VA goes on with its
        tuned decoder, Sa2VA-i uses the original one.
    suppress_absent : bool
        Blank the mask where the object score is not positive, as SAM 2 and Sa2VA-i do; Sa2VA never
        does. Language prompts are never suppressed.
    precision : torch.dtype, optional
        float32 (the default), or bfloat16 / float16 under autocast.
    turning_frame : int, optional
        Set it when the video will be tracked from this frame first one way and then the other: the
        memories next to it are then kept, and the second pass sees them, as SAM 2's would.
    max_conditioning : int
        Most conditioning frames of an object that are attended on a frame; 0 for all, as in the
        published networks. The nearest before it, and from it on, are always among them. What
        attending costs grows with their number; what is kept of each is small, 1.3 MB for Hiera-L.
    objects_per_pass : int
        Most objects attended and decoded in one batch; lower it if the device runs out of memory.
    offload : bool
        Keep what waits on the CPU: the features handed to `set_aside` and the answers of
        conditioning frames.

    Attributes
    ----------
    num_encoded : int
        Frames that went through the image encoder.
    precision, objects_per_pass, offload
        As given. They may be changed between two frames; what is remembered stays as it was made,
        and where, until `follow`.

    Raises
    ------
    ModelError
        If the network is built with switches that this tracker does not implement (SAM 2.1, or
        post-processing), or its weights are not float32.

    Examples
    --------
    >>> tracker = Tracker(network)
    >>> tracker.prompt_masks(0, tracker.encode(clip.rgb(0)), [1], masks)
    >>> for t in range(1, clip.num_frames):
    ...     prediction = tracker.track(t, tracker.encode(clip.rgb(t)), [1])
    ...     masks = prediction.to_masks(clip.height, clip.width)
    """

    def __init__(
        self,
        sam2: SAM2Base,
        *,
        decoder: MaskDecoder | None = None,
        suppress_absent: bool = True,
        precision: torch.dtype | None = None,
        turning_frame: int | None = None,
        max_conditioning: int = 0,
        objects_per_pass: int = 16,
        offload: bool = False,
    ) -> None:
        check_supported(sam2)
        self.network = sam2
        self.decoder = sam2.sam_mask_decoder if decoder is None else decoder
        self.suppress_absent = suppress_absent
        self.precision = torch.float32 if precision is None else precision
        self.turning_frame = turning_frame
        self.objects_per_pass = objects_per_pass
        self.offload = offload
        self.num_encoded = 0
        self._memories = Memories(sam2.num_maskmem, sam2.max_obj_ptrs_in_encoder, max_conditioning)

    @property
    def device(self) -> torch.device:
        """Where the network is and where all results are."""
        return self.network.no_mem_embed.device

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that have been prompted, in the order of their first prompts."""
        return self._memories.object_ids

    @property
    def memory_bytes(self) -> int:
        """Bytes of all memory banks."""
        return self._memories.nbytes

    @property
    def _store(self) -> torch.device:
        """Where the answers of conditioning frames wait."""
        return torch.device("cpu") if self.offload else self.device

    def set_aside(self, features: FrameFeatures) -> FrameFeatures:
        """Return features that have to wait, where they may wait."""
        return features.to(self._store)

    def take_up(self, features: FrameFeatures) -> FrameFeatures:
        """Return features that have waited, where the network is."""
        return features.to(self.device)

    def forget(self, t: int) -> None:
        """Forget frame `t`, so that what failed there half-way can be done again."""
        self._memories.forget(t)

    def follow(self) -> None:
        """Bring what is remembered to where it belongs now.

        To be called after the network was moved, or `offload` was changed.
        """
        self._memories.to(self.device, self._store)

    def memories(self) -> dict[str, Tensor]:
        """All that is remembered, by name, so that another tracker can go on; see `restore`.

        The tensors are never written to, so they stay as they are when this tracker goes on.
        """
        return to_tensors(self._memories)

    def restore(self, memories: Mapping[str, Tensor]) -> None:
        """Remember what another tracker did, on any device, and go on as it would have.

        Parameters
        ----------
        memories : mapping of str to Tensor
            From `memories` of a tracker of the same network, which may be in another process.

        Notes
        -----
        Number formats are kept. Only a tracker that computes in float32 takes all of them in
        float32, which is exact: the other one may have gone to a smaller format for want of memory.
        """
        if self.precision == torch.float32:
            memories = {
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in memories.items()
            }
        add_from_tensors(memories, self._memories)
        self.follow()

    @torch.inference_mode()
    def encode(
        self, frame: np.ndarray, *, decoders: Iterable[MaskDecoder] | None = None
    ) -> FrameFeatures:
        """Run a frame through the image encoder.

        Parameters
        ----------
        frame : ndarray of uint8, shape (Y, X, 3)
        decoders : iterable of MaskDecoder, optional
            All decoders that will read the features, which then take a fifth of the memory: for
            frames that have to wait. By default any decoder can read them.

        Raises
        ------
        ShapeMismatch
            If `frame` is not an RGB image of uint8.
        """
        with self._arithmetic():
            features = encode_frame(self.network, frame)
            if decoders is not None:
                features.compact(decoders)
        self.num_encoded += 1
        return features

    @torch.inference_mode()
    def decode_language(
        self,
        features: FrameFeatures,
        embeddings: np.ndarray | Tensor,
        decoder: MaskDecoder | None = None,
    ) -> MaskPrediction:
        """Decode `[SEG]` embeddings on one frame; nothing is remembered.

        Parameters
        ----------
        features : FrameFeatures
        embeddings : ndarray or Tensor of float, shape (N, C)
        decoder : MaskDecoder, optional
            The tracker's own by default.

        Returns
        -------
        MaskPrediction
            Of N objects. A low object score does not blank a mask.

        Raises
        ------
        ShapeMismatch
            If the embeddings are not as wide as the network.
        """
        tokens = torch.as_tensor(embeddings).to(self.device, torch.float32)
        width = self.network.hidden_dim
        if tokens.ndim != 2 or tokens.shape[1] != width:
            raise ShapeMismatch(
                f"[SEG] embeddings must have shape (N, {width}), not {tuple(tokens.shape)}.",
                "They come from the text_hidden_fcs of the same checkpoint.",
            )
        with self._arithmetic():
            return self._concatenate(
                sam.decode(
                    self.network,
                    self.decoder if decoder is None else decoder,
                    features,
                    sam.without_memory(self.network, features, len(part)),
                    sam.language_prompt(self.network, part),
                    multimask=True,
                    suppress_absent=False,
                )
                for part in self._passes(tokens)
            )

    @torch.inference_mode()
    def prompt_language(
        self,
        t: int,
        features: FrameFeatures,
        object_ids: Sequence[int],
        embeddings: np.ndarray | Tensor,
        decoder: MaskDecoder | None = None,
    ) -> MaskPrediction:
        """Decode one `[SEG]` embedding per object and make `t` a conditioning frame of each.

        Parameters as for `decode_language`; `embeddings[i]` belongs to `object_ids[i]`.
        """
        prediction = self.decode_language(features, embeddings, decoder)
        self._condition(t, features, object_ids, prediction)
        return prediction

    @torch.inference_mode()
    def prompt_masks(
        self, t: int, features: FrameFeatures, object_ids: Sequence[int], masks: np.ndarray
    ) -> MaskPrediction:
        """Give the mask of each object on frame `t`, which becomes a conditioning frame.

        Parameters
        ----------
        t : int
        features : FrameFeatures
        object_ids : sequence of int
        masks : ndarray of bool, shape (N, Y, X)
            An empty mask is a prompt too: the object is not on this frame.

        Returns
        -------
        MaskPrediction
            The masks given, resampled, with logits of +-10.

        Raises
        ------
        ShapeMismatch
            If there is not one mask per object.
        """
        masks = np.asarray(masks, dtype=bool)
        if masks.ndim != 3:
            raise ShapeMismatch(
                f"Mask prompts must have shape (N, Y, X), not {masks.shape}.",
                "Give one mask per object.",
            )
        with self._arithmetic():
            prediction = self._concatenate(
                sam.take_masks(self.network, self.decoder, features, part)
                for part in self._passes(torch.from_numpy(masks))
            )
        self._condition(t, features, object_ids, prediction)
        return prediction

    @torch.inference_mode()
    def prompt_points(
        self,
        t: int,
        features: FrameFeatures,
        object_id: int,
        points_yx: Sequence[tuple[float, float]] | np.ndarray = (),
        labels: Sequence[int] | np.ndarray = (),
        box_yx: Sequence[float] | None = None,
    ) -> MaskPrediction:
        """Click on an object or box it on frame `t`, which becomes a conditioning frame.

        Parameters and errors as for `clicks_on_input`: (y, x) in px of the frame, labels 1 on the
        object and 0 off it, the box as (y0, x0, y1, x1).

        Notes
        -----
        If `t` already is a conditioning frame of the object (a sentence, a mask or earlier clicks),
        its logits are refined; give all clicks again, not only the new one. Clicks on a frame that
        was merely tracked are decoded without memory, like first clicks.
        """
        size = self.network.image_size
        clicks = clicks_on_input(points_yx, labels, box_yx, features.frame_size, size)
        points_xy, kinds = (x.to(self.device) for x in clicks)
        known, limit = self._memories.conditioning_frame(object_id, t), sam.PRIOR_LOGIT_LIMIT
        prior = None
        if known is not None:
            prior = known.prediction.logits.to(self.device).clamp(-limit, limit)
        with self._arithmetic():
            prediction = sam.decode(
                self.network,
                self.decoder,
                features,
                sam.without_memory(self.network, features, 1),
                sam.click_prompt(self.network, points_xy, kinds, prior),
                multimask=self._ambiguous(kinds.shape[1]),
                suppress_absent=self.suppress_absent,
            )
        self._condition(t, features, [object_id], prediction)
        return prediction

    @torch.inference_mode()
    def track(
        self,
        t: int,
        features: FrameFeatures | None,
        object_ids: Sequence[int],
        reverse: bool = False,
        *,
        remember: bool = True,
    ) -> MaskPrediction:
        """Segment prompted objects on frame `t` from what is remembered of them.

        Parameters
        ----------
        t : int
            Next to the frame tracked before, in the direction of tracking.
        features : FrameFeatures or None
            May be None if the frame is a conditioning frame of all these objects: its answers are
            kept.
        object_ids : sequence of int
        reverse : bool
            Against time: the past is then t + 1, t + 2, ...
        remember : bool
            Whether frames to come may attend to this one, as in SAM 2. If not, the answer depends on
            the prompts alone wherever nothing else was remembered.

        Returns
        -------
        MaskPrediction
            In the order of `object_ids`. A conditioning frame returns the answer its prompt got.

        Raises
        ------
        RequestError
            If an object was never prompted, or features are missing.
        """
        banks = {i: self._memories[i] for i in object_ids}
        answers = {i: b.conditioning[t].prediction for i, b in banks.items() if t in b.conditioning}
        recalls = {i: b.recall(t, reverse=reverse) for i, b in banks.items() if i not in answers}
        for group in self._groups(recalls):
            if features is None:
                raise RequestError(
                    f"Frame {t} is no conditioning frame of the objects {group}.",
                    "Give its features, from Tracker.encode.",
                )
            with self._arithmetic():
                prediction = sam.decode(
                    self.network,
                    self.decoder,
                    features,
                    attend(self.network, features, [recalls[i] for i in group]),
                    sam.no_prompt(self.network, len(group)),
                    multimask=self._ambiguous(0),
                    suppress_absent=self.suppress_absent,
                )
                maps = memory_maps(self.network, features, prediction.logits) if remember else None
            for row, i in enumerate(group):
                answers[i] = prediction.select([row])
                if maps is not None:
                    # Clones: a row of a batch would keep the whole batch alive.
                    banks[i].remember(t, maps[row].clone(), prediction.pointers[row].clone())
        for bank in banks.values():
            bank.prune(t, reverse=reverse, turning_frame=self.turning_frame)
        return self._concatenate(answers[i].with_logits_on(self.device) for i in object_ids)

    def _condition(
        self,
        t: int,
        features: FrameFeatures,
        object_ids: Sequence[int],
        prediction: MaskPrediction,
    ) -> None:
        """Write the answer to a prompt into the memory of each object."""
        if len(set(object_ids)) != len(object_ids) or len(object_ids) != len(prediction):
            raise ShapeMismatch(
                f"{len(prediction)} prompts were given for the objects {list(object_ids)}.",
                "Give one prompt per object, and each object once.",
            )
        with self._arithmetic():
            batches = [
                memory_maps(self.network, features, logits)
                for logits in self._passes(prediction.logits)
            ]
        maps = [map_.clone() for batch in batches for map_ in batch]
        # The maps stay: they are attended on every frame to come.
        # All or none: what runs out of memory on the way leaves no object half prompted.
        frames = [
            ConditioningFrame(map_, prediction.select([row]).with_logits_on(self._store))
            for row, map_ in enumerate(maps)
        ]
        for object_id, frame in zip(object_ids, frames, strict=True):
            self._memories.condition(object_id, t, frame)

    def _groups(self, recalls: dict[int, Recall]) -> list[list[int]]:
        """Split object ids into batches of equal memory layout."""
        by_layout: dict[object, list[int]] = {}
        for object_id, recall in recalls.items():
            by_layout.setdefault(recall.layout, []).append(object_id)
        size = self.objects_per_pass
        return [g[k : k + size] for g in by_layout.values() for k in range(0, len(g), size)]

    def _passes(self, rows: Tensor) -> Sequence[Tensor]:
        """Split rows, one per object, into batches; no batch if there is no row."""
        return rows.split(self.objects_per_pass) if len(rows) else ()

    def _concatenate(self, parts: Iterable[MaskPrediction]) -> MaskPrediction:
        nothing = MaskPrediction.of_nothing(
            self.network.image_size // 4, self.network.hidden_dim, self.device
        )
        return MaskPrediction.concatenate([*parts] or [nothing])

    def _ambiguous(self, num_points: int) -> bool:
        """Whether a prompt of this many points (a box counts two) leaves room for three masks."""
        network = self.network
        return network.multimask_min_pt_num <= num_points <= network.multimask_max_pt_num

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)
