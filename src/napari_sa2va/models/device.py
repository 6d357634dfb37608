"""Where a network runs, in which number format, and whether it fits.

Shortage of memory is noticed before loading where it can be, and otherwise translated into our
own error in one place, `memory_errors`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from napari_sa2va.core.errors import MemoryShortage, ModelError
from napari_sa2va.models import cgroup
from napari_sa2va.models.formats import Dtype, Formats, Quantisation

_DTYPES: dict[Dtype, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# What torch's allocators for GPU, Windows and Linux say.
_SHORTAGE_SIGNS = ("out of memory", "not enough memory", "can't allocate memory")
_TURN_DOWN = (
    "Choose a smaller model, dtype bfloat16, fewer key frames, or another device, or close other "
    "programs."
)


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """The device to run on.

    Parameters
    ----------
    name : str or torch.device
        "auto" (cuda, then mps, then cpu), "cpu", "mps", "cuda" or "cuda:1".

    Raises
    ------
    ModelError
        If the name is not a device, or the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError(
            f"{name!r} is not a device.", "Use auto, cpu, cuda, cuda:0, cuda:1 ... or mps."
        ) from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            f"The device {name} was asked for, but torch sees no CUDA GPU.",
            "Use device auto or cpu, or install a torch build for your GPU and driver.",
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"The device {name} was asked for, but there are {torch.cuda.device_count()} GPUs.",
            "Count from cuda:0.",
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError(
            "The device mps was asked for, but there is no Apple GPU.", "Use device auto or cpu."
        )
    if device.type not in ("cpu", "cuda", "mps"):
        raise ModelError(
            f"The device {name} is not supported.", "Use auto, cpu, cuda, cuda:0 ... or mps."
        )
    return device


def pick_dtype(name: str | torch.dtype, device: torch.device) -> torch.dtype:
    """The number format of the weights.

    "auto" is bfloat16 on a GPU that computes in it, and float32 elsewhere.

    Raises
    ------
    ModelError
        If the format is unknown.
    """
    if isinstance(name, torch.dtype):
        name = str(name).removeprefix("torch.")
    if name == "auto":
        return torch.bfloat16 if _computes_in_bfloat16(device) else torch.float32
    if name not in _DTYPES:
        raise ModelError(
            f"The number format {name!r} is not supported.",
            f"Use auto, {', '.join(_DTYPES)}.",
        )
    return _DTYPES[name]


def pick_formats(
    dtype: str | torch.dtype,
    device: torch.device,
    *,
    vision_dtype: str = "same",
    quantise_language: Quantisation = "none",
    quantise_vision: Quantisation = "none",
) -> Formats:
    """The number format of each part; the vision tower's is the language model's if "same".

    Raises
    ------
    ModelError
        If a format is unknown.
    """
    language = pick_dtype(dtype, device)
    vision = language if vision_dtype == "same" else pick_dtype(vision_dtype, device)
    return Formats(
        language=name_of(language),
        vision=name_of(vision),
        sam2=name_of(language),
        quantise_language=quantise_language,
        quantise_vision=quantise_vision,
    )


def name_of(dtype: torch.dtype) -> Dtype:
    """The name of one of the number formats above."""
    return next(name for name, known in _DTYPES.items() if known == dtype)


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be allocated, or None if the device does not tell.

    Of the CPU, what both the machine and the limit of a container or batch job leave.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + kept
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    import psutil

    available = int(psutil.virtual_memory().available)
    allowed = cgroup.free_bytes()
    return available if allowed is None else min(available, allowed)


def require_memory(needed: int, device: torch.device, *, what: str) -> None:
    """Refuse to begin what cannot end well.

    Parameters
    ----------
    needed : int
        Bytes.
    device : torch.device
    what : str
        What needs them, for the message.

    Raises
    ------
    MemoryShortage
        If less than `needed` is free.
    """
    free = free_memory(device)
    if free is not None and needed > free:
        raise MemoryShortage(
            f"{what} needs {_gigabytes(needed)} to run, but {device} has only {_gigabytes(free)} free.",
            _TURN_DOWN,
        )


def describe_devices() -> list[tuple[str, str]]:
    """Devices of this machine as (name, description), the one that "auto" takes first."""
    chosen = pick_device()
    found: dict[str, str] = {}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            found[f"cuda:{index}"] = (
                f"{torch.cuda.get_device_name(index)}, {_gigabytes(free)} of {_gigabytes(total)} "
                f"free, {_bfloat16(torch.device('cuda', index))}"
            )
    if torch.backends.mps.is_available():
        found["mps"] = f"Apple GPU, {_gigabytes(free_memory(torch.device('mps')) or 0)} free"
    free_ram = _gigabytes(free_memory(torch.device("cpu")) or 0)
    found["cpu"] = f"{torch.get_num_threads()} threads, {free_ram} free"
    ranked = sorted(found, key=lambda name: not name.startswith(chosen.type))
    return [
        (name, found[name] + (" (auto takes this)" if name == ranked[0] else "")) for name in ranked
    ]


def _bfloat16(device: torch.device) -> str:
    return "computes in bfloat16" if _computes_in_bfloat16(device) else "no bfloat16"


def _computes_in_bfloat16(device: torch.device) -> bool:
    """Whether a GPU has it in hardware; torch emulates it on older ones, slowly."""
    return (
        device.type == "cuda"
        and torch.cuda.is_available()
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


@contextmanager
def memory_errors(device: torch.device) -> Iterator[None]:
    """Turn torch's out-of-memory errors into `MemoryShortage`.

    They are RuntimeErrors, which a generator worker of the viewer would swallow, and their text
    speaks of allocator settings.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_shortage(error):
            raise
        free = None
        if device.type != "cuda":
            free = free_memory(device)
        elif torch.cuda.is_available():
            torch.cuda.empty_cache()
            free = free_memory(device)
        left = "" if free is None else f" ({_gigabytes(free)} free)"
        raise MemoryShortage(f"{device} ran out of memory{left}.", _TURN_DOWN) from error


def give_back(device: torch.device) -> None:
    """Return to the device what nothing uses any more, after a shortage."""
    gc.collect()
    if device.type == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif device.type == "mps" and torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _is_shortage(error: BaseException) -> bool:
    # CPU and MPS allocators raise a plain RuntimeError, so only their text tells.
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        sign in str(error).lower() for sign in _SHORTAGE_SIGNS
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
