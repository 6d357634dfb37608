from __future__ import annotations

import pytest

from napari_sa2va.core.errors import RequestError
from napari_sa2va.presets import preset
from napari_sa2va.settings import RunSettings
from napari_sa2va.settings_fields import differences, settings_fields, with_values

FIELDS = {field.name: field for field in settings_fields()}


def values(**texts: str) -> dict:
    named = {name.replace("_", "-"): text for name, text in texts.items()}
    return {FIELDS[name].path: FIELDS[name].value_of(text) for name, text in named.items()}


def test_texts_become_numbers_answers_choices_and_lists_of_frames():
    read = values(
        num_key_frames="7", hide_absent="False", dtype=" bfloat16 ", frames="0, 12,30",
        sampling="manual", model="/data/nano",
    )  # fmt: skip
    assert read == {
        "sampling.num_key_frames": 7,
        "tracking.hide_absent": False,
        "model.dtype": "bfloat16",
        "sampling.frames": (0, 12, 30),
        "sampling": "manual",
        "model.name": "/data/nano",
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("num_key_frames", "0", "'0': Input should be greater than or equal to 1"),
        ("num_key_frames", "many", "'many': Input should be a valid integer"),
        ("hide_absent", "perhaps", "'perhaps' is no hide-absent. Write one of true, false, yes"),
        ("dtype", "float8", "'float8' is no dtype. Write one of auto, float32"),
        ("sampling", "random", "'random' is no sampling. Write one of .*uniform"),
        ("frames", "1;2", "'1;2' is no list of frame numbers"),
        ("model", " ", "'': String should have at least 1 character"),
    ],
)
def test_a_text_that_makes_no_sense_is_refused_with_what_it_should_be(name, text, said):
    with pytest.raises(RequestError, match=said):
        values(**{name: text})


@pytest.mark.parametrize("name", ["sa2va", "sa2va-lii"])
def test_what_differs_from_one_preset_makes_another_of_it(name):
    usual, chosen = preset("sa2va-i"), preset(name)
    found = differences(usual, chosen)
    assert found
    made = with_values(usual, found)
    assert made.model_copy(update={"preset": name}) == chosen
    assert differences(usual, usual) == {}


def test_a_parameter_of_another_rule_is_named_as_it_was_given():
    with pytest.raises(RequestError, match=r"column interval was given, but the rule .*'uniform'"):
        with_values(RunSettings(), {"sampling.interval": 4}, said="column {}")
