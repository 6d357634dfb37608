"""A worker is refused before its first unit if it would come to other results than the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from napari_sa2va.batch.check import DECISIVE, WorkerRefused, check_batch, check_worker
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.roster import Roster
from napari_sa2va.models import nano
from napari_sa2va.models.hashes import weight_hashes
from napari_sa2va.models.store import HOME_VARIABLE
from napari_sa2va.pipeline.record import package_versions

NANO = Path(nano.__file__).parent
VERSIONS = package_versions()


def batch(tmp_path: Path, **head: object) -> BatchFolder:
    return BatchFolder.create(tmp_path / "night", BatchHead.model_validate(head))


def test_a_worker_with_the_same_versions_and_weights_is_taken(tmp_path: Path) -> None:
    folder = batch(tmp_path, versions=VERSIONS, weights={"nano": weight_hashes(NANO)})
    assert check_worker(folder, "box-1") == VERSIONS
    assert Roster(folder.path / "workers").read() == []


@pytest.mark.parametrize("package", DECISIVE)
def test_another_version_is_refused_with_both_and_what_to_install(
    tmp_path: Path, package: str
) -> None:
    folder = batch(tmp_path, versions=VERSIONS | {package: "0.0.7"})
    with pytest.raises(WorkerRefused) as caught:
        check_worker(folder, "box-1", "cpu")
    assert f"{package} {VERSIONS[package]} instead of 0.0.7" in caught.value.message
    assert f'"{package}==0.0.7"' in caught.value.hint
    [(card, _)] = Roster(folder.path / "workers").read()
    assert (card.name, card.device, card.state) == ("box-1", "cpu", "refused")
    assert card.why == str(caught.value)
    assert card.versions == VERSIONS


def test_other_versions_may_be_allowed_but_other_weights_may_not(tmp_path: Path) -> None:
    other = {"torch": "0.0.7"}
    folder = batch(tmp_path / "a", versions=other, allow_other_versions=True)
    assert check_worker(folder, "box-1")["torch"] == VERSIONS["torch"]
    weights = {"nano": {"model.safetensors": "0" * 64}}
    folder = batch(tmp_path / "b", versions=other, allow_other_versions=True, weights=weights)
    with pytest.raises(WorkerRefused, match=r"weights of nano .*: model\.safetensors"):
        check_worker(folder, "box-1")


def test_builds_of_torch_for_other_gpus_and_other_versions_of_napari_are_alike(
    tmp_path: Path,
) -> None:
    torch = VERSIONS["torch"].partition("+")[0]
    folder = batch(tmp_path, versions={"torch": f"{torch}+cu999", "napari": "0.0.1"})
    check_worker(folder, "box-1")


def test_weights_are_those_on_this_machine_and_not_those_of_the_same_name(tmp_path: Path) -> None:
    checkpoint = tmp_path / "mine"
    shutil.copytree(NANO, checkpoint, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    folder = batch(tmp_path, weights={str(checkpoint): weight_hashes(checkpoint)})
    check_worker(folder, "box-1")
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(WorkerRefused, match=r"model\.safetensors"):
        check_worker(folder, "box-1")
    shutil.rmtree(checkpoint)
    with pytest.raises(WorkerRefused, match="no model and no folder"):
        check_worker(folder, "box-1")


def test_a_model_that_is_not_here_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "store"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    folder = batch(tmp_path, weights={"nobody/nothing": {"model.safetensors": "0" * 64}})
    with pytest.raises(WorkerRefused, match="is not on") as caught:
        check_worker(folder, "box-1")
    assert "napari-sa2va models pull nobody/nothing" in caught.value.hint


def test_a_decoder_that_is_borrowed_is_that_of_the_batch(tmp_path: Path) -> None:
    decoder = tmp_path / "sam2.safetensors"
    decoder.write_bytes(b"as it was")
    weights = {"nano": weight_hashes(NANO), str(decoder): weight_hashes(decoder)}
    folder = batch(tmp_path, weights=weights)
    check_worker(folder, "box-1")
    decoder.write_bytes(b"another")
    with pytest.raises(WorkerRefused, match=r"are not those .*: sam2\.safetensors"):
        check_worker(folder, "box-1")
    decoder.unlink()
    with pytest.raises(WorkerRefused, match="a mask decoder is borrowed, is not on"):
        check_worker(folder, "box-1")


def test_a_machine_that_sees_another_batch_or_none_at_that_path_is_refused(tmp_path: Path) -> None:
    folder = batch(tmp_path)
    check_batch(str(folder.path), folder.head.batch_id)
    with pytest.raises(WorkerRefused, match="is another batch") as caught:
        check_batch(str(folder.path), "0" * 32)
    assert "same path" in caught.value.hint
    with pytest.raises(WorkerRefused, match="is no batch folder"):
        check_batch(str(tmp_path), folder.head.batch_id)


def test_a_device_that_is_not_there_is_refused_before_units_fail_on_it(tmp_path: Path) -> None:
    folder = batch(tmp_path)
    check_worker(folder, "box-1", "cpu")
    with pytest.raises(WorkerRefused, match="cuda:99"):
        check_worker(folder, "box-1", "cuda:99")
    [(card, _)] = Roster(folder.path / "workers").read()
    assert (card.device, card.state) == ("cuda:99", "refused")
