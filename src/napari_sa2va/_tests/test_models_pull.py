"""Models are fetched from a hub: pinned, checked, taken up where they were cut, and never code."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import pytest

from napari_sa2va._tests.hub_server import FIRST, HUB_ID, SECOND, Hub, machine_and_hub
from napari_sa2va._tests.tiny_checkpoint import write_tiny
from napari_sa2va.core.errors import CheckpointError, DownloadError, ModelError, RequestError
from napari_sa2va.models import fetching, importing, store, zoo
from napari_sa2va.models import hub as hub_room
from napari_sa2va.models.checking import verify
from napari_sa2va.models.fetching import pull
from napari_sa2va.models.importing import import_model
from napari_sa2va.models.jobs import outcome

NAME = "sa2va-1b"
PIECE = 50_000  # bytes
FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A checkpoint, made once: nobody may change it."""
    return write_tiny(tmp_path_factory.mktemp("published") / "tiny")


@pytest.fixture
def hub(tiny, tmp_path, monkeypatch):
    """A machine without any model, whose hub has one, in small pieces and without waits."""
    monkeypatch.setattr(hub_room, "_PIECE", PIECE)
    with machine_and_hub(tiny, tmp_path, monkeypatch) as hub:
        yield hub


@pytest.fixture
def home(hub, tmp_path) -> Path:
    return tmp_path / "home"


def fetch(name: str = NAME, **options):
    return outcome(pull(zoo.find(name), **options))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in FILES}


def size_of(tiny: Path, name: str = "model.safetensors") -> int:
    return (tiny / name).stat().st_size


def test_a_model_is_fetched_once_and_found_from_then_on(hub, home, tiny):
    pulled = fetch()
    assert pulled.entry.folder == home / NAME
    assert content(home / NAME) == content(tiny)
    assert pulled.num_fetched == sum(len(data) for data in content(tiny).values())
    assert zoo.find(NAME).folder == home / NAME
    hub.log.clear()
    assert fetch().num_fetched == 0
    assert hub.log == [], "what the files should hold is recorded: nobody has to be asked"


def test_what_arrived_is_recorded(hub, home, tiny):
    assert fetch().licence == "apache-2.0"
    manifest = store.read_manifest(home / NAME)
    assert (manifest.hub_id, manifest.revision, manifest.licence) == (HUB_ID, FIRST, "apache-2.0")
    assert manifest.endpoint == hub.endpoint
    assert set(manifest.files) == FILES
    for name, facts in manifest.files.items():
        assert facts.sha256 == hashlib.sha256((tiny / name).read_bytes()).hexdigest()
        assert facts.size == size_of(tiny, name)
    assert zoo.find(NAME).revision == FIRST


def test_neither_code_nor_pickles_nor_files_of_other_folders_are_asked_for(hub, home, tiny):
    hub.add(tiny, modeling_py=b"import os", pytorch__model_bin=b"pickle", README_md=b"#")
    names = ["sub/model.safetensors", "../evil.json", ".hidden.json", store.MANIFEST, "a.pt"]
    hub.commits[HUB_ID][FIRST] |= dict.fromkeys(names, b"{}")
    fetch()
    assert set(hub.fetched()) == FILES
    assert {path.name for path in (home / NAME).iterdir()} == FILES | {store.MANIFEST}
    assert not (home / "evil.json").exists()


def test_everything_is_asked_of_one_address(hub, home, monkeypatch):
    """The client's own headers would be made with a question to huggingface.co."""
    monkeypatch.delenv(hub_room.ENDPOINT_VARIABLE)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    fetch(endpoint=hub.endpoint + "/")
    assert not [p for p in hub.paths() if not p.startswith((f"/{HUB_ID}", "/api/models", "/cdn/"))]
    assert all("torch" not in headers["user-agent"] for _, headers in hub.log)


def test_a_mirror_is_named_by_an_address(hub):
    with pytest.raises(RequestError, match="'mirror' is not the address"):
        fetch(endpoint="mirror")


# -- connections that break ------------------------------------------------------------------------


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, home, tiny):
    hub.large |= FILES
    hub.cut = [10**9] * 3 + [3 * PIECE, 2 * PIECE]
    fetch()
    assert content(home / NAME) == content(tiny)
    assert hub.ranges()[3:] == ["", f"bytes={3 * PIECE}-", f"bytes={5 * PIECE}-"]


