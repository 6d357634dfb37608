"""What a stroke means: by hand, on masks that overlap, and on masks that are locked."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.stroke import paint_of
from napari_sa2va.project import Project
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.spans import Span


def row(text: str) -> np.ndarray:
    """A mask or a label image of one row."""
    return np.array([[int(c) for c in text]])


def made(*rows: str, locked: tuple[int, ...] = ()) -> Project:
    """Objects 1, 2 ... on one frame of a single row."""
    project = Project((1, 1, len(rows[0])))
    codes = {i: rle.encode(row(text) > 0) for i, text in enumerate(rows, 1)}
    project.do(Paint(frame=0, masks=codes))
    if locked:
        project.do(Lock(object_ids=locked, span=Span.of(0)))
    return project


def after(project: Project, now: str, overlap="last") -> dict[int, str]:
    step = paint_of(project.state, 0, row(now), overlap)
    assert step is not None
    project.do(step)
    return {
        i: "".join(str(int(v)) for v in project.state.mask(i, 0)[0]) for i in project.state.cards
    }


def seen(project: Project, overlap="last") -> str:
    return "".join(map(str, project.state.labels(0, overlap)[0]))


def test_what_is_as_it_was_is_no_stroke() -> None:
    project = made("110", "011")
    assert paint_of(project.state, 0, row("122")) is None


def test_paint_takes_its_pixels_from_the_object_that_was_there() -> None:
    project = made("1100", "0011")
    assert after(project, "1112") == {1: "1110", 2: "0001"}
    assert seen(project) == "1112"


@pytest.mark.parametrize(("overlap", "label"), [("last", 1), ("first", 3)])
def test_paint_is_seen_where_several_objects_overlap(overlap: str, label: int) -> None:
    # Objects 1 to 3 lie on each other; who paints one of them wants to see it.
    project = made("1110", "1110", "1110")
    now = seen(project, overlap)[:1] + str(label) + seen(project, overlap)[2:]
    masks = after(project, now, overlap)
    assert masks[label] == "1110"
    assert seen(project, overlap) == now


def test_paint_leaves_what_lies_beneath_it() -> None:
    project = made("11", "00", "11")
    assert after(project, "23") == {1: "11", 2: "10", 3: "01"}


def test_an_eraser_takes_from_what_was_seen_and_the_rest_comes_to_light() -> None:
    project = made("1110", "0111")
    assert after(project, "1022") == {1: "1110", 2: "0011"}
    assert seen(project) == "1122"
    assert after(project, "1022") == {1: "1010", 2: "0011"}
    assert seen(project) == "1022"


def test_of_what_is_locked_no_pixel_is_taken_and_the_rest_counts() -> None:
    project = made("1100", "0011", locked=(2,))
    assert after(project, "0110") == {1: "0100", 2: "0011"}
    for now in ("0102", "0112"):
        with pytest.raises(RequestError, match="'object 2' is locked on frame 0"):
            paint_of(project.state, 0, row(now))


def test_a_locked_object_that_would_hide_the_paint_is_not_cut() -> None:
    project = made("111", "000", "111", locked=(3,))
    with pytest.raises(RequestError, match="'object 3' is locked"):
        paint_of(project.state, 0, row("233"))
    # Beneath, it is not in the way.
    project = made("111", "000", "111", locked=(1,))
    assert after(project, "233") == {1: "111", 2: "100", 3: "011"}


def test_nothing_is_added_to_what_is_locked() -> None:
    project = made("1100", locked=(1,))
    with pytest.raises(RequestError, match="locked"):
        after(project, "1110")


def test_a_label_that_is_none_is_refused_and_a_new_one_is_an_object() -> None:
    project = made("1100")
    for label in (-1, 65536):
        step = paint_of(project.state, 0, np.array([[1, 1, label, 0]]))
        assert step is not None
        with pytest.raises(RequestError, match="1 to 65535"):
            project.do(step)
    assert after(project, "1190") == {1: "1100", 9: "0010"}
