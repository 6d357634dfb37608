"""The number format of each part of a network, by name; no torch.

A network has three parts: the language model with its projector and the `[SEG]` MLP, the vision
tower, and SAM 2. Only the large matrices inside the layers of the first two are ever quantised:
whoever quantises the projector, the `[SEG]` MLP or SAM 2 moves the outlines of every mask.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Dtype = Literal["float32", "bfloat16", "float16"]
Quantisation = Literal["none", "int8", "int4"]
Part = Literal["language", "vision", "sam2"]

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Values of a matrix that share one scale when it is packed to 4 bits.
BLOCK = 64
_SCALE_BYTES = 4

# By published and by our own names; the layers are called alike in both, but for these beginnings.
_VISION = re.compile(r"(vision_model|model\.model\.visual|mllm\.model\.(vision_tower|visual))\.")
_SAM2 = re.compile(r"(grounding_encoder|sam2|tuned_decoder|original_decoder)\.")
_LAYER = re.compile(
    r"(language_model\.model|model\.model\.language_model|mllm\.model\.language_model|"
    r"vision_model\.encoder|mllm\.model\.vision_tower\.encoder|"
    r"(mllm|model)\.model\.visual)\.(layers?|blocks)\.\d+\..+\.weight"
)


def part_of(name: str) -> Part:
    """The part that a tensor belongs to, by its published or by our name.

    Examples
    --------
    >>> part_of("mlp1.1.weight")  # the projector
    'language'
    """
    if _SAM2.match(name):
        return "sam2"
    return "vision" if _VISION.match(name) else "language"


def may_be_quantised(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is one of the large matrices inside a layer.

    Examples
    --------
    >>> may_be_quantised("language_model.model.layers.0.mlp.up_proj.weight", (4864, 896))
    True
    >>> may_be_quantised("language_model.lm_head.weight", (151679, 896))
    False
    """
    return len(shape) == 2 and _LAYER.fullmatch(name) is not None


@dataclass(frozen=True)
class Formats:
    """Which format each part is in.

    Attributes
    ----------
    language, vision : {"float32", "bfloat16", "float16"}
        Of the weights, and of what is computed with them.
    sam2 : {"float32", "bfloat16", "float16"}
        What SAM 2 computes in. Its weights are in float32 whatever this says.
    quantise_language, quantise_vision : {"none", "int8", "int4"}
        How the large matrices are stored. They are multiplied in the format of their part.
    """

    language: Dtype = "float32"
    vision: Dtype = "float32"
    sam2: Dtype = "float32"
    quantise_language: Quantisation = "none"
    quantise_vision: Quantisation = "none"

    def quantisation_of(self, name: str, shape: tuple[int, ...]) -> Quantisation:
        """How a tensor is stored, by its published or by our name."""
        if not may_be_quantised(name, shape):
            return "none"
        return self.quantise_vision if part_of(name) == "vision" else self.quantise_language

    def weights_of(self, part: Part) -> Dtype:
        """The format of the weights of a part that are not quantised."""
        if part == "sam2":
            return "float32"
        return self.vision if part == "vision" else self.language

    def bytes_of(self, name: str, shape: tuple[int, ...]) -> int:
        """Size of a tensor once it is loaded, by its published or by our name."""
        count = 1
        for length in shape:
            count *= length
        quantisation = self.quantisation_of(name, shape)
        if quantisation == "int8":
            return count + shape[0] * _SCALE_BYTES
        if quantisation == "int4":
            return -(-count // 2) + -(-count // BLOCK) * _SCALE_BYTES
        return count * BYTES[self.weights_of(part_of(name))]

    def halved(self) -> Formats:
        """The same with every float32 replaced by bfloat16."""

        def half(dtype: Dtype) -> Dtype:
            return "bfloat16" if dtype == "float32" else dtype

        return replace(
            self, language=half(self.language), vision=half(self.vision), sam2=half(self.sam2)
        )

    def describe(self) -> dict[str, str]:
        """One phrase per part, for records and messages.

        Examples
        --------
        >>> Formats(language="bfloat16", quantise_language="int4").describe()["language"]
        'bfloat16, layers in int4'
        """

        def phrase(dtype: str, quantisation: str) -> str:
            return dtype if quantisation == "none" else f"{dtype}, layers in {quantisation}"

        return {
            "language": phrase(self.language, self.quantise_language),
            "vision": phrase(self.vision, self.quantise_vision),
            "sam2": "float32" if self.sam2 == "float32" else f"float32, computes in {self.sam2}",
        }
