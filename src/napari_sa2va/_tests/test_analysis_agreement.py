"""Scores against label images: who is compared with whom, and the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.analysis import Agreement, FrameAgreement, Looked, Pairing, Scores, agreement
from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.metrics import boundary_f

Box = tuple[int, int, int, int]  # y, x, height, width
NOTHING: Box = (0, 0, 0, 0)
SIZE = (32, 40)


def mask_of(box: Box) -> np.ndarray:
    y, x, height, width = box
    mask = np.zeros(SIZE, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def masklet(object_id: int, boxes: list[Box | None]) -> Masklet:
    made = Masklet.empty(object_id, f"object {object_id}", "", (len(boxes), *SIZE))
    for t, box in enumerate(boxes):
        if box is not None:
            made.set_mask(t, mask_of(box))
    return made


def labels(*painted: tuple[int, Box]) -> np.ndarray:
    image = np.zeros(SIZE, np.int32)
    for label, box in painted:
        image[mask_of(box)] = label
    return image


LEFT, RIGHT, BELOW = (4, 4, 8, 8), (4, 24, 8, 8), (20, 4, 8, 8)


def scored(masklets, images, **more) -> Agreement:
    return Agreement.of(agreement(masklets, images.__getitem__, range(len(images)), **more))


def test_scores_are_those_of_the_metrics():
    # 8 x 8 px moved by 4: 32 of 96 px, so J = 1/3 and Dice = 64 / 128
    truth, moved = labels((5, LEFT)), (4, 8, 8, 8)
    result = scored([masklet(1, [LEFT, moved])], [truth, truth])
    assert result.frames == (0, 1)
    assert result.pairing == Pairing({1: 5}, ())
    np.testing.assert_allclose(result.j[1], [1, 1 / 3])
    np.testing.assert_allclose(result.dice[1], [1, 1 / 2])
    f = boundary_f(mask_of(moved), truth == 5)
    assert 0 < f < 1
    np.testing.assert_allclose(result.f[1], [1, f])
    np.testing.assert_allclose(result.j_and_f[1], [1, (1 / 3 + f) / 2])
    assert result.mean_of(1) == pytest.approx((2 / 3, (1 + f) / 2, 3 / 4))


def test_the_tolerance_of_f_can_be_chosen():
    truth, moved = labels((5, LEFT)), masklet(1, [(4, 8, 8, 8)])
    assert scored([moved], [truth]).f[1][0] < 1
    assert scored([moved], [truth], tolerance=4).f[1][0] == 1


def test_labels_are_paired_with_objects_by_their_overlap_over_all_frames():
    # On frame 0 object 1 lies on label 9; over both frames it shares more with label 4.
    first, second = labels((9, LEFT), (4, RIGHT)), labels((4, (4, 4, 20, 20)), (9, RIGHT))
    objects = [masklet(1, [LEFT, (4, 4, 20, 20)]), masklet(2, [RIGHT, RIGHT])]
    assert scored(objects, [first, second]).pairing == Pairing({1: 4, 2: 9}, ())
    assert scored(objects, [first]).pairing == Pairing({1: 9, 2: 4}, ())


def test_pairs_are_made_so_that_all_together_share_most():
    # px shared with labels 5 and 6. Object 1: 24 and 24; object 2: 32 and none. If object 1 took
    # label 5, which it meets first, object 2 would have nothing.
    truth = labels((5, (0, 0, 8, 8)), (6, (8, 0, 8, 8)))
    objects = [masklet(1, [(5, 0, 6, 8)]), masklet(2, [(0, 0, 4, 8)])]
    assert scored(objects, [truth]).pairing.label_of == {1: 6, 2: 5}


def test_an_object_without_a_label_is_compared_with_nothing_and_labels_left_over_are_missed():
    truth = labels((5, LEFT), (8, BELOW))
    objects = [masklet(1, [LEFT, LEFT]), masklet(2, [RIGHT, NOTHING])]
    result = scored(objects, [truth, truth])
    assert result.pairing == Pairing({1: 5, 2: None}, (8,))
    # where nothing is drawn and nothing is there, that is right
    assert [result.j[2].tolist(), result.f[2].tolist(), result.dice[2].tolist()] == [[0, 1]] * 3
    assert result.mean.j == pytest.approx((1 + 0.5) / 2)


def test_labels_can_be_paired_by_equal_ids():
    truth = labels((2, LEFT), (7, RIGHT))
    objects = [masklet(1, [RIGHT]), masklet(2, [LEFT])]
    assert scored(objects, [truth]).pairing == Pairing({1: 7, 2: 2}, ())
    result = scored(objects, [truth], pairing="id")
    assert result.pairing == Pairing({1: None, 2: 2}, (7,))
    assert (result.j[1].tolist(), result.j[2].tolist()) == ([0], [1])


def test_frames_that_were_not_reached_are_not_scored():
    truth = [labels((1, LEFT))] * 2
    result = scored([masklet(1, [LEFT, None]), masklet(2, [None, None])], truth)
    np.testing.assert_array_equal(result.j[1], [1, np.nan])
    assert result.mean_of(1) == (1, 1, 1)
    assert np.isnan(result.mean_of(2)).all()
    assert result.mean == (1, 1, 1)


def test_only_frames_with_a_truth_are_asked_for():
    asked = []

    def truth(t: int) -> np.ndarray:
        asked.append(t)
        return labels((1, LEFT))

    result = Agreement.of(agreement([masklet(1, [LEFT] * 5)], truth, [3, 1, 3]))
    assert asked == [1, 3, 1, 3]
    assert result.frames == (1, 3)
    curves = result.curves(5)
    assert list(curves) == ["J&F", "J", "F", "Dice"]
    np.testing.assert_array_equal(curves["Dice"][1], [np.nan, 1, np.nan, 1, np.nan])


def test_work_is_done_frame_by_frame_and_can_be_left():
    events = agreement([masklet(1, [LEFT] * 2)], lambda t: labels((3, LEFT)), [0, 1])
    perfect = Scores(1.0, 1.0, 1.0)
    assert list(events) == [
        Looked(0),
        Looked(1),
        Pairing({1: 3}, ()),
        FrameAgreement(0, {1: perfect}),
        FrameAgreement(1, {1: perfect}),
    ]
    events = agreement([masklet(1, [LEFT] * 2)], lambda t: labels((3, LEFT)), [0, 1])
    heard = [next(events) for _ in range(4)]
    events.close()
    assert Agreement.of(heard).frames == (0,)
    with pytest.raises(RequestError, match="stopped"):
        Agreement.of(heard[:1])


def test_masks_that_change_meanwhile_are_scored_as_they_were():
    one = masklet(1, [LEFT])
    events = agreement([one], lambda t: labels((3, LEFT)), [0])
    one.set_mask(0, mask_of(RIGHT))
    assert Agreement.of(events).j[1].tolist() == [1]


def test_a_mask_image_is_a_truth_with_one_object():
    assert scored([masklet(4, [LEFT])], [mask_of(LEFT)]).pairing == Pairing({4: 1}, ())


def test_a_truth_without_labels_is_missed_by_nobody():
    result = scored([masklet(1, [LEFT, NOTHING])], [labels(), labels()])
    assert result.pairing == Pairing({1: None}, ())
    assert result.j[1].tolist() == [0, 1]


def test_a_truth_of_another_size_or_kind_is_refused():
    one = masklet(1, [LEFT])
    with pytest.raises(ShapeMismatch, match=r"frame 0 has the shape \(8, 8\)") as caught:
        next(agreement([one], lambda t: np.zeros((8, 8), int), [0]))
    assert "Labels layer" in caught.value.hint
    with pytest.raises(RequestError, match="float64"):
        next(agreement([one], lambda t: np.zeros(SIZE), [0]))


def test_what_cannot_be_scored_is_refused_at_the_call():
    one = masklet(1, [LEFT])
    for masklets, frames, more, said in (
        ([], [0], {}, "no object"),
        ([one], [], {}, "No frame"),
        ([one], [1], {}, r"Frames \[1\]"),
        ([one], [0], {"pairing": "name"}, "'name'"),
        ([one, one], [0], {}, "id 1"),
    ):
        with pytest.raises(RequestError, match=said):
            agreement(masklets, lambda t: labels(), frames, **more)
