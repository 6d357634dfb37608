"""Movies that are in no batch folder yet, as rows of the table. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from napari_sa2va.core.flag_names import without_flags
from napari_sa2va.gui.batch.planning import Planned
from napari_sa2va.gui.batch.rows import MovieRow

if TYPE_CHECKING:
    from napari_sa2va.batch.problem import Problem
    from napari_sa2va.batch.unit import Facts

_MARK = "+"


def rows_of(
    planned: Planned,
    facts: Mapping[str, Facts] | None = None,
    problems: Iterable[Problem] = (),
) -> list[MovieRow]:
    """The rows of units that are planned.

    Parameters
    ----------
    planned : Planned
    facts : mapping of str to Facts, optional
        What is known of their movies.
    problems : iterable of Problem
        What is wrong with some of them.
    """
    wrong = {unit_id: problem for problem in problems for unit_id in problem.unit_ids}
    rows = []
    for unit_id, unit in planned.units.items():
        known = (facts or {}).get(unit_id)
        problem = wrong.get(unit_id)
        rows.append(
            MovieRow(
                unit_id=row_id(unit_id),
                movie=unit.movie,
                state="planned" if problem is None else "faulty",
                planned=0 if known is None else known.num_frames,
                left_s=None if known is None else known.seconds,
                asked=len(unit.sentences),
                cause="" if problem is None else without_flags(problem.message),
                hint="" if problem is None else without_flags(problem.hint),
                details=(
                    ("File", unit.path),
                    ("Finds", " · ".join(unit.sentences)),
                    *(("Will write", output.path) for output in unit.outputs),
                ),
            )
        )
    return rows


def row_id(unit_id: str) -> str:
    """The id of the row of a unit that is planned: one of the same name may be in the folder."""
    return _MARK + unit_id


def unit_id_of(row_id: str) -> str:
    """The unit of a row, see `row_id`."""
    return row_id.removeprefix(_MARK)
