"""Models on this machine: imported, verified, removed, and nothing beside them ever touched."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest

from napari_sa2va._tests.tiny_checkpoint import write_tiny
from napari_sa2va.cli.main import main
from napari_sa2va.core.errors import CheckpointError, ModelError, OutputError, RequestError
from napari_sa2va.models import checking, hub, importing, store, zoo
from napari_sa2va.models.checking import verify
from napari_sa2va.models.importing import import_model
from napari_sa2va.models.jobs import outcome

FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A checkpoint, made once: nobody may change it."""
    return write_tiny(tmp_path_factory.mktemp("published") / "tiny")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A machine without any model."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(store.HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def mine(tiny, tmp_path) -> Path:
    """A checkpoint folder somewhere, with code in it."""
    folder = tmp_path / "My Fine-tune (v2)"
    shutil.copytree(tiny, folder)
    (folder / "modeling.py").write_text("import os")
    (folder / "optimizer.bin").write_bytes(b"pickle")
    return folder


def take_in(folder: Path, name: str = "", **options):
    return outcome(import_model(folder, name, **options))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damage(path: Path) -> None:
    """Change one bit, and neither size nor time."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# -- import ----------------------------------------------------------------------------------------


def test_a_folder_is_copied_without_code_and_goes_by_a_name(mine, home, tiny):
    before = content(mine)
    entry = take_in(mine)
    assert (entry.name, entry.folder) == ("my-fine-tune-v2", home / "my-fine-tune-v2")
    copied = content(entry.folder)
    assert copied.pop(store.MANIFEST)
    assert copied == {path.name: path.read_bytes() for path in tiny.iterdir()}
    assert content(mine) == before
    assert zoo.find("my-fine-tune-v2").folder == entry.folder
    assert not any((home / ".import").iterdir())


def test_a_folder_goes_by_a_name_of_the_catalogue_when_asked(mine, home):
    entry = take_in(mine, "sa2va-4b")
    assert zoo.find("ByteDance/Sa2VA-4B").folder == home / "sa2va-4b"
    assert entry.hub_id == zoo.find("sa2va-4b").hub_id == "", "nothing says that it is that one"
    assert (zoo.find("sa2va-4b").base, zoo.find("sa2va-4b").licence) == ("", "not stated")


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("Sa2VA-4B", "sa2va-4b-imported"),
        ("nano", "nano-imported"),
        ("someone--Sa2VA-4B", "someone-sa2va-4b"),  # "--" stands for the slash of a hub id
    ],
)
def test_a_folder_s_name_alone_makes_it_nobody_s_published_model(mine, called, name):
    folder = mine.rename(mine.with_name(called))
    assert take_in(folder).name == name
    assert zoo.find("ByteDance/Sa2VA-4B").folder is None
    assert zoo.find("someone/Sa2VA-4B").folder is None


def test_a_model_carried_here_from_another_store_stays_what_it_was(mine, home, tmp_path):
    """The way to a machine without a network: what the hub said goes along."""
    there = take_in(mine, "sa2va-4b").folder
    manifest = store.read_manifest(there).model_copy(
        update={"hub_id": "ByteDance/Sa2VA-4B", "revision": "a" * 40, "licence": "mit"}
    )
    store.write_manifest(there, manifest)
    stick = tmp_path / "stick"
    shutil.move(there, stick)
    entry = take_in(stick)
    assert (entry.name, entry.revision) == ("sa2va-4b", "a" * 40)
    assert zoo.find("sa2va-4b").hub_id == "ByteDance/Sa2VA-4B"
    with pytest.raises(RequestError, match="is ByteDance/Sa2VA-4B, and sa2va-8b is the name of"):
        take_in(stick, "sa2va-8b")
    carried = store.read_manifest(home / "sa2va-4b")
    assert (carried.hub_id, carried.licence) == ("ByteDance/Sa2VA-4B", "mit")
    assert carried.files == manifest.files


def test_a_copy_that_was_damaged_on_the_way_is_not_taken(mine, home, tmp_path):
    stick = tmp_path / "stick"
    shutil.move(take_in(mine).folder, stick)
    damage(stick / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors .*is not as recorded: its SHA"):
        take_in(stick)
    (stick / "tokenizer_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"lacks tokenizer_config\.json"):
        take_in(stick)
    assert store.names_in_store() == []
    assert not any((home / ".import").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_snapshot_of_the_hub_s_cache_is_known_by_its_model(tiny, tmp_path, home):
    cache = tmp_path / "elsewhere" / "models--ByteDance--Sa2VA-4B"
    snapshot, blobs = cache / "snapshots" / ("b" * 40), cache / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    published = content(tiny) | {
        "README.md": b"#",
        ".gitattributes": b"*",
        "modeling.py": b"import",
    }
    for name, data in published.items():
        blob = blobs / hashlib.sha256(data).hexdigest()
        blob.write_bytes(data)
        (snapshot / name).symlink_to(blob)
    entry = take_in(snapshot)
    assert set(content_names(entry.folder)) == FILES | {store.MANIFEST}
    assert (entry.name, entry.revision) == ("sa2va-4b", "b" * 40)
    assert not any(path.is_symlink() for path in entry.folder.iterdir())
    assert not outcome(verify(entry)).wrong


def test_links_take_no_room_and_copies_do(mine):
    linked = take_in(mine, "linked", link=True).folder
    copied = take_in(mine, "copied").folder
    assert (linked / "model.safetensors").samefile(mine / "model.safetensors")
    assert not (copied / "model.safetensors").samefile(mine / "model.safetensors")


def test_links_that_cannot_be_made_are_not_replaced_by_copies(mine, monkeypatch):
    def other_disk(source, target):
        raise OSError(18, "Invalid cross-device link", str(target))

    monkeypatch.setattr(importing.os, "link", other_disk)
    with pytest.raises(OutputError, match="Leave --link out"):
        take_in(mine, link=True)
    assert store.names_in_store() == []


def test_a_name_that_is_taken_is_refused(mine, home):
    folder = take_in(mine, "sa2va-4b").folder
    before = content(folder)
    with pytest.raises(RequestError, match="There is a model called sa2va-4b already"):
        take_in(mine, "sa2va-4b")
    with pytest.raises(RequestError, match="in the store already"):
        take_in(folder)
    with pytest.raises(RequestError, match="the model that ships"):
        take_in(mine, "nano")
    assert content(folder) == before


@pytest.mark.parametrize("name", ["../evil", ".hidden", "a b", "ä"])
def test_a_name_that_leaves_the_store_is_refused(mine, home, name):
    with pytest.raises(RequestError, match="cannot be the name"):
        take_in(mine, name)
    assert not home.exists()


def test_what_is_no_checkpoint_is_refused_before_anything_is_copied(mine, tmp_path, home):
    with pytest.raises(RequestError, match="is not a folder"):
        take_in(tmp_path / "nothing")
    (mine / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="no tokenizer"):
        take_in(mine)
    (mine / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="does not describe a Sa2VA"):
        take_in(mine)
    (mine / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(CheckpointError, match="cannot be read"):
        take_in(mine)
    assert not home.exists()


def test_a_disk_without_room_is_refused(mine, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(importing.shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(ModelError, match="100 bytes free"):
        take_in(mine)


def test_an_import_that_is_stopped_leaves_nothing(mine, home):
    job = import_model(mine)
    for step in job:
        if step.done:
            break
    job.close()
    assert store.names_in_store() == []
    assert not any((home / ".import").iterdir())


# -- verify ----------------------------------------------------------------------------------------


def test_a_model_that_is_as_recorded_passes(mine):
    verdict = outcome(verify(take_in(mine)))
    assert (verdict.num_files, verdict.wrong) == (len(FILES), {})


def test_a_changed_file_and_a_lost_one_are_named(mine):
    """Time and size are as before, so a look from outside would not do."""
    entry = take_in(mine, "sa2va-4b")
    damage(entry.folder / "model.safetensors")
    (entry.folder / "tokenizer.json").unlink()
    wrong = outcome(verify(zoo.find("sa2va-4b"))).wrong
    assert set(wrong) == {"model.safetensors", "tokenizer.json"}
    assert "its SHA-256 is" in wrong["model.safetensors"]
    assert wrong["tokenizer.json"] == "it is missing"


def test_a_folder_without_a_record_is_measured_against_its_own_headers(mine):
    entry = zoo.find(str(mine))
    assert outcome(verify(entry)) == checking.Verdict(0, {})
    with (mine / "model.safetensors").open("r+b") as file:
        file.truncate(10_000)
    assert set(outcome(verify(entry)).wrong) == {mine.name}


def test_nano_is_compared_with_what_pip_recorded(tmp_path, monkeypatch):
    folder = zoo.find("nano").folder
    weights = (folder / "model.safetensors").read_bytes()

    def recorded(data: bytes):
        value = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        return [
            SimpleNamespace(
                name="model.safetensors",
                size=len(weights),
                hash=SimpleNamespace(mode="sha256", value=value),
                locate=lambda: folder / "model.safetensors",
            )
        ]

    monkeypatch.setattr(checking, "files", lambda name: recorded(weights))
    assert outcome(verify(zoo.find("nano"))) == checking.Verdict(1, {})
    monkeypatch.setattr(checking, "files", lambda name: recorded(b"other"))
    assert set(outcome(verify(zoo.find("nano"))).wrong) == {"model.safetensors"}


def test_a_model_that_is_not_here_cannot_be_verified():
    with pytest.raises(ModelError, match=r"not on this machine.*models pull sa2va-4b"):
        outcome(verify(zoo.find("sa2va-4b")))


# -- remove ----------------------------------------------------------------------------------------


def test_a_model_is_removed_with_all_its_files(mine, home):
    folder = take_in(mine).folder
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert store.remove(folder.name) == (size, [])
    assert not folder.exists()
    assert mine.is_dir()


def test_files_that_are_not_the_model_s_stay(mine):
    folder = take_in(mine).folder
    (folder / "notes.txt").write_text("keep")
    (folder / "run").mkdir()
    assert store.remove(folder.name)[1] == ["notes.txt", "run"]
    assert sorted(content_names(folder)) == ["notes.txt", "run"]


def content_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_what_was_put_there_by_hand_stays(mine, home):
    shutil.copytree(mine, home / "sa2va-4b")
    with pytest.raises(ModelError, match="put there by hand"):
        store.remove("sa2va-4b")
    assert content_names(home / "sa2va-4b")


def test_no_link_is_followed(mine, home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(take_in(mine, "sa2va-4b").folder, elsewhere)
    (home / "sa2va-4b").symlink_to(elsewhere)
    with pytest.raises(ModelError, match="is a link"):
        store.remove("sa2va-4b")
    assert len(content_names(elsewhere)) == len(FILES) + 1


@pytest.mark.parametrize("name", ["../../victim.json", "/victim.json", "sub/victim.json", "v.py"])
def test_a_manifest_cannot_name_files_of_other_folders(mine, name):
    """A folder that is imported may have been made by anybody."""
    folder = take_in(mine).folder
    said = json.loads((folder / store.MANIFEST).read_text())
    said["files"][name] = said["files"]["config.json"]
    (folder / store.MANIFEST).write_text(json.dumps(said))
    assert store.read_manifest(folder) is None
    with pytest.raises(ModelError, match="put there by hand"):
        store.remove(folder.name)


def test_what_began_to_arrive_is_removed(home):
    begun = home / ".pull" / "sa2va-4b"
    begun.mkdir(parents=True)
    (begun / "model.safetensors.part").write_bytes(b"12345")
    assert store.remove("sa2va-4b") == (5, [])
    assert not begun.exists()


def test_models_of_other_places_are_not_removed(tiny, tmp_path):
    with pytest.raises(ModelError, match="part of the package"):
        store.remove("nano")
    with pytest.raises(ModelError, match="not on this machine"):
        store.remove("sa2va-4b")
    shutil.copytree(tiny, tmp_path / "cache" / "models--ByteDance--Sa2VA-4B" / "snapshots" / "abc")
    with pytest.raises(ModelError, match="hf cache rm model/ByteDance/Sa2VA-4B"):
        store.remove("sa2va-4b")
    with pytest.raises(RequestError, match="cannot be the name"):
        store.remove("../elsewhere")


# -- offline ---------------------------------------------------------------------------------------


@pytest.fixture
def no_sockets(monkeypatch):
    """Any attempt to reach another machine, or only to look its name up, fails the test."""

    def fail(*args, **kwargs):
        pytest.fail(f"a socket was used: {args}")

    monkeypatch.setattr(socket.socket, "connect", fail)
    monkeypatch.setattr(socket.socket, "connect_ex", fail)
    monkeypatch.setattr(socket, "getaddrinfo", fail)


@pytest.fixture(params=[hub.OFFLINE_VARIABLE, "HF_HUB_OFFLINE", "--offline"])
def offline(request, no_sockets, monkeypatch):
    """Run the command line offline, in each of the ways to ask for it."""
    if not request.param.startswith("--"):
        monkeypatch.setenv(request.param, "1")
        return lambda *arguments: main(list(arguments))
    return lambda *arguments: main(["--offline", *arguments])


def test_offline_no_socket_is_opened(offline, mine, capsys):
    manifest = store.Manifest(hub_id="ByteDance/Sa2VA-4B", revision="a" * 40, files=facts_of(mine))
    store.write_manifest(mine, manifest)
    assert offline("models", "import", str(mine), "--name", "sa2va-4b", "--quiet") == 0
    assert offline("models") == 0
    assert offline("models", "list", "--here") == 0
    assert offline("models", "info", "sa2va-4b") == 0
    assert offline("models", "info", "sa2va-8b") == 0
    assert offline("models", "verify", "--quiet") == 0
    assert offline("models", "pull", "sa2va-4b", "--quiet") == 0
    assert offline("models", "remove", "sa2va-4b", "--yes") == 0


def facts_of(folder: Path) -> dict[str, store.FileFacts]:
    return {
        name: store.FileFacts(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in content(folder).items()
        if name in FILES
    }


def test_offline_an_import_of_unknown_origin_is_not_said_to_be_the_published_model(offline, mine):
    assert offline("models", "import", str(mine), "--name", "sa2va-4b", "--quiet") == 0
    assert offline("models", "pull", "sa2va-4b", "--quiet") == 2
    assert offline("models", "verify", "sa2va-4b", "--quiet") == 0


def test_offline_a_model_that_is_not_here_is_not_asked_for(offline, capsys):
    assert offline("models", "pull", "sa2va-4b") == 2
    said = capsys.readouterr().err
    assert "offline mode" in said
    assert "napari-sa2va models import FOLDER" in said


def test_offline_a_run_takes_what_is_here_and_asks_for_nothing(no_sockets, monkeypatch, tmp_path):
    from pydicom.examples import get_path

    clip = str(get_path("ybr_color"))
    output = str(tmp_path / "labels.ome.tif")
    arguments = ["segment", clip, "the wall", "--answer", "It is not there.", "--quiet"]
    arguments += ["--device", "cpu", "-o", output]
    assert main(["--offline", *arguments]) == 1, "ran, and found nothing, as the answer says"
    assert main(["--offline", *arguments, "--model", "sa2va-4b", "--overwrite"]) == 2
    assert os.environ.get(hub.OFFLINE_VARIABLE) is None, "it was for that command only"


def test_the_probe_sees_a_socket(no_sockets, mine):
    with pytest.raises(pytest.fail.Exception, match="a socket was used"):
        zoo.resolve("sa2va-4b")
