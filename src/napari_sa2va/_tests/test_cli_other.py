from __future__ import annotations

import json

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va.cli import doctor
from napari_sa2va.cli.main import COMMANDS, main
from napari_sa2va.pipeline import loaded
from napari_sa2va.settings import ModelSettings


def test_every_command_shows_its_help(capsys):
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        assert "Usage:" in capsys.readouterr().out


def test_an_unknown_command_is_a_bad_request(capsys):
    assert main(["dance"]) == 2
    assert "dance" in capsys.readouterr().err


def test_models_names_what_is_known_and_what_is_here(capsys):
    assert main(["models"]) == 0
    everything = capsys.readouterr().out
    assert "sa2va-i-26b" in everything
    assert "ships with the package" in everything
    assert main(["models", "--here"]) == 0
    assert len(capsys.readouterr().out.splitlines()) < len(everything.splitlines())


def test_models_needs_less_memory_in_half_precision(capsys):
    def line_of_1b(*arguments):
        main(["models", *arguments])
        lines = capsys.readouterr().out.splitlines()
        return next(line for line in lines if line.startswith("sa2va-1b"))

    full, half = line_of_1b(), line_of_1b("--dtype", "bfloat16")
    gigabytes = [float(line.split("about ")[1].split()[0]) for line in (full, half)]
    assert gigabytes[1] < gigabytes[0]


def test_doctor_is_content_with_this_environment(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "torch" in printed
    assert "mend it with" not in printed


def test_doctor_names_what_is_missing_and_the_line_that_mends_it(monkeypatch, capsys):
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda n: None if n == "av" else real(n))
    assert main(["doctor"]) == 3
    assert "mend it with: pip install av" in capsys.readouterr().out


def test_doctor_forgives_what_only_the_dock_needs(monkeypatch, capsys):
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda n: None if n == "napari" else real(n))
    assert main(["doctor"]) == 0
    assert "napari-sa2va[all]" in capsys.readouterr().out


def test_evaluate_prints_the_report_and_writes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loaded, "load", lambda settings: FakeModel())
    path = tmp_path / "report.json"
    assert main(["evaluate", "--movies", "2", "--json", str(path), "--preset", "sa2va"]) == 0
    printed = capsys.readouterr().out
    assert "preset sa2va" in printed
    assert "not there: recognised" in printed
    report = json.loads(path.read_text())
    assert report["settings"]["preset"] == "sa2va"
    assert 0 <= report["reports"][0]["J&F"] <= 1


def test_training_refuses_settings_out_of_bounds(tmp_path, capsys):
    assert main(["train", "nano", "--turns", "0", "-o", str(tmp_path / "out")]) == 2
    assert "turns = 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def counted_loads(monkeypatch):
    """Count how often a network is loaded, without loading one."""
    from napari_sa2va.models.sa2va.model import Sa2VA

    loads = []
    monkeypatch.setattr(
        Sa2VA, "load", classmethod(lambda cls, folder, **kw: loads.append(kw) or FakeModel())
    )
    loaded.forget()
    yield loads
    loaded.forget()


def test_a_network_is_kept_until_other_settings_ask_for_another(counted_loads):
    first = loaded.load(ModelSettings())
    assert loaded.load(ModelSettings()) is first
    assert len(counted_loads) == 1
    loaded.load(ModelSettings(dtype="bfloat16"))
    assert [kw["dtype"] for kw in counted_loads] == ["auto", "bfloat16"]


def test_the_package_offers_its_names_without_importing_what_is_heavy():
    import napari_sa2va

    assert set(napari_sa2va.__all__) <= set(dir(napari_sa2va))
    for name in napari_sa2va.__all__:
        assert getattr(napari_sa2va, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = napari_sa2va.nonsense
    assert napari_sa2va.segment(
        np.stack([np.eye(16, dtype=np.uint8) * 255] * 3), "the red one", model=FakeModel()
    ).labels.shape == (3, 16, 16)


def test_evaluate_names_the_data_sets_it_knows(monkeypatch, capsys):
    monkeypatch.setattr(loaded, "load", lambda settings: FakeModel())
    assert main(["evaluate", "--data", "holiday"]) == 2
    assert "vocalfolds" in capsys.readouterr().err
