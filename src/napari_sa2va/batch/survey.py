"""Looking at movies before the work: what they are, and what follows for time and memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari_sa2va.batch.disk import foretold_bytes
from napari_sa2va.batch.failing import MORE_MEMORY, hint_of
from napari_sa2va.batch.fits import why_not
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.problem import Problem, gathered
from napari_sa2va.batch.unit import Facts, Unit
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.readers.open import open_clip
from napari_sa2va.readers.person import person_at
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.pipeline.estimate import Estimate

SettingsOf = Callable[[Unit], RunSettings]

# Opening is waiting for the disk; more at once slows down network drives.
_THREADS = 8
# Facts are written down so often, in s, or so many at once.
_EVERY_S, _AT_ONCE = 2.0, 200

# Torch is not imported twice at the same time, and speeds are measured one after the other.
_foretelling = Lock()


def look(unit: Unit, settings: RunSettings, *, thorough: bool = False) -> Facts:
    """Open a movie, and say what its unit will take; what is wrong with it is among the facts.

    Parameters
    ----------
    unit : Unit
    settings : RunSettings
        Of the unit.
    thorough : bool
        Whether to read frames, too: the first one, which tells whether the compression is known
        here, and the last one, with which a file ends that was cut off.
    """
    try:
        clip = open_for_look(unit, thorough=thorough)
        _check_outputs(unit, clip)
        if thorough:
            clip.rgb(clip.num_frames - 1)
        return _facts(unit, settings, clip)
    except Sa2vaError as error:
        message, hint = error.message, hint_of(error)
    except OSError as error:
        message = f"{unit.path} cannot be read ({error.strerror or error})."
        hint = "May you read it, and is its disk there?"
    except Exception as error:  # a library's fault with one movie; the others are looked at as well
        message = f"{unit.path} cannot be opened ({type(error).__name__}: {error})."
        hint = "Is the file damaged? Please report it if other programs open it."
    private = person_at(unit.path)
    return Facts(
        unit_id=unit.unit_id,
        key=unit.key,
        problem=private.redact(message),
        hint=private.redact(hint),
    )


def survey(
    units: Iterable[Unit], settings_of: SettingsOf, *, thorough: bool = False
) -> Iterator[Facts]:
    """Look at many movies, several at a time; in memory are those only.

    Parameters
    ----------
    units : iterable of Unit
    settings_of : callable
        From a unit to its settings.
    thorough : bool
        See `look`.

    Yields
    ------
    Facts
        In the order of the units.
    """
    _foretell.cache_clear()  # runs since then tell how fast this machine is
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="survey")
    ahead: deque[Future[Facts]] = deque()
    try:
        for unit in units:
            ahead.append(pool.submit(look, unit, settings_of(unit), thorough=thorough))
            if len(ahead) > 2 * _THREADS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def as_on(facts: Facts, unit: Unit, settings: RunSettings) -> Facts:
    """What is known of a unit, with the memory that it needs with other settings of the model.

    A laptop that surveys in float32 says nothing of a GPU that computes in bfloat16.

    Parameters
    ----------
    facts : Facts
    unit : Unit
    settings : RunSettings
        Of the unit, with the device on which it is to run.
    """
    if not (facts.need_bytes and facts.formats):
        return facts
    with suppress(Sa2vaError), _foretelling:  # what is wrong is told when the unit is taken up
        formats = _formats_of(settings)
        if formats != facts.formats:
            need_bytes = _foretell(
                settings,
                num_frames=facts.num_frames,
                height=facts.height,
                width=facts.width,
                num_sentences=len(unit.sentences),
            ).num_bytes
            return facts.model_copy(update={"need_bytes": need_bytes, "formats": formats})
    return facts


def survey_folder(folder: BatchFolder) -> None:
    """Write down facts of the units of a batch that have none and are to be done."""
    known = folder.facts()
    standings = folder.standings()
    units = [
        unit
        for unit_id, unit in folder.units().items()
        if unit_id not in known and not standings[unit_id].is_at_end
    ]
    for facts in _in_lots(survey(units, folder.settings_of)):
        folder.add_facts(facts)


def shortages(
    units: Iterable[Unit], settings_of: SettingsOf, facts: Mapping[str, Facts]
) -> list[Problem]:
    """Which units need more memory than is free on this machine now."""
    return gathered(
        Problem(
            why,
            MORE_MEMORY,
            (unit.unit_id,),
            fails_alone=True,
        )
        for unit in units
        if unit.unit_id in facts
        and (why := why_not(facts[unit.unit_id], settings_of(unit).model.device, ()))
    )


def _in_lots(facts: Iterator[Facts]) -> Iterator[list[Facts]]:
    lot: list[Facts] = []
    since = monotonic()
    for one in facts:
        lot.append(one)
        if len(lot) >= _AT_ONCE or monotonic() - since > _EVERY_S:
            yield lot
            lot, since = [], monotonic()
    if lot:
        yield lot


def open_for_look(unit: Unit, *, thorough: bool) -> Clip:
    """The movie, or the tile of it that a unit is about; for `thorough` see `look`."""
    arguments = unit.arguments
    if arguments.limits is None:  # only the run needs them, and reads 16 frames to find them
        arguments = arguments.model_copy(update={"limits": (0.0, 1.0)})
    box = None if unit.part is None else unit.part.box
    # Of what is split, a whole frame may be larger than the memory.
    look = thorough and box is None and not unit.parts
    clip = open_clip(unit.path, **arguments.as_keywords(), look=look)
    return clip if box is None else clip.crop(*box)


def _check_outputs(unit: Unit, clip: Clip) -> None:
    """Find out whether the formats can hold what will be found."""
    from napari_sa2va.writers.result import Result, Shown, Subject
    from napari_sa2va.writers.write import check_apart, check_result, writer_of

    subjects = tuple(Subject(i, text=text) for i, text in enumerate(unit.sentences, start=1))
    result = Result(clip, subjects, lambda frame: Shown({}))
    for output in unit.outputs:
        path = Path(output.path)
        about = writer_of(path, output.kind).FORMAT
        check_result(about, result)
        if not about.in_place:
            check_apart(path, about, clip.source)


def _facts(unit: Unit, settings: RunSettings, clip: Clip) -> Facts:
    size: dict[str, Any] = {
        "num_frames": clip.num_frames,
        "height": clip.height,
        "width": clip.width,
    }
    foretold: dict[str, Any] = {"seconds": 0.0}
    if not unit.parts:  # what merges others runs no network
        with _foretelling:
            about = _foretell(settings, num_sentences=len(unit.sentences), **size)
            formats = _formats_of(settings)
        foretold = {
            # A worker loads the network once, and not for every unit.
            "seconds": None if about.seconds is None else about.seconds - about.load_s,
            "load_s": about.load_s,
            "is_measured": about.is_measured,
            "need_bytes": about.num_bytes,
            "formats": formats,
        }
    if unit.part is not None:  # it sees the key frames of the whole, and tracks some of the frames
        size["num_frames"] = unit.part.last_frame - unit.part.first_frame + 1
        if foretold["seconds"]:
            foretold["seconds"] *= size["num_frames"] / clip.num_frames
    return Facts(
        unit_id=unit.unit_id,
        key=unit.key,
        num_channels=clip.num_channels,
        frame_interval_s=clip.frame_interval_s,
        disk_bytes=foretold_bytes(unit, **size),
        **size,
        **foretold,
    )


def _formats_of(settings: RunSettings) -> str:
    """The number formats that the device of these settings takes."""
    from napari_sa2va.models.device import pick_device
    from napari_sa2va.pipeline.need import formats_of

    formats = formats_of(settings, pick_device(settings.model.device))
    return "; ".join(formats.describe().values())


@lru_cache(maxsize=256)  # the movies of a study are of few sizes
def _foretell(
    settings: RunSettings, *, num_frames: int, height: int, width: int, num_sentences: int
) -> Estimate:
    from napari_sa2va.pipeline.estimate import foretell

    return foretell(
        settings,
        num_frames=num_frames,
        height=height,
        width=width,
        num_sentences=num_sentences,
        is_new=True,  # of a worker
    )