def test_a_download_that_was_stopped_goes_on_in_another_process(hub, home, tiny):
    job = pull(zoo.find(NAME))
    for step in job:
        if step.file == "model.safetensors" and step.doing == "Downloading":
            break
    job.close()  # as Ctrl-C, or the dock's Cancel
    assert zoo.find(NAME).folder is None
    assert not (home / NAME).exists()
    here = (home / ".pull" / NAME / "model.safetensors.part").stat().st_size
    assert 0 < here < size_of(tiny)
    hub.log.clear()
    pulled = fetch()
    assert hub.fetched() == ["model.safetensors"]
    assert hub.ranges() == [f"bytes={here}-"]
    assert pulled.num_fetched == size_of(tiny) - here
    assert content(home / NAME) == content(tiny)
    assert not (home / ".pull" / NAME).exists()


def test_progress_counts_every_byte_once(hub, tiny):
    hub.large |= FILES
    hub.cut = [10**9] * 3 + [3 * PIECE, 2 * PIECE]
    steps = list(pull(zoo.find(NAME)))
    total = sum(len(data) for data in content(tiny).values())
    assert {step.total for step in steps} == {total}
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == total


def test_a_download_stays_at_its_commit_although_the_branch_moves_on(hub, home, tiny, tmp_path):
    hub.cut = [0] * 9
    with pytest.raises(DownloadError):
        fetch()
    hub.cut = []
    newer = tmp_path / "newer"
    shutil.copytree(tiny, newer)
    (newer / "config.json").write_text((newer / "config.json").read_text() + " ")
    hub.add(newer, commit=SECOND)
    assert fetch().entry.revision == FIRST
    assert content(home / NAME) == content(tiny)


def test_a_server_that_cannot_go_on_begins_anew(hub, home, tiny):
    hub.large |= FILES
    hub.cut = [10**9] * 3 + [3 * PIECE]
    hub.in_parts = False
    fetch()
    assert hub.ranges()[3:] == ["", f"bytes={3 * PIECE}-"]
    assert content(home / NAME) == content(tiny)


def test_a_network_that_is_gone_says_so_and_keeps_what_is_here(hub, home, tiny):
    hub.large |= FILES
    hub.cut = [10**9] * 3 + [3 * PIECE] + [0] * 10
    with pytest.raises(DownloadError) as caught:
        fetch()
    assert "model.safetensors, of which 150000 bytes of" in caught.value.message
    assert "goes on from there" in caught.value.hint
    assert caught.value.exit_code == 3
    hub.cut = []
    hub.log.clear()
    fetch()
    assert hub.ranges() == [f"bytes={3 * PIECE}-"]
    assert content(home / NAME) == content(tiny)


def test_a_hub_that_is_not_there_says_how_to_do_without(hub, monkeypatch):
    monkeypatch.setenv(hub_room.ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(DownloadError) as caught:
        fetch()
    assert "127.0.0.1:9 cannot be reached" in caught.value.message
    assert "napari-sa2va models import FOLDER" in caught.value.hint


def test_a_password_in_an_address_is_not_shown(hub, home, monkeypatch):
    secret = hub.endpoint.replace("//", "//me:geheim@")
    monkeypatch.setenv(hub_room.ENDPOINT_VARIABLE, secret)
    fetch()
    assert "geheim" not in (home / NAME / store.MANIFEST).read_text()
    monkeypatch.setenv(hub_room.ENDPOINT_VARIABLE, "http://me:geheim@127.0.0.1:9")
    with pytest.raises(DownloadError) as caught:
        fetch("sa2va-4b")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["ftp://me:geheim@mirror", "me:geheim@mirror", "http:/me:geheim@mirror", "http://me:geheim/@m"],
)
def test_a_password_in_what_is_no_address_is_not_shown(hub, address):
    with pytest.raises(RequestError, match="is not the address of a hub") as caught:
        fetch(endpoint=address)
    assert "geheim" not in str(caught.value)
    assert "m" in caught.value.message.split("'")[1]


