from __future__ import annotations

import pytest

from napari_sa2va.cli.flags import apply_flags, settings_flags
from napari_sa2va.core.errors import RequestError
from napari_sa2va.presets import preset
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.range import Range
from napari_sa2va.sampling.interval import Interval
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.sampling.uniform import Uniform
from napari_sa2va.settings import (
    MemorySettings,
    ModelSettings,
    OutputSettings,
    TrackingSettings,
)


def apply(name: str = "sa2va-i", **given):
    values = {flag.variable: None for flag in settings_flags()} | given
    settings = apply_flags(preset(name), values)
    assert not {f.variable for f in settings_flags()} & set(values)
    return settings


def test_every_field_has_a_flag_with_help_and_no_two_flags_share_a_name():
    flags = settings_flags()
    paths = {flag.path for flag in flags}
    for prefix, group in (
        ("model", ModelSettings), ("tracking", TrackingSettings), ("memory", MemorySettings),
        ("output", OutputSettings),
    ):  # fmt: skip
        assert {f"{prefix}.{name}" for name in group.model_fields} <= paths
    names = [name for flag in flags for name in flag.option.opts]
    assert len(set(names)) == len(names)
    assert all(flag.option.help for flag in flags)


def test_no_flag_leaves_the_preset_as_it_is():
    assert apply("sa2va-lii") == preset("sa2va-lii")


def test_flags_change_what_they_name():
    settings = apply(
        "sa2va", model="folder", dtype="bfloat16", hide_absent=True, propagation="both"
    )
    assert settings.model.name == "folder"
    assert settings.model.dtype == "bfloat16"
    assert settings.tracking.hide_absent
    assert settings.tracking.propagation == Both()
    assert settings.tracking.prompt_with == preset("sa2va").tracking.prompt_with


def test_a_new_rule_keeps_the_number_of_key_frames_and_takes_its_own_parameters():
    assert apply(num_key_frames=9).sampling == Uniform(num_key_frames=9)
    assert apply(sampling="interval", interval=4).sampling == Interval(num_key_frames=5, interval=4)
    assert apply(sampling="manual", frames=(3, 7)).sampling == Manual(frames=(3, 7))


def test_a_range_is_named_by_its_first_and_last_frame():
    settings = apply(propagation="range", from_frame=40, to_frame=60, direction="backward")
    assert settings.tracking.propagation == Range(
        first_frame=40, last_frame=60, direction="backward"
    )
    with pytest.raises(RequestError, match=r"--from-frame was given.*'forward'"):
        apply(from_frame=40)


def test_a_parameter_of_another_rule_is_refused_and_not_ignored():
    with pytest.raises(RequestError, match=r"--interval.*'uniform'"):
        apply(interval=4)


def test_a_value_out_of_bounds_is_refused_with_its_name():
    with pytest.raises(RequestError, match="num_key_frames = 0"):
        apply(num_key_frames=0)
