"""What a person gets from `pip install`: the wheel is built and looked into."""

import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import napari_sa2va

ROOT = Path(napari_sa2va.__file__).parents[2]
MANIFEST = "napari_sa2va/napari.yaml"
MAX_WHEEL_BYTES = 25_000_000

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="a wheel is built from the source tree only"
)


def build_wheel(source: Path, folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=source,
        # A folder above must not pass for this project's repository.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(source.parent)},
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def one_file(files: dict[str, bytes], ending: str) -> str:
    (name,) = [name for name in files if name.endswith(ending)]
    return files[name].decode()


@pytest.fixture(scope="module")
def metadata(files: dict[str, bytes]) -> Message:
    return Parser().parsestr(one_file(files, ".dist-info/METADATA"))


def test_the_wheel_is_at_most_25_mb(wheel: Path) -> None:
    assert wheel.stat().st_size <= MAX_WHEEL_BYTES


def test_the_manifest_is_in_the_wheel_and_the_entry_point_finds_it(files: dict[str, bytes]) -> None:
    assert files[MANIFEST] == (ROOT / "napari.yaml").read_bytes()
    entry_points = one_file(files, ".dist-info/entry_points.txt")
    assert "[napari.manifest]\nnapari-sa2va = napari_sa2va:napari.yaml" in entry_points
    assert "napari-sa2va = napari_sa2va.cli.main:entry_point" in entry_points


def test_the_nano_checkpoint_is_in_the_wheel_whole(files: dict[str, bytes]) -> None:
    from napari_sa2va.models import zoo

    package = Path(napari_sa2va.__file__).parent
    folder = Path(zoo.resolve("nano").folder)
    needed = [path for path in folder.rglob("*") if path.suffix in {".safetensors", ".json"}]
    assert {".safetensors", ".json"} == {path.suffix for path in needed}
    for path in needed:
        assert files[f"napari_sa2va/{path.relative_to(package).as_posix()}"] == path.read_bytes()


def test_every_module_of_the_source_tree_is_in_the_wheel(files: dict[str, bytes]) -> None:
    source = ROOT / "src"
    modules = [path.relative_to(source).as_posix() for path in source.rglob("*.py")]
    assert len(modules) > 30
    assert set(modules) <= set(files)


def test_nothing_outside_the_package_is_in_the_wheel(files: dict[str, bytes]) -> None:
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"napari_sa2va"}


def test_napari_hub_finds_a_plugin_with_a_licence(metadata: Message) -> None:
    assert metadata["Name"] == "napari-sa2va"
    assert "Framework :: napari" in metadata.get_all("Classifier", [])
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"]


def test_no_qt_binding_and_no_napari_is_forced_on_a_person(metadata: Message) -> None:
    requirements = metadata.get_all("Requires-Dist", [])
    plain = [line.lower() for line in requirements if "extra ==" not in line]
    assert any(line.startswith("torch") for line in plain)  # the list is not empty by mistake
    for unwanted in ("pyqt", "pyside", "napari"):
        assert not [line for line in plain if line.startswith(unwanted)]
    assert any(line.startswith("napari[all]") and "'all'" in line for line in requirements)


def test_a_source_tree_without_git_gets_the_fallback_version(tmp_path: Path) -> None:
    source = tmp_path / "unpacked"
    package = source / "src" / "napari_sa2va"
    package.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copy(ROOT / "src" / "napari_sa2va" / "__init__.py", package)
    assert build_wheel(source, tmp_path / "out").name == "napari_sa2va-0.1.0.dev0-py3-none-any.whl"
