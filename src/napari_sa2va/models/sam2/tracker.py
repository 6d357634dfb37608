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

from napari_sa2va.core.errors import ModelError, RequestError, ShapeMismatch
from napari_sa2va.models.sam2 import decode as sam
from napari_sa2va.models.sam2.attend import attend, memory_maps
from napari_sa2va.models.sam2.clicks import clicks_on_input
from napari_sa2va.models.sam2.features import FrameFeatures, encode_frame
from napari_sa2va.models.sam2.memory import ConditioningFrame, MemoryBank
from napari_sa2va.models.sam2.prediction import MaskPrediction
from napari_sa2va.models.sam2.supported import check_supported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from sam2.modeling.sam.mask_decoder import MaskDecoder
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor


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
        float32, or bfloat16 / float16 under autocast. By default the dtype of the weights.
    turning_frame : int, optional
        Set it when the video will be tracked from this frame first one way and then the other: the
        memories next to it are then kept, and the second pass sees them, as SAM 2's would.
    objects_per_pass : int
        Most objects attended and decoded in one batch; lower it if the device runs out of memory.

    Attributes
    ----------
    num_encoded : int
        Frames that went through the image encoder.

    Raises
    ------
    ModelError
        If the network is built with switches that this tracker does not implement (SAM 2.1, or
        post-processing).

    Examples
    --------
    >>> tracker = Tracker(network)
    >>> features = tracker.encode(clip.rgb(0))
    >>> tracker.prompt_masks(0, features, [1], masks)
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
        objects_per_pass: int = 16,
    ) -> None:
        check_supported(sam2)
        self.network = sam2
        self.decoder = sam2.sam_mask_decoder if decoder is None else decoder
        self.suppress_absent = suppress_absent
        weights = sam2.no_mem_embed.dtype
        self.precision = weights if precision is None else precision
        if self.precision == torch.float32 != weights:
            raise ModelError(
                f"float32 was asked for, but the SAM 2 weights are {weights}.",
                "Load the model in float32, or leave the precision to the weights.",
            )
        self.turning_frame = turning_frame
        self.objects_per_pass = objects_per_pass
        self.num_encoded = 0
        self._banks: dict[int, MemoryBank] = {}

    @property
    def device(self) -> torch.device:
        """Where the network is and where all results are."""
        return self.network.no_mem_embed.device

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that have been prompted, in the order of their first prompts."""
        return tuple(self._banks)

    @property
    def memory_bytes(self) -> int:
        """Bytes of all memory banks."""
        return sum(bank.nbytes for bank in self._banks.values())

    def conditioning_frames(self, object_id: int) -> tuple[int, ...]:
        """Frames on which an object was prompted, sorted; empty for an unknown object."""
        bank = self._banks.get(object_id)
        return () if bank is None else tuple(sorted(bank.conditioning))

    def needs_features(self, t: int, object_ids: Iterable[int]) -> bool:
        """Whether `track` must be given the features of frame `t`.

        False if the frame is a conditioning frame of all these objects: its answers are kept, so
        it need not be encoded a second time.
        """
        return any(t not in self._bank(i).conditioning for i in object_ids)

    def forget(self, object_ids: Iterable[int] | None = None) -> None:
        """Drop all that is remembered of these objects (default: of all)."""
        for object_id in list(self._banks if object_ids is None else object_ids):
            self._banks.pop(object_id, None)

    @torch.inference_mode()
    def encode(self, frame: np.ndarray) -> FrameFeatures:
        """Run a frame through the image encoder.

        Parameters
        ----------
        frame : ndarray of uint8, shape (Y, X, 3)

        Raises
        ------
        ShapeMismatch
            If `frame` is not an RGB image of uint8.
        """
        with self._arithmetic():
            features = encode_frame(self.network, frame)
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
        """
        tokens = torch.as_tensor(embeddings).to(self.device, torch.float32)
        width = self.network.hidden_dim
        if tokens.ndim != 2 or tokens.shape[1] != width:
            raise ShapeMismatch(
                f"[SEG] embeddings must have shape (N, {width}), not {tuple(tokens.shape)}.",
                "They come from the text_hidden_fcs of the same checkpoint.",
            )
        if not len(tokens):
            return self._nothing()
        with self._arithmetic():
            parts = [
                sam.decode(
                    self.network,
                    decoder or self.decoder,
                    features,
                    sam.without_memory(self.network, features, len(part)),
                    sam.language_prompt(self.network, part),
                    multimask=True,
                    suppress_absent=False,
                )
                for part in tokens.split(self.objects_per_pass)
            ]
        return MaskPrediction.concatenate(parts)

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
        """
        masks = np.asarray(masks, dtype=bool)
        if masks.ndim != 3:
            raise ShapeMismatch(
                f"Mask prompts must have shape (N, Y, X), not {masks.shape}.",
                "Give one mask per object.",
            )
        if not len(masks):
            return self._nothing()
        with self._arithmetic():
            parts = [
                sam.take_masks(self.network, self.decoder, features, part)
                for part in torch.from_numpy(masks).split(self.objects_per_pass)
            ]
        prediction = MaskPrediction.concatenate(parts)
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

        Parameters
        ----------
        t : int
        features : FrameFeatures
        object_id : int
        points_yx : array of float, shape (P, 2)
            In px of the frame.
        labels : array of int or bool, shape (P,)
            1 on the object, 0 off it.
        box_yx : sequence of four float, optional
            (y0, x0, y1, x1) in px of the frame.

        Returns
        -------
        MaskPrediction
            Of one object.

        Raises
        ------
        RequestError
            If there is neither a point nor a box.
        ShapeMismatch
            If points and labels differ in number.

        Notes
        -----
        If `t` already is a conditioning frame of the object (a sentence, a mask or earlier clicks),
        its logits are refined; give all clicks again, not only the new one. Clicks on a frame that
        was merely tracked are decoded without memory, like first clicks.
        """
        points_xy, point_labels = clicks_on_input(
            points_yx, labels, box_yx, features.frame_size, self.network.image_size
        )
        prior = None
        if t in self.conditioning_frames(object_id):
            logits = self._banks[object_id].conditioning[t].prediction.logits
            prior = logits.clamp(-sam.PRIOR_LOGIT_LIMIT, sam.PRIOR_LOGIT_LIMIT)
        with self._arithmetic():
            prediction = sam.decode(
                self.network,
                self.decoder,
                features,
                sam.without_memory(self.network, features, 1),
                sam.click_prompt(
                    self.network, points_xy.to(self.device), point_labels.to(self.device), prior
                ),
                multimask=self._ambiguous(point_labels.shape[1]),
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
    ) -> MaskPrediction:
        """Segment prompted objects on frame `t` from what is remembered of them.

        Parameters
        ----------
        t : int
            Next to the frame tracked before, in the direction of tracking.
        features : FrameFeatures or None
            May be None where `needs_features` says so.
        object_ids : sequence of int
        reverse : bool
            Against time: the past is then t + 1, t + 2, ...

        Returns
        -------
        MaskPrediction
            In the order of `object_ids`. A conditioning frame returns the answer its prompt got.

        Raises
        ------
        RequestError
            If an object was never prompted, or features are missing.
        """
        if not len(object_ids):
            return self._nothing()
        banks = [self._bank(i) for i in object_ids]
        answers: dict[int, MaskPrediction] = {}
        groups: dict[object, list[int]] = {}  # positions in object_ids by memory layout
        recalls = {}
        for i, bank in enumerate(banks):
            if t in bank.conditioning:
                answers[i] = bank.conditioning[t].prediction
            else:
                recalls[i] = bank.recall(t, reverse=reverse)
                groups.setdefault(recalls[i].layout, []).append(i)
        for group in groups.values():
            if features is None:
                raise RequestError(
                    f"Frame {t} is no conditioning frame of all objects {list(object_ids)}.",
                    "Give its features, from Tracker.encode.",
                )
            for start in range(0, len(group), self.objects_per_pass):
                part = group[start : start + self.objects_per_pass]
                with self._arithmetic():
                    embedding = attend(self.network, features, [recalls[i] for i in part])
                    prediction = sam.decode(
                        self.network,
                        self.decoder,
                        features,
                        embedding,
                        sam.no_prompt(self.network, len(part)),
                        multimask=self._ambiguous(0),
                        suppress_absent=self.suppress_absent,
                    )
                    maps = memory_maps(self.network, features, prediction.logits)
                for row, i in enumerate(part):
                    # Clones: a row of a batch would keep the whole batch alive.
                    banks[i].remember(t, maps[row].clone(), prediction.pointers[row].clone())
                    answers[i] = prediction.select([row])
        for bank in banks:
            bank.prune(t, reverse=reverse, turning_frame=self.turning_frame)
        return MaskPrediction.concatenate([answers[i] for i in range(len(banks))])

    def _condition(
        self,
        t: int,
        features: FrameFeatures,
        object_ids: Sequence[int],
        prediction: MaskPrediction,
    ) -> None:
        if len(set(object_ids)) != len(object_ids) or len(object_ids) != len(prediction):
            raise ShapeMismatch(
                f"{len(prediction)} prompts were given for the objects {list(object_ids)}.",
                "Give one prompt per object, and each object once.",
            )
        for start in range(0, len(object_ids), self.objects_per_pass):
            logits = prediction.logits[start : start + self.objects_per_pass]
            with self._arithmetic():
                maps = memory_maps(self.network, features, logits)
            for row, map_ in enumerate(maps, start):
                frame = ConditioningFrame(map_.clone(), prediction.select([row]))
                self._bank(object_ids[row], create=True).condition(t, frame)

    def _bank(self, object_id: int, *, create: bool = False) -> MemoryBank:
        if object_id not in self._banks:
            if not create:
                raise RequestError(
                    f"Object {object_id} was not prompted; known are {list(self._banks)}.",
                    "Prompt it on one frame before tracking it.",
                )
            self._banks[object_id] = MemoryBank(
                self.network.num_maskmem, self.network.max_obj_ptrs_in_encoder
            )
        return self._banks[object_id]

    def _nothing(self) -> MaskPrediction:
        """The prediction of no object."""
        none, side = torch.zeros(0, device=self.device), self.network.image_size // 4
        return MaskPrediction(
            none.reshape(0, side, side), none, none, none.reshape(0, self.network.hidden_dim)
        )

    def _ambiguous(self, num_points: int) -> bool:
        """Whether a prompt of this many points (a box counts two) leaves room for three masks."""
        network = self.network
        return network.multimask_min_pt_num <= num_points <= network.multimask_max_pt_num

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)
