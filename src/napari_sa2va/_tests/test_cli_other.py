from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.tiny_checkpoint import write_tiny
from napari_sa2va.cli import doctor
from napari_sa2va.cli.main import COMMANDS, main
from napari_sa2va.pipeline import loaded
from napari_sa2va.settings import ModelSettings


def test_every_command_shows_its_help(capsys):
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        assert "Usage:" in capsys.readouterr().out


def test_the_help_of_a_batch_is_there_whoever_asked_for_it_before(capsys, monkeypatch):
    from napari_sa2va.cli.batch.command import batch

    # click makes the option once, with the names of whoever asks first: nobody has so far.
    monkeypatch.setattr(batch, "_help_option", None)
    batch.main(["--help"], standalone_mode=False)
    for asked in (["--help"], ["-h"], ["movies", "-h"]):
        capsys.readouterr()
        assert main(["batch", *asked]) == 0
        assert "INPUTS..." in capsys.readouterr().out


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


def test_models_lists_the_rest_when_one_is_damaged(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NAPARI_SA2VA_HOME", str(tmp_path))
    folder = write_tiny(tmp_path / "sa2va-4b")
    (folder / "model.safetensors").write_bytes(b"cut off")
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "damaged" in next(line for line in lines if line.startswith("sa2va-4b"))
    assert "about" in next(line for line in lines if line.startswith("sa2va-8b"))


def test_doctor_is_content_with_this_environment(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "torch" in printed
    assert "auto takes this" in printed
    assert "mend it with" not in printed


def test_doctor_names_what_is_missing_and_the_line_that_mends_it(monkeypatch, capsys):
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda n: None if n == "av" else real(n))
    assert main(["doctor"]) == 3
    assert "mend it with: pip install 'av>=" in capsys.readouterr().out


@pytest.mark.parametrize(
    "module",
    ["PIL", "huggingface_hub", "imagecodecs", "openjpeg", "psutil", "pydantic", "rich",
     "scipy"],
)  # fmt: skip
def test_doctor_misses_every_library_that_the_package_declares(monkeypatch, module):
    monkeypatch.setattr(doctor, "import_module", lambda name: None)
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda n: None if n == module else real(n))
    (missing,) = [f for f in doctor.examine() if f.value == "missing"]
    assert missing.needed
    assert missing.mend.startswith("pip install ")


def test_doctor_finds_out_that_a_library_is_too_old(monkeypatch):
    def declared(name):
        return ["numpy>=99", "scipy>=1", 'napari>=99; extra == "napari"']

    monkeypatch.setattr(doctor, "requires", declared)
    monkeypatch.setattr(doctor, "import_module", lambda name: None)
    findings = {f.name: f for f in doctor.examine()}
    assert findings["numpy"].mend == "pip install --upgrade 'numpy>=99'"
    assert ">=99" in findings["numpy"].value
    assert not findings["scipy"].mend
    assert not findings["napari"].mend


@pytest.mark.parametrize(
    ("least", "installed", "enough"),
    [("2.6", "2.6.0+cu124", True), ("2.6.0", "2.6", True), ("2.10", "2.9.1", False),
     ("5.10", "5.10.0rc1", True), ("1", "of unknown version", True)],
)  # fmt: skip
def test_versions_are_compared_number_by_number(least, installed, enough):
    assert doctor.is_enough(installed, least) is enough


def test_doctor_speaks_although_torch_is_broken_or_the_package_not_installed(monkeypatch):
    def broken(name):
        if name == "torch":
            raise OSError("libc10.so: undefined symbol")

    monkeypatch.setattr(doctor, "import_module", broken)
    torch = next(f for f in doctor.examine() if f.name == "torch")
    assert "undefined symbol" in torch.value

    def unknown(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", unknown)
    assert any(f.mend == "pip install napari-sa2va" for f in doctor.examine())


def test_doctor_speaks_although_the_gpu_cannot_be_asked(monkeypatch):
    def busy():
        raise RuntimeError("CUDA-capable device(s) is/are busy or unavailable")

    monkeypatch.setattr(doctor, "import_module", lambda name: None)
    monkeypatch.setattr("napari_sa2va.models.device.describe_devices", busy)
    (device,) = [f for f in doctor.examine() if f.name.startswith("device")]
    assert "busy or unavailable" in device.value
    assert device.mend == "--device cpu, or another GPU"


def test_doctor_sends_nobody_without_a_qt_binding_to_install_qtpy_again(monkeypatch):
    """QtPy cannot be imported without a binding, which has a line of its own."""
    real = doctor.find_spec
    absent = {"PySide6", "PyQt6", "PyQt5"}
    monkeypatch.setattr(doctor, "find_spec", lambda n: None if n in absent else real(n))

    def without_qt(name):
        if name == "qtpy":
            raise ImportError("No Qt bindings could be found")

    monkeypatch.setattr(doctor, "import_module", without_qt)
    mended = {f.name: f for f in doctor.examine() if f.mend}
    assert set(mended) == {"Qt binding"}
    assert not mended["Qt binding"].needed


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
