"""Forms are read off the settings classes, so no field can be forgotten."""

from typing import Literal

import pytest
from pydantic import Field
from qtpy.QtWidgets import QCheckBox, QComboBox, QWidget

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params
from napari_sa2va.gui.forms import ParamsForm, summary_of
from napari_sa2va.gui.settings_panel import SettingsPanel
from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.presets import PRESETS, preset
from napari_sa2va.propagation import PROPAGATIONS
from napari_sa2va.propagation.both import Both
from napari_sa2va.sampling import SAMPLINGS
from napari_sa2va.sampling.interval import Interval
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import MemorySettings, ModelSettings, RunSettings, TrackingSettings


class Small(Params):
    """One field of every simple kind."""

    count: int = Field(3, ge=1, le=9, title="How many", description="A number of things.")
    share: float = Field(0.5, ge=0.0, le=1.0, title="Share", description="Of the whole.")
    mode: Literal["this", "that"] = Field("this", title="Mode", description="One of two.")
    flag: bool = Field(True, title="A flag", description="On or off.")
    words: str = Field("a", min_length=1, title="Words", description="Some text.")


@pytest.fixture
def small(qtbot) -> ParamsForm:
    form = ParamsForm(Small)
    qtbot.addWidget(form)
    return form


def named(form: QWidget, title: str) -> QWidget:
    """The widget that screen readers call by a title."""
    return next(w for w in form.findChildren(QWidget) if w.accessibleName() == title)


def test_a_form_starts_with_the_defaults_and_gives_back_what_it_is_given(small) -> None:
    assert small.value() == Small()
    other = Small(count=7, share=0.25, mode="that", flag=False, words="b")
    small.set_value(other)
    assert small.value() == other


def test_bounds_titles_and_descriptions_come_from_the_field(small) -> None:
    count = named(small, "How many")
    assert (count.minimum(), count.maximum()) == (1, 9)
    assert count.toolTip() == "A number of things."
    mode = named(small, "Mode")
    assert isinstance(mode, QComboBox)
    assert [mode.itemText(i) for i in range(mode.count())] == ["this", "that"]
    flag = named(small, "A flag")
    assert isinstance(flag, QCheckBox)
    assert flag.text() == "A flag"


def test_a_value_that_the_class_refuses_is_named_by_its_title(small) -> None:
    small.set_value(Small.model_construct(count=3, share=0.5, mode="this", flag=True, words=""))
    with pytest.raises(RequestError, match="Words: '' is not allowed"):
        small.value()


def test_setting_a_form_says_so_once(small, qtbot) -> None:
    said = []
    small.changed.connect(lambda: said.append(1))
    small.set_value(Small(count=7, mode="that"))
    assert len(said) == 1


@pytest.mark.parametrize("rule", [*SAMPLINGS, *PROPAGATIONS], ids=lambda cls: cls.__name__)
def test_every_rule_goes_through_the_form_unchanged(rule, qtbot) -> None:
    form = ParamsForm(RunSettings)
    qtbot.addWidget(form)
    settings = RunSettings()
    if rule in SAMPLINGS:
        settings = settings.model_copy(update={"sampling": rule()})
    else:
        tracking = TrackingSettings(propagation=rule())
        settings = settings.model_copy(update={"tracking": tracking})
    form.set_value(settings)
    assert form.value() == settings
    assert summary_of(rule)
    assert "`" not in summary_of(rule)


def test_changed_numbers_of_a_rule_are_kept(qtbot) -> None:
    form = ParamsForm(RunSettings)
    qtbot.addWidget(form)
    settings = RunSettings(
        sampling=Interval(num_key_frames=7, interval=11, start=2),
        tracking=TrackingSettings(propagation=Both(), num_prompt_frames=3),
    )
    form.set_value(settings)
    assert form.value() == settings
    form.set_value(RunSettings(sampling=Manual(frames=(4, 9, 1))))
    assert form.value().sampling == Manual(frames=(4, 9, 1))


def test_frames_that_are_no_numbers_are_refused(qtbot) -> None:
    form = ParamsForm(Manual)
    qtbot.addWidget(form)
    named(form, "Frames").setText("1, two, 3")
    with pytest.raises(RequestError, match="'1, two, 3' is not a list of whole numbers"):
        form.value()
    named(form, "Frames").setText("4 9;1")
    assert form.value() == Manual(frames=(4, 9, 1))


@pytest.fixture
def panel(qtbot) -> SettingsPanel:
    panel = SettingsPanel(lambda settings: (Ask(), "a run"))
    qtbot.addWidget(panel)
    return panel


@pytest.mark.parametrize("name", list(PRESETS))
def test_choosing_a_preset_fills_the_settings(name: str, panel) -> None:
    panel.set_value(RunSettings(preset=name, sampling=Manual(frames=(3,))))
    assert panel.differs
    panel.reset.click()
    assert not panel.differs
    value = panel.value()
    assert value.preset == name
    assert value.sampling == preset(name).sampling
    assert value.tracking == preset(name).tracking


def test_a_preset_leaves_the_choice_of_model_alone(panel) -> None:
    model = ModelSettings(name="sa2va-1b", device="cpu", dtype="bfloat16", sam2_decoder="/d")
    panel.set_value(RunSettings(preset="sa2va", model=model))
    panel.preset.setCurrentText("sa2va-lii")
    assert panel.value() == preset("sa2va-lii").model_copy(update={"model": model})


def test_a_preset_leaves_memory_alone_and_memory_is_no_change_of_a_preset(panel) -> None:
    memory = MemorySettings(objects_at_once=2, offload_frames=True, step_down=False)
    panel.set_value(RunSettings(memory=memory))
    assert "Changed" not in panel.description.text()
    panel.preset.setCurrentText("sa2va-lii")
    assert panel.value() == preset("sa2va-lii").model_copy(update={"memory": memory})


def test_a_changed_setting_is_said_beside_the_preset(panel) -> None:
    assert "Changed" not in panel.description.text()
    assert not panel.reset.isVisibleTo(panel)
    named(panel, "Overlap").setCurrentText("first")
    assert "Changed" in panel.description.text()
    assert panel.reset.isVisibleTo(panel)


def test_a_model_without_a_name_is_refused(panel) -> None:
    panel.model.setEditText("   ")
    with pytest.raises(RequestError, match="Model: '' is not allowed"):
        panel.value()


def test_models_of_every_family_are_offered(panel) -> None:
    names = [panel.model.itemText(i) for i in range(panel.model.count())]
    assert "nano" in names
    assert "sa2va-4b" in names
    assert "sa2va-qwen3-vl-4b" in names
