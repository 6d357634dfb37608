"""Marks that cannot be met are refused before any frame is touched."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va._tests.fakes import colour_clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.pipeline.resolve import Plan, resolve
from napari_sa2va.presets import preset

NAN = float("nan")


def plan_of(prompt: Prompt) -> Plan:
    """What would run on six frames of 16 x 20 px (y x x)."""
    return resolve(colour_clip(), PromptSet((prompt,)), preset("sa2va-i"))


@pytest.mark.parametrize(
    "box",
    [
        (900, 900, 5, 5),
        (8, 2, 4, 6),  # y1 < y0
        (4, 2, 4, 6),  # y1 = y0
        (4, 6, 8, 2),  # x1 < x0
        (-1, 2, 4, 6),
        (4, 2, 17, 6),
        (4, 2, 8, 21),
        (20, 30, 24, 34),
        (NAN, 2, 8, 6),
        (4, 2, 8, float("inf")),
        (4, 2, 8),
    ],
)
def test_a_box_that_is_no_rectangle_inside_the_frame_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(RequestError, match=r"The box .* of object 3 .* 16 x 20 px") as caught:
        plan_of(Prompt(3, "cell", box=box))  # type: ignore[arg-type]
    assert str(float(box[0])) in caught.value.message
    assert "upper left corner" in caught.value.hint


def test_the_whole_frame_is_a_box() -> None:
    assert plan_of(Prompt(1, "all", box=(0, 0, 16, 20))).num_frames == 6


def test_a_box_is_looked_at_beside_points_too() -> None:
    with pytest.raises(RequestError, match="The box"):
        plan_of(Prompt(1, "cell", points=(Point(5, 5),), box=(9, 9, 5, 5)))


def test_an_empty_mask_is_refused() -> None:
    mask = np.zeros((16, 20), bool)
    with pytest.raises(RequestError, match=r"mask of object 2 on frame 4 is empty.* 320") as caught:
        plan_of(Prompt(2, "cell", frame=4, mask=mask))
    assert caught.value.hint
    mask[3, 3] = True
    assert plan_of(Prompt(2, "cell", frame=4, mask=mask)).num_frames > 0


def test_an_empty_mask_is_taken_if_the_object_is_marked_elsewhere() -> None:
    nothing = np.zeros((16, 20), bool)
    absent = Prompt(2, "cell", frame=4, mask=nothing)
    clicked = Prompt(2, "cell", frame=0, points=(Point(5, 5),))
    plan = resolve(colour_clip(), PromptSet((absent, clicked)), preset("sa2va-i"))
    assert plan.marked == (absent, clicked)
    still_absent = Prompt(2, "cell", frame=1, mask=nothing)
    other = Prompt(3, "tip", frame=0, points=(Point(5, 5),))
    with pytest.raises(RequestError, match="mask of object 2 on frame 4 is empty"):
        resolve(colour_clip(), PromptSet((absent, still_absent, other)), preset("sa2va-i"))


def test_every_mark_of_an_object_is_looked_at() -> None:
    clicked = Prompt(2, "cell", frame=0, points=(Point(5, 5),))
    late = Prompt(2, "cell", frame=6, points=(Point(5, 5),))
    with pytest.raises(RequestError, match="Object 2 is marked on frame 6"):
        resolve(colour_clip(), PromptSet((clicked, late)), preset("sa2va-i"))
