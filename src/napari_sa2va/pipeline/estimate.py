"""What a run will take, in seconds and bytes, said before it begins.

Memory is foretold by `models.sa2va.footprint`. Time is known from earlier runs (`rates`); before the
first one it is guessed from the size of the network and a multiplication of a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import MemoryShortage
from napari_sa2va.models.jobs import gigabytes
from napari_sa2va.pipeline.need import ask_about, formats_of
from napari_sa2va.pipeline.rates import Counts, Rates, kind_of, rates_of
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    import torch

    from napari_sa2va.models.catalogue import ModelEntry
    from napari_sa2va.models.sa2va.footprint import Ask

# What the guess rests on; nothing of it is better than an order of magnitude.
#
# Share of the speed of one large multiplication that a network reaches.
_EFFICIENCY = 0.5
# Seconds that Python and the small steps around a network take, per frame and per sentence.
_FRAME_S, _SENTENCE_S = 0.01, 0.03
# The libraries, then the weights from a disk.
_LIBRARIES_S, _BYTES_PER_S = 2.5, 1e9
# An answer takes some passes of the language model over a few tokens each, in which reading the
# weights takes as long as multiplying them with so many tokens would.
_TOKENS_OF_ANSWER = 10 * 16
_TOKENS_OF_PROMPT = 100
# Side in px of a token of SAM 2 where it does most of its work, and the work on one object as a share
# of that on a frame, in the published network.
_SAM2_STRIDE, _SHARE_OF_OBJECT = 16, 0.3


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes
    ----------
    seconds : float or None
        None of a model that is not here and of which not even the size is known.
    is_measured : bool
        Whether that is known from runs on this machine, and not guessed.
    load_s : float
        Seconds of these until the network is there, which a second run does not wait for again.
    num_bytes : int
        The most memory held at any time; 0 if not known.
    device : str
    has_to_fetch : bool
        Whether the model is to be downloaded before.
    download_bytes : int
        At most so much; 0 if not known.
    shortage, hint : str
        What is wrong and what to do, if the memory that is free does not suffice; else empty.
    """

    seconds: float | None
    is_measured: bool
    num_bytes: int
    device: str
    load_s: float = 0.0
    has_to_fetch: bool = False
    download_bytes: int = 0
    shortage: str = ""
    hint: str = ""

    @property
    def words(self) -> str:
        """All but a shortage, in a plain sentence.

        Examples
        --------
        >>> Estimate(41.3, True, 2_100_000_000, "cpu").words
        'About 40 s and 2.1 GB on cpu (measured on this machine).'
        """
        if self.seconds is None:
            return "What it takes is known when the model has been downloaded."
        size = gigabytes(self.num_bytes)
        basis = "measured on this machine" if self.is_measured else "a guess; known after a run"
        told = f"bout {about(self.seconds)} and {size} on {self.device} ({basis})."
        if not self.has_to_fetch:
            return f"A{told}"
        most = f" of at most {gigabytes(self.download_bytes)}" if self.download_bytes else ""
        return f"After a download{most}: a{told}"


def about(seconds: float) -> str:
    """Seconds in words, as coarse as an estimate is.

    Examples
    --------
    >>> about(0.3), about(7.4), about(41), about(130), about(4000), about(40_000)
    ('1 s', '7 s', '40 s', '2 min', '65 min', '11 h')
    """
    if seconds < 10:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    minutes = seconds / 60
    if minutes < 10:
        return f"{round(minutes)} min"
    return f"{5 * round(minutes / 5)} min" if minutes < 90 else f"{round(minutes / 60)} h"


def duration(seconds: float) -> str:
    """Seconds that were measured, in words; for those that are foretold see `about`.

    Examples
    --------
    >>> duration(0.4), duration(8.2), duration(75), duration(4000)
    ('under 1 s', '8 s', '1 min 15 s', '1 h 7 min')
    """
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def estimate(
    settings: RunSettings, counts: Counts, *, height: int, width: int, is_new: bool = False
) -> Estimate:
    """Say what a run will take. Loads torch but no network, and takes some milliseconds.

    Parameters
    ----------
    settings : RunSettings
    counts : Counts
        What it will do.
    height, width : int
        Of a frame, in px.
    is_new : bool
        Whether it is to run in a new process, which has no network even if this one has.

    Raises
    ------
    ModelError
        If there is no such model or device, or a file of the model is damaged.
    """
    from napari_sa2va.models.device import pick_device, require_memory
    from napari_sa2va.models.zoo import find, footprint_of
    from napari_sa2va.pipeline.loaded import is_loaded
    from napari_sa2va.pipeline.native_libraries import load_triton_apart

    load_triton_apart()
    entry = find(settings.model.name)
    device = pick_device(settings.model.device)
    formats = formats_of(settings, device)
    ask = ask_about(
        settings,
        num_key_frames=counts.key_frames,
        height=height,
        width=width,
        num_objects=counts.objects,
    )
    if entry.folder is None and not entry.num_parameters:
        return Estimate(None, False, 0, str(device), has_to_fetch=True)
    footprint = footprint_of(entry, formats, ask)
    is_here = not is_new and is_loaded(settings.model)
    shortage = hint = ""
    try:
        # What a network takes that is there already is not free any more.
        wanted = footprint.peak - (footprint.weights if is_here else 0)
        require_memory(wanted, device, what=entry.name)
    except MemoryShortage as error:
        shortage, hint = error.message, error.hint
    rates = rates_of(kind_of(entry.name, str(device), formats.describe()))
    known = _measured(rates, counts, is_here=is_here)
    if None in known:
        guessed = _guessed(entry, counts, ask, device, formats.language, is_here=is_here)
        parts = [g if k is None else k for k, g in zip(known, guessed, strict=True)]
    else:
        parts = [k for k in known if k is not None]
    return Estimate(
        seconds=sum(parts) + rates.rest_s(counts),
        is_measured=None not in known,
        num_bytes=footprint.peak,
        device=str(device),
        load_s=parts[0],
        has_to_fetch=entry.folder is None,
        download_bytes=0 if entry.folder is not None else entry.download_bytes,
        shortage=shortage,
        hint=hint,
    )


