"""Large matrices in 8 or 4 bits: only weights are packed, and they are unpacked as they are used.

Our own modules, because those of the quantisation libraries do not follow `Module.to` once they
have run, and one of them computes in float16, which the vision towers overflow. 8 bits need no
library. 4 bits are the NF4 code of bitsandbytes, with its kernels where there are any.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from napari_sa2va.core.errors import ModelError
from napari_sa2va.models.formats import BLOCK, Formats, Quantisation

_LARGEST_INT8 = 127
_PACKED_AT_ONCE = 2**19


class PackedLinear(nn.Module):
    """A linear layer whose matrix is packed; `take` packs one.

    Attributes
    ----------
    in_features, out_features : int
    bias : Parameter or None
        Not packed.
    """

    def __init__(self, replaced: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = replaced.in_features, replaced.out_features
        self.bias = replaced.bias

    def take(self, weight: torch.Tensor) -> None:
        """Pack a matrix of shape (out_features, in_features), on the device where it lies."""
        raise NotImplementedError

    def unpacked(self, dtype: torch.dtype) -> torch.Tensor:
        """The matrix again, as closely as it was kept."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.unpacked(x.dtype), self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class Int8Linear(PackedLinear):
    """One signed byte per value and one scale per row; the largest of a row is +-127."""

    def __init__(self, replaced: nn.Linear) -> None:
        super().__init__(replaced)
        self.register_buffer("packed", None)
        self.register_buffer("scale", None)

    def take(self, weight: torch.Tensor) -> None:
        weight = weight.float()
        scale = weight.abs().amax(dim=1, keepdim=True) / _LARGEST_INT8
        scale.clamp_(min=torch.finfo(torch.float32).tiny)  # a row of zeros
        self.packed = weight.div_(scale).round_().to(torch.int8)
        self.scale = scale

    def unpacked(self, dtype: torch.dtype) -> torch.Tensor:
        # Scaled before the sum, not after: a sum of unscaled bytes is too large for float16.
        return self.packed.to(dtype).mul_(self.scale.to(dtype))


class Int4Linear(PackedLinear):
    """Half a byte per value in the NF4 code, and one scale per block of 64."""

    def __init__(self, replaced: nn.Linear) -> None:
        super().__init__(replaced)
        self.register_buffer("packed", None)
        self.register_buffer("scale", None)
        self.register_buffer("code", None)

    def take(self, weight: torch.Tensor) -> None:
        # Some rows at a time: on the CPU, packing compares every value with all 16 codes at once.
        # Of 64 rows or a multiple, so that no block reaches over two portions.
        rows = max(_PACKED_AT_ONCE // (self.in_features * BLOCK), 1) * BLOCK
        parts = [
            bitsandbytes().functional.quantize_4bit(
                part.float().contiguous(), blocksize=BLOCK, quant_type="nf4"
            )
            for part in weight.split(rows)
        ]
        self.packed = torch.cat([packed for packed, _ in parts])
        self.scale = torch.cat([state.absmax for _, state in parts])
        self.code = parts[0][1].code

    def _state(self, dtype: torch.dtype) -> Any:
        # Made anew from buffers each time, so that the layer can be moved like any other.
        return bitsandbytes().functional.QuantState(
            absmax=self.scale,
            shape=torch.Size((self.out_features, self.in_features)),
            code=self.code,
            blocksize=BLOCK,
            quant_type="nf4",
            dtype=dtype,
        )

    def unpacked(self, dtype: torch.dtype) -> torch.Tensor:
        return bitsandbytes().functional.dequantize_4bit(self.packed, self._state(dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type == "cpu":
            return super().forward(x)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return bitsandbytes().matmul_4bit(x, self.packed, self._state(x.dtype), bias=bias)


_KINDS: dict[Quantisation, type[PackedLinear]] = {"int8": Int8Linear, "int4": Int4Linear}


def prepare(network: nn.Module, shapes: Mapping[str, tuple[int, ...]], formats: Formats) -> int:
    """Put packed layers in the place of those that `formats` wants quantised; they are filled later.

    Parameters
    ----------
    network : nn.Module
        May be hollow.
    shapes : mapping of our tensor name to shape
    formats : Formats

    Returns
    -------
    int
        Layers replaced.

    Raises
    ------
    ModelError
        If 4 bits are wanted and bitsandbytes is not installed.
    """
    count = 0
    for name, shape in shapes.items():
        kind = _KINDS.get(formats.quantisation_of(name, shape))
        path = name.removesuffix(".weight")
        if kind is None or not isinstance(layer := network.get_submodule(path), nn.Linear):
            continue
        if kind is Int4Linear:
            bitsandbytes()
        above, _, leaf = path.rpartition(".")
        setattr(network.get_submodule(above), leaf, kind(layer))
        count += 1
    return count


def has_packed(network: nn.Module) -> bool:
    """Whether a network has packed layers."""
    return any(isinstance(module, PackedLinear) for module in network.modules())


def bitsandbytes() -> ModuleType:
    """The library of that name.

    Raises
    ------
    ModelError
        If it is not installed, or does not load here.
    """
    loaded = sys.modules.get("bitsandbytes")
    if loaded is not None:
        return loaded
    try:
        with _no_code_from_the_hub():
            import bitsandbytes as library
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelError(
            f"4-bit weights need bitsandbytes, which cannot be imported: {error}.",
            "Run: pip install 'napari-sa2va[int4]'. 8-bit weights (int8) need nothing more.",
        ) from error
    return library


@contextmanager
def _no_code_from_the_hub() -> Iterator[None]:
    """Let an import find no `kernels` package.

    With it installed, bitsandbytes would download a compiled kernel on import and run it; without
    it, it takes its own and complains.
    """
    kept = sys.modules.get("kernels")
    sys.modules["kernels"] = None  # type: ignore[assignment]
    log = logging.getLogger("bitsandbytes.backends.cpu.ops")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
        if kept is None:
            del sys.modules["kernels"]
        else:
            sys.modules["kernels"] = kept
