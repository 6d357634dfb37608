"""`napari-sa2va models`: exit codes, and what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.hub_server import FIRST, HUB_ID, machine_and_hub
from napari_sa2va._tests.tiny_checkpoint import write_tiny
from napari_sa2va.cli import doctor, progress
from napari_sa2va.cli.main import main
from napari_sa2va.models import hub


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A checkpoint, made once: nobody may change it."""
    return write_tiny(tmp_path_factory.mktemp("published") / "tiny")


@pytest.fixture(autouse=True)
def server(tiny, tmp_path, monkeypatch):
    """A machine without any model, and a hub that has one."""
    with machine_and_hub(tiny, tmp_path, monkeypatch) as server:
        yield server


def run(capsys, *arguments: str) -> tuple[int, str]:
    """The exit code, and what is said on either channel."""
    code = main(["models", *arguments])
    said = capsys.readouterr()
    return code, " ".join((said.out + said.err).split())


def test_a_model_is_fetched_looked_at_checked_and_deleted(capsys, tmp_path):
    code, said = run(capsys, "pull", "sa2va-1b")
    assert code == 0
    assert "Fetching ByteDance/Sa2VA-1B (about 4.8 GB)" in said
    assert f"Revision {FIRST}." in said
    assert "apache-2.0" in said

    code, said = run(capsys, "--here")
    assert code == 0
    assert "sa2va-1b ByteDance/Sa2VA-1B apache-2.0 3 MB" in said

    code, said = run(capsys, "info", "sa2va-1b")
    assert code == 0
    for words in ("family internvl", "template qwen_chat", f"revision {FIRST}", "SAM 2 0.7 million",
                  "model.safetensors, 3 MB, SHA-256", "layers in int4"):  # fmt: skip
        assert words in said

    code, said = run(capsys, "verify")
    assert code == 0
    assert said.startswith("nano: ")
    assert said.endswith("sa2va-1b: all 4 files are as recorded.")
    code, said = run(capsys, "remove", "sa2va-1b", "--yes")
    assert (code, "3 MB are free" in said) == (0, True)
    assert not (tmp_path / "home" / "sa2va-1b").exists()


def test_nothing_is_deleted_without_a_yes(capsys, monkeypatch, tmp_path):
    run(capsys, "pull", "sa2va-1b")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda text: "n")
    assert run(capsys, "remove", "sa2va-1b")[0] == 130
    assert (tmp_path / "home" / "sa2va-1b" / "config.json").is_file()


def test_a_damaged_file_is_a_failure_and_says_what_mends_it(capsys, tmp_path):
    run(capsys, "pull", "sa2va-1b")
    (tmp_path / "home" / "sa2va-1b" / "tokenizer.json").unlink()
    code, said = run(capsys, "verify")
    assert code == 3
    assert "tokenizer.json: it is missing" in said
    assert "models pull sa2va-1b --again" in said
    assert run(capsys, "verify", "nano")[0] == 0


def test_what_cannot_be_had_is_a_bad_request_and_what_breaks_a_failure(capsys, server):
    assert run(capsys, "pull", "sa2va-4b")[0] == 2
    assert run(capsys, "pull", "nonsense")[0] == 2
    assert run(capsys, "pull", "nano")[0] == 2
    server.cut = [10**9] * 3 + [0] * 20
    assert run(capsys, "pull", "sa2va-1b")[0] == 3
    assert "no, 7963 bytes have arrived" in run(capsys, "info", "sa2va-1b")[1]


def test_a_mirror_can_be_named(capsys, server, monkeypatch):
    monkeypatch.setenv(hub.ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    assert run(capsys, "pull", "sa2va-1b")[0] == 3
    assert run(capsys, "pull", "sa2va-1b", "--endpoint", server.endpoint)[0] == 0
    assert f"/api/models/{HUB_ID}/revision/main" in server.paths()


def test_ctrl_c_says_that_what_has_arrived_is_kept(capsys, monkeypatch):
    def interrupted(job, show):
        next(job)
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.jobs, "outcome", interrupted)
    code, said = run(capsys, "pull", "sa2va-1b")
    assert code == 130
    assert "the same command goes on from there" in said


def test_a_model_that_is_not_here_is_described_as_far_as_known(capsys):
    code, said = run(capsys, "info", "sa2va-4b")
    assert code == 0
    for words in ("template phi3_chat", "size ~15.6 GB", "models pull sa2va-4b", "float32"):
        assert words in said
    assert "int4" not in said, "which layers it has is not known yet"


def test_memory_that_is_not_free_is_told(capsys, monkeypatch):
    monkeypatch.setattr("napari_sa2va.models.device.free_memory", lambda device: 12_000_000_000)
    said = run(capsys, "info", "sa2va-4b")[1]
    assert "17.4 GB does not fit into the 12.0 GB that" in said
    assert "9.2 GB fits into the 12.0 GB that" in said


def test_the_memory_is_that_of_the_clip_if_one_is_named(capsys, tmp_path):
    import tifffile

    movie = tmp_path / "two_frames.tif"  # so that only two pictures are looked at
    tifffile.imwrite(movie, np.arange(2 * 48 * 64, dtype=np.uint16).reshape(2, 48, 64))
    code, said = run(capsys, "info", "sa2va-4b", "--clip", str(movie))
    assert code == 0
    assert "float32 about 17.4 GB" not in said
    assert "float32 about 17.4 GB" in run(capsys, "info", "sa2va-4b")[1]
    assert run(capsys, "list", "--clip", str(tmp_path / "nothing.tif"))[0] == 2


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            ["--here", "--dtype", "float16"],
            ["list"],
            "--dtype, --here before list would be ignored",
        ),
        (["--clip", "x.tif"], ["info", "nano"], "--clip before info would be ignored"),
        (["--dtype", "float32"], ["verify"], "--dtype before verify would be ignored"),
    ],
)
def test_flags_before_a_command_that_would_not_see_them_are_refused(capsys, before, after, words):
    code, said = run(capsys, *before, *after)
    assert code == 2
    assert words in said
    assert run(capsys, "--here", "--dtype", "float16")[0] == 0


def test_a_folder_is_imported_under_its_name(capsys, tiny, tmp_path):
    code, said = run(capsys, "import", str(tiny), "--name", "mine")
    assert (code, "--model mine" in said) == (0, True)
    assert run(capsys, "info", "mine")[0] == 0
    assert run(capsys, "import", str(tiny), "--name", "mine")[0] == 2
    assert run(capsys, "remove", str(tiny), "--yes")[0] == 2
    assert tiny.is_dir()


def test_doctor_says_where_models_are_and_come_from(monkeypatch, server, tmp_path):
    monkeypatch.setattr(doctor, "import_module", lambda name: None)
    values = {f.name: f.value for f in doctor.examine()}
    assert values["other models"] == str(tmp_path / "home")
    assert values["model hub"] == server.endpoint
    monkeypatch.setenv(hub.OFFLINE_VARIABLE, "1")
    assert "offline" in {f.name: f.value for f in doctor.examine()}["model hub"]