def test_a_page_that_is_no_hub_is_told_apart_from_one(hub):
    hub.commits[HUB_ID][FIRST]["config.json"] = b"{}"
    hub.commits = {HUB_ID: {"not a commit": hub.commits[HUB_ID][FIRST]}}
    with pytest.raises(DownloadError, match="does not answer as a hub does"):
        fetch()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_is_busy_is_worth_another_try(hub, status):
    hub.answers[HUB_ID] = (status, "")
    with pytest.raises(DownloadError, match=rf"answers {status}.*Try again later"):
        fetch()


# -- wrong bytes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer_config.json"])
def test_a_file_with_other_bytes_is_named_and_kept_out(hub, home, tiny, name):
    """One announced by its SHA-256, one by git's hash; the size is right for both."""
    hub.wrong[name] = bytes(size_of(tiny, name))
    with pytest.raises(DownloadError) as caught:
        fetch()
    assert name in caught.value.message
    assert f"models pull {NAME} --again" in caught.value.hint
    assert zoo.find(NAME).folder is None
    assert not (home / NAME).exists()
    assert {p.name for p in (home / ".pull" / NAME).iterdir()} & FILES == FILES - {name}


def test_a_file_with_other_bytes_is_fetched_again_only_when_asked(hub, home, tiny):
    hub.wrong["model.safetensors"] = bytes(size_of(tiny))
    with pytest.raises(DownloadError):
        fetch()
    hub.wrong.clear()
    hub.log.clear()
    with pytest.raises(DownloadError, match=r"model\.safetensors"):
        fetch()
    assert hub.fetched() == []
    fetch(again=True)
    assert hub.fetched() == ["model.safetensors"]
    assert content(home / NAME) == content(tiny)


@pytest.mark.parametrize("more", [1, 5000])
def test_a_file_that_is_too_long_is_not_read_to_its_end(hub, home, tiny, more):
    hub.wrong["model.safetensors"] = bytes(size_of(tiny) + more)
    with pytest.raises(DownloadError, match=r"model\.safetensors: it has \d+ bytes instead of"):
        fetch()
    assert zoo.find(NAME).folder is None


def test_a_file_that_is_too_short_is_not_waited_for(hub, tiny):
    hub.wrong["model.safetensors"] = (tiny / "model.safetensors").read_bytes()[:3000]
    with pytest.raises(DownloadError, match=r"model\.safetensors: it has 3000 bytes instead of"):
        fetch()


def test_a_file_that_was_damaged_later_is_mended_only_when_asked(hub, home, tiny):
    fetch()
    weights = home / NAME / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(DownloadError, match=r"model\.safetensors: its SHA-256 is"):
        fetch()
    assert weights.read_bytes() == damaged
    hub.log.clear()
    fetch(again=True)
    assert hub.fetched() == ["model.safetensors"]
    assert content(home / NAME) == content(tiny)


def test_a_file_that_was_lost_is_fetched(hub, home, tiny):
    fetch()
    (home / NAME / "tokenizer.json").unlink()
    assert zoo.find(NAME).folder is None
    hub.log.clear()
    fetch()
    assert hub.fetched() == ["tokenizer.json"]
    assert content(home / NAME) == content(tiny)


# -- revisions -------------------------------------------------------------------------------------


@pytest.fixture
def moved_on(hub, tiny, tmp_path):
    """The branch has a second commit, with another configuration and one more file."""
    newer = tmp_path / "newer"
    shutil.copytree(tiny, newer)
    config = json.loads((tiny / "config.json").read_text())
    (newer / "config.json").write_text(json.dumps(config | {"note": "second"}))
    fetch()
    hub.add(newer, commit=SECOND, added_json=b"{}")
    return newer


def test_a_model_stays_at_the_revision_that_was_fetched_first(hub, home, moved_on, tiny):
    assert fetch().entry.revision == FIRST
    assert content(home / NAME) == content(tiny)


def test_another_revision_is_fetched_when_asked_for_and_only_what_differs(hub, home, moved_on):
    hub.log.clear()
    assert fetch(revision="main").entry.revision == SECOND
    assert sorted(hub.fetched()) == ["added.json", "config.json"]
    assert content(home / NAME) == content(moved_on)
    assert fetch().entry.revision == SECOND, "which is the pin from now on"
    assert fetch(revision=FIRST).entry.revision == FIRST
    assert not (home / NAME / "added.json").exists(), "the first revision has no such file"


