"""What of a batch's masks is not in its outputs: many formats hold one object per pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_sa2va.batch.standing import Standing
from napari_sa2va.batch.unit import Unit
from napari_sa2va.writers.write import writer_of


@dataclass(frozen=True)
class Covered:
    """Units in whose outputs masks cover each other.

    Attributes
    ----------
    unit_ids : tuple of str
        At least one.
    of : int
        How many units are done.
    formats : tuple of str
        Titles of the formats that hold one object per pixel.
    """

    unit_ids: tuple[str, ...]
    of: int
    formats: tuple[str, ...]

    @property
    def message(self) -> str:
        """What is so, in a sentence."""
        holds = "hold" if len(self.formats) > 1 else "holds"
        return (
            f"In {len(self.unit_ids)} of {self.of} {'unit' if self.of == 1 else 'units'} masks cover "
            f"each other, and {' and '.join(self.formats)} {holds} one object per pixel: an object "
            "there has less than its area in the table of all objects, or nothing."
        )

    @property
    def hint(self) -> str:
        """What to do about it."""
        return (
            'For whole masks give the command again with -o "{name}.coco.json": no mask is made anew. '
            "Or let each sentence be a set of its own (--prompts)."
        )


def covered(units: Mapping[str, Unit], standings: Mapping[str, Standing]) -> Covered | None:
    """Find units whose outputs do not have all of their masks; None if there is none.

    Parameters
    ----------
    units, standings : mapping
        By unit id. Parts of a movie that was split write nothing.
    """
    done = {
        unit_id: standing.outcome
        for unit_id, standing in standings.items()
        if standing.outcome and standing.state in ("done", "nothing") and not units[unit_id].part
    }
    found = {
        i: titles
        for i, o in done.items()
        if o.overlap_frames and (titles := flat_formats(units[i]))
    }
    if not found:
        return None
    formats = dict.fromkeys(title for titles in found.values() for title in titles)
    return Covered(tuple(found), len(done), tuple(formats))


def flat_formats(unit: Unit) -> list[str]:
    """The formats of a unit that hold one object per pixel."""
    formats = (writer_of(Path(output.path), output.kind).FORMAT for output in unit.outputs)
    return [about.title for about in formats if not about.overlaps]
