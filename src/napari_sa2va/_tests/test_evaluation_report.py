"""Reports: means by kind, the swap test, and things that are not there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_sa2va.core.errors import RequestError
from napari_sa2va.evaluation.benchmark import Question, _swappable, generated_examples
from napari_sa2va.evaluation.real import real_examples, run_lengths
from napari_sa2va.evaluation.report import Report, SentenceScore


def score(kind: str, j: float, f: float, *, found: bool = True, swapped=()) -> SentenceScore:
    return SentenceScore("movie", "the cell", kind, "", found, j, f, swapped)


def test_means_are_over_sentences_of_a_kind_and_absent_things_stay_out_of_them():
    report = Report(
        "t",
        [score("place", 0.5, 0.7), score("place", 0.9, 0.9), score("absent", 1, 1, found=False)],
    )
    assert report.mean("place") == pytest.approx((0.6 + 0.9) / 2)
    assert report.overall == pytest.approx(0.75)
    assert report.kinds == ["place"]


def test_not_there_is_counted_both_ways():
    report = Report(
        "t",
        [
            score("absent", 1, 1, found=False),
            score("absent", 0, 0),
            score("place", 0, 0, found=False),
            score("motion", 1, 1),
        ],
    )
    assert report.not_there_recognised == 0.5
    assert report.falsely_not_there == 0.5


def test_swapped_scores_are_averaged_over_all_pairs():
    report = Report("t", [score("place", 1, 1, swapped=(0.1, 0.3)), score("place", 1, 1)])
    assert report.swapped == pytest.approx(0.2)
    assert math.isnan(Report("t").swapped)


def test_only_sentences_about_two_single_objects_are_swapped():
    def question(*ids: int) -> Question:
        return Question("x", "place", np.zeros((1, 2, 2), bool), ids, np.arange(1))

    assert _swappable(question(1), question(2))
    assert not _swappable(question(1), question(1))
    assert not _swappable(question(1), question(1, 2))
    assert not _swappable(question(1), question())


def test_held_out_movies_are_none_of_the_training_movies():
    from napari_sa2va.training.synth import generate_movie

    example = next(generated_examples(1))
    frames = np.asarray(example.clip.frames)
    assert not np.array_equal(frames, generate_movie(0).frames)
    assert frames.shape[0] == example.questions[0].truth.shape[0]


def test_compressed_run_lengths_are_undone_as_coco_defines_them():
    # An empty 480 x 854 mask is one run; later runs are stored as differences.
    assert run_lengths("PZ`<") == [480 * 854]
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is a test extra")
    mask = np.zeros((20, 30), bool)
    mask[3:9, 4:20] = mask[12:15, 25] = True
    text = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    counts = run_lengths(text)
    values = np.repeat(np.arange(len(counts)) % 2, counts).reshape(30, 20).T
    np.testing.assert_array_equal(values.astype(bool), mask)


def test_data_that_are_not_on_the_machine_are_a_request_error(monkeypatch):
    monkeypatch.delenv("NAPARI_SA2VA_SHARED", raising=False)
    with pytest.raises(RequestError, match="not on this machine"):
        real_examples("vocalfolds")
    with pytest.raises(RequestError, match="no data set 'nowhere'"):
        real_examples("nowhere")


def test_the_table_says_only_what_was_asked():
    without = str(Report("t", [score("plural", 1, 1)]))
    assert "swapped" not in without
    assert "nan" not in without
    assert "wrongly claimed not to be there: 0.0%" in without
    absent = str(Report("t", [score("absent", 1, 1, found=False), score("place", 1, 1)]))
    assert "not there: recognised 100.0%" in absent