def test_a_revision_can_be_asked_for_at_the_first_time(hub, moved_on, home):
    store.remove(NAME)
    assert fetch(revision=FIRST).entry.revision == FIRST


@pytest.fixture
def retrained(hub, tiny, tmp_path):
    """Another commit with other weights and another tokenizer, and the very same configuration."""
    folder = tmp_path / "retrained"
    shutil.copytree(tiny, folder)
    for name in ("model.safetensors", "tokenizer_config.json"):
        data = bytearray((folder / name).read_bytes())
        data[-1] ^= 1
        (folder / name).write_bytes(data)
    hub.add(folder, commit=SECOND)
    return folder


def stop_at(doing: str, file: str, **options) -> None:
    """Begin a download, and stop it as Ctrl-C does when it comes to a file."""
    job = pull(zoo.find(NAME), **options)
    for step in job:
        if (step.doing, step.file) == (doing, file):
            break
    job.close()


def test_files_of_another_revision_that_had_arrived_are_not_put_in(hub, home, moved_on, tiny):
    stop_at("Downloading", "added.json", revision=SECOND)
    assert (home / ".pull" / NAME / "config.json").read_bytes() != content(tiny)["config.json"]
    fetch(revision=FIRST)
    assert content(home / NAME) == content(tiny)
    assert outcome(verify(zoo.find(NAME))).wrong == {}
    assert not (home / ".pull" / NAME).exists()


def test_a_revision_that_was_asked_for_last_is_gone_on_with(hub, home, retrained, tiny):
    fetch(revision=FIRST)
    stop_at("Downloading", "model.safetensors", revision=SECOND)
    stop_at("Checking", "model.safetensors", revision=FIRST)
    assert fetch().entry.revision == FIRST
    assert content(home / NAME) == content(tiny)


@pytest.mark.parametrize("moves", range(5))
def test_a_kill_while_files_are_moved_in_leaves_no_model_of_two_revisions(
    hub, home, retrained, tiny, monkeypatch, moves
):
    fetch(revision=FIRST)
    real, done = Path.replace, []

    def replace(self, target):
        if home / NAME in (self.parent, Path(target).parent):
            if len(done) == moves:
                raise KeyboardInterrupt
            done.append(self.name)
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            fetch(revision=SECOND)
    entry = zoo.find(NAME)
    if entry.folder is not None:
        assert content(home / NAME) == content({FIRST: tiny, SECOND: retrained}[entry.revision])
    hub.log.clear()
    assert fetch().entry.revision == SECOND
    assert content(home / NAME) == content(retrained)
    assert hub.fetched() == [], "all of it had arrived"


def test_a_revision_that_is_not_there_is_named(hub):
    with pytest.raises(ModelError, match=r"no revision 'v9'.*commits/main"):
        fetch(revision="v9")


# -- what is here already --------------------------------------------------------------------------


