"""A video frame as SAM 2 sees it: preprocessing, and the one pass through the image encoder.

Everything that comes after (prompts, memory, decoders) reads from `FrameFeatures`, so a frame is
encoded once whatever the number of objects, prompts and decoders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from napari_sa2va.core.errors import ModelError, ShapeMismatch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sam2.modeling.sam.mask_decoder import MaskDecoder
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

# ImageNet statistics, rounded to bfloat16: the Sa2VA family feeds its SAM 2 half so.
_MEAN = torch.tensor([0.485, 0.456, 0.406]).to(torch.bfloat16).float()
_STD = torch.tensor([0.229, 0.224, 0.225]).to(torch.bfloat16).float()


@dataclass(eq=False)
class FrameFeatures:
    """What the image encoder found in one frame.

    Attributes
    ----------
    top : Tensor, shape (1, C, S/16, S/16)
        The coarsest feature map, which memory and decoder work on.
    position : Tensor, shape (1, C, S/16, S/16)
        Its positional encoding.
    frame_size : tuple of int
        (Y, X) of the frame in px before it was squashed to S x S.
    """

    top: Tensor
    position: Tensor
    frame_size: tuple[int, int]
    _fine: tuple[Tensor, Tensor] | None  # (1, C, S/4, S/4), (1, C, S/8, S/8)
    _projected: dict[MaskDecoder, list[Tensor]] = field(default_factory=dict)

    def fine_maps(self, decoder: MaskDecoder) -> list[Tensor]:
        """Return the two fine maps as `decoder` wants them, projected by its own convolutions.

        Parameters
        ----------
        decoder : MaskDecoder
            Each decoder has its own `conv_s0` and `conv_s1`; the tuned and the original one
            therefore read different maps of the same frame.

        Returns
        -------
        list of Tensor
            Shapes (1, C/8, S/4, S/4) and (1, C/4, S/8, S/8); computed once per decoder.

        Raises
        ------
        ModelError
            If `compact` dropped the maps and this decoder was not among those named there.
        """
        if decoder not in self._projected:
            if self._fine is None:
                raise ModelError(
                    "This frame was encoded for other mask decoders.",
                    "Name all decoders that will read it when encoding it.",
                )
            s0, s1 = self._fine
            self._projected[decoder] = [decoder.conv_s0(s0), decoder.conv_s1(s1)]
        return self._projected[decoder]

    def compact(self, decoders: Iterable[MaskDecoder]) -> None:
        """Keep only what these decoders need: about a fifth of the memory."""
        self._projected = {decoder: self.fine_maps(decoder) for decoder in decoders}
        self._fine = None

    def to(self, device: torch.device) -> FrameFeatures:
        """Return the same on a device; these very features if they are there."""
        if self.top.device == device:
            return self
        fine = None if self._fine is None else (self._fine[0].to(device), self._fine[1].to(device))
        projected = {d: [m.to(device) for m in maps] for d, maps in self._projected.items()}
        return FrameFeatures(
            self.top.to(device), self.position.to(device), self.frame_size, fine, projected
        )

    @property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        maps = [self.top, self.position, *(self._fine or ())]
        maps += [m for pair in self._projected.values() for m in pair]
        return sum(m.numel() * m.element_size() for m in maps)


def normalised_frame(frame: np.ndarray, image_size: int) -> Tensor:
    """Squash a frame to the network's square input and normalise it.

    Parameters
    ----------
    frame : ndarray of uint8, shape (Y, X, 3)
    image_size : int
        Side S of the square in px. The aspect ratio is not kept; the family does not either.

    Returns
    -------
    Tensor of float32, shape (3, S, S), on the CPU

    Raises
    ------
    ShapeMismatch
        If `frame` is not an RGB image of uint8.
    """
    frame = np.asarray(frame)
    if frame.ndim != 3 or frame.shape[-1] != 3 or frame.dtype != np.uint8:
        raise ShapeMismatch(
            f"A frame must be uint8 of shape (Y, X, 3), not {frame.dtype} of shape {frame.shape}.",
            "Use Clip.rgb(t), which scales any clip to 8-bit RGB.",
        )
    # PIL's bicubic is antialiased; torch's, without antialiasing, gives visibly other pixels.
    square = Image.fromarray(np.ascontiguousarray(frame)).resize(
        (image_size, image_size), Image.Resampling.BICUBIC
    )
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255
    return (pixels - _MEAN[:, None, None]) / _STD[:, None, None]


def encode_frame(network: SAM2Base, frame: np.ndarray) -> FrameFeatures:
    """Run one frame through the image encoder.

    Parameters
    ----------
    network : SAM2Base
    frame : ndarray of uint8, shape (Y, X, 3)

    Raises
    ------
    ShapeMismatch
        If `frame` is not an RGB image of uint8.
    """
    image = normalised_frame(frame, network.image_size).to(network.no_mem_embed.device)
    encoded = network.image_encoder(image[None])
    s0, s1, top = encoded["backbone_fpn"]
    return FrameFeatures(
        top=top,
        position=encoded["vision_pos_enc"][-1],
        frame_size=(frame.shape[0], frame.shape[1]),
        _fine=(s0, s1),
    )
