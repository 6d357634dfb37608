"""Indexed PNG images: the evaluator of DAVIS takes them, and files have the names of the source."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sa2va._tests.made_results import of_images
from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers.write import write_result

DAVIS = Path(os.environ.get("NAPARI_SA2VA_SHARED", "")) / "data" / "davis"
needs_davis = pytest.mark.skipif(
    not DAVIS.exists(), reason="NAPARI_SA2VA_SHARED does not name a folder with data/davis"
)
LABELS = np.zeros((3, 16, 20), np.uint16)
LABELS[:, 2:9, 3:10] = 1
LABELS[1:, 6:14, 8:18] = 2


def _mean_jf(folder: Path) -> float:
    """J&F of the results below a folder against the truth beside them, by vos-benchmark."""
    from vos_benchmark.benchmark import benchmark

    total, *_ = benchmark(
        [str(folder / "truth")], [str(folder / "results")], num_processes=1, verbose=False,
        skip_first_and_last=False,
    )  # fmt: skip
    return total[0]


def test_the_evaluator_of_davis_scores_what_is_written(tmp_path: Path) -> None:
    for name in ("truth", "results"):
        (tmp_path / name).mkdir()
    write_result(tmp_path / "truth" / "cells", of_images(LABELS), "davis")
    path = tmp_path / "results" / "cells"
    write_result(path, of_images(LABELS), "davis")
    assert _mean_jf(tmp_path) == 100
    write_result(path, of_images(np.where(LABELS == 2, 0, LABELS)), "davis", overwrite=True)
    # Object 1 is right, object 2 is missed on both frames on which it is.
    assert _mean_jf(tmp_path) == 50


def test_pixels_are_ids_and_the_palette_is_for_people(tmp_path: Path) -> None:
    write_result(tmp_path / "a", of_images(LABELS), "davis")
    image = Image.open(tmp_path / "a" / "00002.png")
    assert image.mode == "P"
    np.testing.assert_array_equal(np.array(image), LABELS[2])
    colors = image.getpalette()
    assert [colors[3 * i : 3 * i + 3] for i in (0, 1, 2, 3, 9)] == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [192, 0, 0],
    ]  # fmt: skip


@needs_davis
def test_published_results_score_the_same_when_they_are_written_again(tmp_path: Path) -> None:
    """`expected_davis2017.json` is what the evaluator of DAVIS 2017 says of the published files."""
    source = next(DAVIS.glob("DAVIS/JPEGImages/480p/*"))
    published = sorted(next(DAVIS.glob("results_osvos/*/")).glob("*.png"))
    labels = np.stack([np.array(Image.open(file)) for file in published])
    (tmp_path / "truth").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "truth" / source.name).symlink_to(next(DAVIS.glob("DAVIS/Annotations/480p/*")))
    result = of_images(labels, source=str(source))
    write_result(tmp_path / "results" / source.name, result, "davis")
    expected = json.loads((DAVIS / "expected_davis2017.json").read_text())["osvos_car-shadow"]
    mean = 50 * (expected["J_mean_all"] + expected["F_mean_all"])
    assert _mean_jf(tmp_path) == pytest.approx(mean, abs=0.01)


@needs_davis
def test_the_palette_is_that_of_published_results(tmp_path: Path) -> None:
    published = Image.open(next(DAVIS.glob("results_osvos/*/00000.png")))
    write_result(tmp_path / "a", of_images(LABELS), "davis")
    assert Image.open(tmp_path / "a" / "00000.png").getpalette() == published.getpalette()


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["00000.jpg", "00005.jpg", "00010.jpg"], ["00000", "00005", "00010"]),
        (["9.png", "10.png", "11.png", ".hidden.png", "notes.txt"], ["9", "10", "11"]),
        (["0.webp", "5.webp", "10.webp", "5.json"], ["0", "5", "10"]),
        (["a1.jpg", "a2.jpg", "a3.jpg"], ["00000", "00001", "00002"]),
        (["00000.jpg", "00001.jpg"], ["00000", "00001", "00002"]),
        (["1.jpg", "1.png", "2.jpg"], ["00000", "00001", "00002"]),
    ],
)
def test_files_have_the_numbers_of_the_source_where_it_has_one_per_frame(
    files: list[str], names: list[str], tmp_path: Path
) -> None:
    source = tmp_path / "JPEGImages"
    source.mkdir()
    for name in files:
        (source / name).touch()
    write_result(tmp_path / "out", of_images(LABELS, source=str(source)), "davis")
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert written == {f"{name}.png" for name in names}


def test_frames_of_a_source_play_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    source = tmp_path / "JPEGImages"
    source.mkdir()
    for name in ("9", "10", "11"):
        (source / f"{name}.jpg").touch()
    write_result(tmp_path / "out", of_images(LABELS, source=str(source)), "davis")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out" / "9.png")), LABELS[0])


def test_id_255_is_refused_because_it_means_do_not_count(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="ids up to 254, and there is 255"):
        write_result(tmp_path / "a", of_images(np.full((1, 2, 2), 255)), "davis")