def cached(tmp_path: Path, tiny: Path, commit: str = FIRST) -> Path:
    """The model in the hub's cache, as the hub's client puts it there."""
    folder = tmp_path / "cache" / f"models--{HUB_ID.replace('/', '--')}"
    snapshot, blobs = folder / "snapshots" / commit, folder / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir(exist_ok=True)
    for path in tiny.iterdir():
        data = path.read_bytes()
        is_large = path.name in ("model.safetensors", "tokenizer.json")
        git = hashlib.sha1(b"blob %d\0" % len(data) + data)
        blob = blobs / (hashlib.sha256(data) if is_large else git).hexdigest()
        blob.write_bytes(data)
        (snapshot / path.name).symlink_to(Path("../../blobs") / blob.name)
    return snapshot


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_what_lies_in_the_cache_of_the_hub_is_not_fetched(hub, home, tiny, tmp_path):
    snapshot = cached(tmp_path, tiny)
    pulled = fetch()
    assert (pulled.entry.folder, pulled.entry.place) == (snapshot, "hub cache")
    assert hub.log == []
    assert not (home / NAME).exists()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_files_of_the_cache_serve_another_revision(hub, home, tiny, tmp_path, moved_on):
    store.remove(NAME)
    cached(tmp_path, tiny)
    hub.log.clear()
    assert fetch(revision="main").entry.revision == SECOND
    assert sorted(hub.fetched()) == ["added.json", "config.json"]
    assert content(home / NAME) == content(moved_on)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_the_cache_of_the_hub_is_never_written_to(hub, home, tiny, tmp_path, moved_on):
    """A file of it that was linked to for one revision is in the way of another's."""
    store.remove(NAME)
    for folder, commit in ((tiny, FIRST), (moved_on, SECOND)):
        snapshot = cached(tmp_path, folder, commit)
        (snapshot / "model.safetensors").unlink()  # so that neither is complete
    blobs = content_of(snapshot.parent.parent / "blobs")
    stop_at("Downloading", "model.safetensors", revision=FIRST)
    fetch(revision=SECOND)
    assert content(home / NAME) == content(moved_on)
    assert content_of(snapshot.parent.parent / "blobs") == blobs


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("number", "copies"), [(errno.EXDEV, True), (errno.EIO, False)])
def test_a_file_is_copied_only_where_it_cannot_be_linked(tmp_path, monkeypatch, number, copies):
    def refuse(source, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(importing.os, "link", refuse)
    there, here = tmp_path / "there", tmp_path / "here"
    there.write_bytes(b"new")
    here.write_bytes(b"old")
    if copies:
        importing.link_or_copy(there, here)
        assert here.read_bytes() == b"new"
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            importing.link_or_copy(there, here)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_damaged_cache_of_the_hub_is_noticed(hub, tiny, tmp_path):
    snapshot = cached(tmp_path, tiny)
    (snapshot / "model.safetensors").resolve().write_bytes(bytes(size_of(tiny)))
    with pytest.raises(DownloadError, match=r"model\.safetensors"):
        fetch()
    assert set(outcome(verify(zoo.find(NAME))).wrong) == {"model.safetensors"}


def test_a_folder_put_there_by_hand_is_checked_and_not_fetched(hub, home, tiny):
    shutil.copytree(tiny, home / NAME)
    assert fetch().num_fetched == 0
    assert hub.fetched() == []
    assert store.read_manifest(home / NAME).revision == FIRST


def test_a_folder_put_there_by_hand_is_not_overwritten_unasked(hub, home, tiny):
    shutil.copytree(tiny, home / NAME)
    mine = (tiny / "config.json").read_text() + "\n"
    (home / NAME / "config.json").write_text(mine)
    with pytest.raises(DownloadError, match=r"config\.json"):
        fetch()
    assert (home / NAME / "config.json").read_text() == mine


@pytest.fixture
def mine(tiny, tmp_path) -> Path:
    """Weights of one's own, in a folder that is called like a published model."""
    folder = tmp_path / "Sa2VA-1B"
    shutil.copytree(tiny, folder)
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    (folder / "notes.json").write_text("{}")
    return folder


def test_an_import_under_a_published_name_is_not_taken_for_the_published_model(hub, home, mine):
    outcome(import_model(mine, NAME))
    before = content_of(home / NAME)
    for options in ({}, {"revision": "main"}):
        with pytest.raises(DownloadError, match=r"model\.safetensors: its SHA.*another model"):
            fetch(**options)
    assert content_of(home / NAME) == before
    assert zoo.find(NAME).hub_id == ""


def test_an_import_under_a_published_name_is_replaced_when_asked(hub, home, tiny, mine):
    outcome(import_model(mine, NAME))
    hub.log.clear()
    assert fetch(again=True).entry.hub_id == HUB_ID
    assert hub.fetched() == ["model.safetensors"]
    assert content(home / NAME) == content(tiny)
    assert (home / NAME / "notes.json").exists(), "the model has no such file; it is somebody's"


def test_an_import_that_is_the_published_model_becomes_it_without_a_download(hub, home, tiny):
    """As of a folder from `hf download --local-dir`, which does not say whose it is."""
    outcome(import_model(tiny, NAME))
    assert zoo.find(NAME).revision == ""
    assert fetch().num_fetched == 0
    assert hub.fetched() == []
    entry = zoo.find(NAME)
    assert (entry.hub_id, entry.revision) == (HUB_ID, FIRST)


def test_a_folder_of_another_model_is_not_found_under_a_hub_id_nor_overwritten(hub, home, mine):
    outcome(import_model(mine, NAME))
    manifest = store.read_manifest(home / NAME).model_copy(update={"hub_id": "someone/Sa2VA-1B"})
    store.write_manifest(home / NAME, manifest)
    before = content_of(home / NAME)
    assert zoo.find(HUB_ID).folder is None
    with pytest.raises(RequestError, match=r"holds someone/Sa2VA-1B.*models remove sa2va-1b"):
        fetch(again=True)
    assert content_of(home / NAME) == before


# -- models that are not given ---------------------------------------------------------------------


def test_a_gated_model_says_where_to_accept_the_terms(hub):
    hub.token = "hf_mine"
    with pytest.raises(ModelError) as caught:
        fetch()
    assert "gated" in caught.value.message
    assert f"{hub.endpoint}/{HUB_ID}" in caught.value.hint
    assert "run: hf auth login" in caught.value.hint
    assert caught.value.exit_code == 2


def test_the_token_of_the_client_opens_a_gated_model(hub, monkeypatch):
    hub.token = "hf_mine"
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert fetch().entry.folder is not None


def test_a_token_whose_account_has_not_accepted_is_told_so(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    hub.answers[HUB_ID] = (403, "GatedRepo")
    with pytest.raises(ModelError, match="another account's"):
        fetch()


@pytest.mark.parametrize(
    ("answer", "token", "words"),
    [
        ((401, "RepoNotFound"), "", "There is no model ByteDance/Sa2VA-1B on 127.0.0.1"),
        ((404, "RepoNotFound"), "hf_mine", "There is no model ByteDance/Sa2VA-1B on 127.0.0.1"),
        ((401, ""), "hf_mine", "does not take the token"),
        ((403, ""), "", "forbidden"),
    ],
)
def test_a_refusal_says_what_to_do(hub, monkeypatch, answer, token, words):
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    hub.answers[HUB_ID] = answer
    with pytest.raises(ModelError, match=words) as caught:
        fetch()
    assert "hf auth login" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_model_with_pickles_only_is_refused_before_anything_is_fetched(hub):
    del hub.commits[HUB_ID][FIRST]["model.safetensors"]
    hub.commits[HUB_ID][FIRST]["pytorch_model.bin"] = b"pickle"
    with pytest.raises(CheckpointError, match=r"only pickles \(pytorch_model.bin\)"):
        fetch()
    assert hub.fetched() == []


def test_another_kind_of_model_is_refused_before_its_weights_are_fetched(hub):
    hub.commits[HUB_ID][FIRST]["config.json"] = b'{"model_type": "bert"}'
    with pytest.raises(CheckpointError, match="does not describe a Sa2VA checkpoint"):
        fetch()
    assert hub.fetched() == ["config.json"]


def test_nano_is_not_fetched():
    with pytest.raises(RequestError, match="not a model of the hub"):
        fetch("nano")


# -- the disk --------------------------------------------------------------------------------------


def test_a_disk_that_is_too_small_is_found_out_before_anything_is_fetched(hub, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(DownloadError, match=r"100 bytes free.*NAPARI_SA2VA_HOME"):
        fetch()
    assert hub.fetched() == []


def test_a_disk_that_fills_up_meanwhile_says_so(hub, monkeypatch):
    def full(self, piece):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.Digests, "take", full)
    with pytest.raises(DownloadError, match=r"is full.*what has arrived"):
        fetch()


def test_two_downloads_of_one_model_do_not_meet(hub):
    with store.locked(NAME), pytest.raises(ModelError, match="by another process"):
        fetch()


def test_a_namesake_is_fetched_to_a_place_of_its_own(hub: Hub, home, tiny):
    hub.add(tiny, "someone/Sa2VA-1B")
    assert zoo.resolve("someone/Sa2VA-1B").folder == home / "someone--sa2va-1b"
    assert zoo.find("someone/Sa2VA-1B").folder == home / "someone--sa2va-1b"
    assert zoo.find("someone--sa2va-1b").hub_id == "someone/Sa2VA-1B"
    assert zoo.find(NAME).folder is None
    assert "someone--sa2va-1b" in [entry.name for entry in zoo.known_models()]


def test_a_model_that_a_run_names_is_fetched_with_progress(hub, home):
    steps = []
    assert zoo.resolve(NAME, steps.append).folder == home / NAME
    assert steps[-1].done == steps[-1].total