def foretell(
    settings: RunSettings,
    *,
    num_frames: int,
    height: int,
    width: int,
    num_sentences: int = 1,
    planes: int = 1,
    is_new: bool = False,
) -> Estimate:
    """The same for sentences about a clip of which only the size is known.

    Parameters
    ----------
    settings : RunSettings
    num_frames, height, width : int
        Of the clip; of a frame in px.
    num_sentences : int
    planes : int
        How many planes are followed, each through all frames.
    is_new : bool
        See `estimate`.

    Raises
    ------
    RequestError
        If the key frames of the settings lie outside the clip.
    ModelError
        See `estimate`.
    """
    import dask.array as da

    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.prompt import PromptSet
    from napari_sa2va.pipeline.resolve import resolve

    frames = da.zeros((num_frames, height, width), dtype="uint8", chunks=-1)  # never computed
    prompts = PromptSet.from_texts(["it"] * num_sentences)
    counts = Counts.of(resolve(Clip(frames), prompts, settings), height, width, planes=planes)
    return estimate(settings, counts, height=height, width=width, is_new=is_new)


_Parts = tuple[float | None, float | None, float | None, float | None, float | None]


def _measured(rates: Rates, counts: Counts, *, is_here: bool) -> _Parts:
    """Seconds to load, look, answer, draw and track, by earlier runs; None where these say nothing."""
    return (
        0.0 if is_here else rates.load_s(),
        rates.look_s(counts) if counts.key_frames else 0.0,
        rates.ground_s(counts) if counts.sentences else 0.0,
        rates.draw_s(counts) if counts.drawn else 0.0,
        rates.track_s(counts) if counts.tracked else 0.0,
    )


def _guessed(
    entry: ModelEntry,
    counts: Counts,
    ask: Ask,
    device: torch.device,
    dtype: str,
    *,
    is_here: bool,
) -> tuple[float, float, float, float, float]:
    """The same by the number of multiplications that the parts of a network take."""
    from napari_sa2va.models.formats import Formats
    from napari_sa2va.models.sa2va.checkpoint import read_json
    from napari_sa2va.models.sa2va.footprint import per_picture, sam2_sizes
    from napari_sa2va.models.zoo import footprint_of

    config = {} if entry.folder is None else read_json(entry.folder / "config.json")
    parts = footprint_of(entry, Formats(), ask).parts  # 4 bytes per parameter
    language, vision, sam2 = (parts[part] / 4 for part in ("language", "vision", "sam2"))
    patches, tokens = per_picture(config, ask)
    speed = _multiplications_per_s(str(device), dtype) * _EFFICIENCY
    reading = counts.key_frames * tokens + _TOKENS_OF_PROMPT + _TOKENS_OF_ANSWER
    encoding = sam2 * (sam2_sizes(config)["image_size"] // _SAM2_STRIDE) ** 2
    frame = encoding * (1 + _SHARE_OF_OBJECT * counts.objects) / speed + _FRAME_S
    return (
        0.0 if is_here else _LIBRARIES_S + sum(parts.values()) / _BYTES_PER_S,
        counts.key_frames * (vision * patches / speed + _FRAME_S),
        counts.sentences * (language * reading / speed + _SENTENCE_S),
        counts.drawn * frame,
        counts.tracked * frame,
    )


@cache
def _multiplications_per_s(device: str, dtype: str) -> float:
    """How many numbers a device multiplies and adds in a second, in a large product of matrices."""
    import torch

    from napari_sa2va.models.device import memory_errors

    where = torch.device(device)
    side = 512 if where.type == "cpu" else 2048
    with memory_errors(where):
        matrix = torch.rand(side, side).to(where, getattr(torch, dtype))
        fastest = float("inf")
        for _ in range(4):  # the first one warms up
            begin = perf_counter()
            (matrix @ matrix)[0, 0].item()  # waits until it is done
            fastest = min(fastest, perf_counter() - begin)
    return side**3 / max(fastest, 1e-6)
