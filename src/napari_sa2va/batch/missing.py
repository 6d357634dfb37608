"""Results that somebody has deleted or moved away, found before a batch is gone on with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.outcome import Outcome

# They are asked for side by side: a network drive takes long for each.
_AT_ONCE = 16


def put_back_missing(folder: BatchFolder, name: str) -> list[str]:
    """Let units wait again that are done and have an output that is not there any more.

    Their masks are kept, so that outputs are written from them and no network runs. Where a whole folder
    is gone that is not in that of the batch, a drive may be away: such outputs count as being there.

    Parameters
    ----------
    folder : BatchFolder
    name : str
        Who says so, as the name of a worker.

    Returns
    -------
    list of str
        Ids of the units.
    """
    units = folder.units()
    done = {i: s for i, s in folder.standings().items() if s.state in ("done", "nothing")}
    wanted = {output.path: i for i in done if i in units for output in units[i].outputs}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        gone = pool.map(_is_gone, wanted, repeat(folder.path))
        missing = {
            unit_id: path for (path, unit_id), is_gone in zip(wanted.items(), gone, strict=True)
            if is_gone
        }  # fmt: skip
    put_back = []
    for unit_id, path in missing.items():
        generation = done[unit_id].generation + 1
        held = folder.runs.take(unit_id, generation, claim_here(name, key=units[unit_id].key))
        if held is None:  # another client has just done the same
            continue
        held.finish(
            Outcome(
                unit_id=unit_id,
                generation=generation,
                state="stopped",
                key=units[unit_id].key,
                cause=f"{path} is not there any more.",
                ended=datetime.now(UTC).isoformat(timespec="seconds"),
                worker=name,
            )
        )
        put_back.append(unit_id)
    return put_back


def _is_gone(path: str, batch: Path) -> bool:
    place = Path(path)
    try:
        place.lstat()
    except FileNotFoundError:
        return place.parent.is_dir() or place.is_relative_to(batch)
    except OSError:  # it cannot be told
        return False
    return False
