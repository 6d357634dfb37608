"""Seconds and bytes of a run are said before it: guessed at first, measured from then on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.errors import ModelError, RequestError
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.models import device as devices
from napari_sa2va.models.zoo import find, memory_needed
from napari_sa2va.pipeline import estimate as estimating
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.estimate import Estimate, about, duration, estimate, foretell
from napari_sa2va.pipeline.need import ask_of
from napari_sa2va.pipeline.rates import Counts, learning
from napari_sa2va.pipeline.resolve import resolve
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import PRESETS
from napari_sa2va.readers.open import open_clip
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import RunSettings

CLIP = open_clip(
    np.random.default_rng(0).integers(0, 255, (7, 32, 40, 3), np.uint8), axes="TYXS", name="noise"
)


def on_cpu(**model: str) -> RunSettings:
    settings = PRESETS["sa2va-i"]
    choice = settings.model.model_copy(update={"device": "cpu"} | model)
    return settings.model_copy(update={"model": choice})


def foretold(settings: RunSettings, sentences: int = 1) -> Estimate:
    return foretell(
        settings, num_frames=7, height=CLIP.height, width=CLIP.width, num_sentences=sentences
    )


def really_run(settings: RunSettings) -> float:
    """Run nano for once; returns what it took in seconds."""
    for event in learning(run(CLIP, PromptSet.from_texts("the bright cell"), settings)):
        last = event
    return last.record.timings_s["total"]


@pytest.fixture
def _nothing_loaded():
    loaded.forget()
    yield
    loaded.forget()


@pytest.mark.usefixtures("_nothing_loaded")
def test_before_the_first_run_it_is_a_guess_and_after_it_is_measured() -> None:
    settings = on_cpu()
    before = foretold(settings)
    assert not before.is_measured
    assert "a guess; known after a run" in before.words
    assert 0 < before.seconds < 600
    taken = really_run(settings)
    loaded.forget()
    after = foretold(settings)
    assert after.is_measured
    assert after.words.endswith("on cpu (measured on this machine).")
    assert after.seconds == pytest.approx(taken, rel=0.01), "the same run again"


@pytest.mark.usefixtures("_nothing_loaded")
def test_a_network_that_is_loaded_is_not_loaded_again() -> None:
    settings = on_cpu()
    really_run(settings)
    here = foretold(settings)
    loaded.forget()
    away = foretold(settings)
    assert here.seconds < away.seconds
    assert here.num_bytes == away.num_bytes


def test_more_objects_and_key_frames_are_guessed_to_take_longer() -> None:
    few = on_cpu()
    assert foretold(few, 1).seconds < foretold(few, 9).seconds
    sampling = few.sampling.model_copy(update={"num_key_frames": 7})
    assert foretold(few).seconds < foretold(few.model_copy(update={"sampling": sampling})).seconds


def test_a_plan_and_the_size_of_a_clip_foretell_the_same() -> None:
    settings = on_cpu()
    plan = resolve(CLIP, PromptSet.from_texts(["a", "b"]), settings)
    counts = Counts.of(plan, CLIP.height, CLIP.width)
    assert estimate(settings, counts, height=32, width=40) == foretold(settings, 2)


def test_every_plane_takes_its_time() -> None:
    one = foretell(on_cpu(), num_frames=50, height=32, width=40)
    assert one.seconds < foretell(on_cpu(), num_frames=50, height=32, width=40, planes=9).seconds


def test_key_frames_outside_of_the_clip_are_refused() -> None:
    settings = on_cpu().model_copy(update={"sampling": Manual(frames=(9,))})
    with pytest.raises(RequestError, match="outside the clip"):
        foretold(settings)


def test_the_memory_is_that_of_the_window_of_models() -> None:
    settings = on_cpu()
    ask = ask_of(settings, num_frames=7, height=32, width=40, num_objects=1)
    assert foretold(settings).num_bytes == memory_needed(find("nano"), "float32", ask)


def test_a_model_that_is_not_here_is_to_be_downloaded_first(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NAPARI_SA2VA_HOME", str(tmp_path))
    monkeypatch.setattr(devices, "free_memory", lambda device: 10**12)
    found = foretold(on_cpu(name="sa2va-qwen3-vl-4b"))
    assert found.words.startswith("After a download of at most 20.0 GB: about ")
    assert found.seconds > 60


def test_of_a_model_of_which_nothing_is_known_nothing_is_made_up(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NAPARI_SA2VA_HOME", str(tmp_path))
    found = foretold(on_cpu(name="someone/a-model"))
    assert (found.seconds, found.num_bytes) == (None, 0)
    assert found.words == "What it takes is known when the model has been downloaded."


@pytest.mark.usefixtures("_nothing_loaded")
def test_a_shortage_is_said_with_what_to_do(monkeypatch) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda device: 1_000_000)
    found = foretold(on_cpu())
    assert found.shortage.startswith("nano needs 0.1 GB to run, but cpu has only 0.0 GB free")
    assert "Choose a smaller model" in found.hint
    assert not Estimate(1, True, 1, "cpu").shortage


@pytest.mark.usefixtures("_nothing_loaded")
def test_the_weights_that_are_loaded_need_not_be_free(monkeypatch) -> None:
    settings = on_cpu()
    needed = foretold(settings).num_bytes
    monkeypatch.setattr(devices, "free_memory", lambda device: needed - 1_000_000)
    assert foretold(settings).shortage
    monkeypatch.undo()
    really_run(settings)
    monkeypatch.setattr(devices, "free_memory", lambda device: needed - 1_000_000)
    assert not foretold(settings).shortage


@pytest.mark.parametrize(
    ("model", "words"), [({"name": "sa3va"}, "no model"), ({"device": "warp"}, "not a device")]
)
def test_what_cannot_run_says_why(model, words) -> None:
    with pytest.raises(ModelError, match=words):
        foretold(on_cpu(**model))


def test_the_arithmetic_is_measured_once(monkeypatch) -> None:
    first = estimating._multiplications_per_s("cpu", "float32")
    assert first > 1e8
    assert estimating._multiplications_per_s("cpu", "float32") is first


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 s"), (9.4, "9 s"), (12.6, "15 s"), (88, "90 s"), (150, "2 min"),
        (590, "10 min"), (1260, "20 min"), (5300, "90 min"), (7000, "2 h"),
    ],
)  # fmt: skip
def test_an_estimate_is_no_finer_than_it_can_be(seconds, words) -> None:
    assert about(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "under 1 s"), (59.4, "59 s"), (59.6, "1 min"), (75, "1 min 15 s"), (4000, "1 h 7 min")],
)
def test_durations_are_put_into_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
