"""Models are found by name, hub id or folder; what is not here says how to get it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import pytest

from napari_sa2va._tests.tiny_checkpoint import write_tiny
from napari_sa2va.core.errors import ModelError
from napari_sa2va.models import zoo


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine without any model, and without a network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(zoo.HOME_VARIABLE, str(tmp_path / "home"))

    def offline(*args, **kwargs):
        raise ConnectionError("Name or service not known\nand a long explanation")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    return tmp_path


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"no model .*'sava'.*nano, sa2va-1b, sa2va-4b"):
        zoo.resolve("sava")


@pytest.mark.parametrize("name", ["sa2va-4b", "Sa2VA-4B", "ByteDance/Sa2VA-4B", " sa2va-4b "])
def test_a_known_model_goes_by_its_name_and_by_its_hub_id(name):
    assert zoo.find(name).hub_id == "ByteDance/Sa2VA-4B"


def test_a_model_that_is_not_here_says_exactly_how_to_get_it():
    with pytest.raises(ModelError) as caught:
        zoo.resolve("sa2va-4b")
    assert "ByteDance/Sa2VA-4B is not on this machine" in caught.value.message
    assert "Name or service not known." in caught.value.message
    assert "a long explanation" not in caught.value.message
    assert "hf download ByteDance/Sa2VA-4B --local-dir sa2va-4b (about 16 GB)" in caught.value.hint
    assert zoo.HOME_VARIABLE in caught.value.hint


def test_a_model_is_downloaded_without_code_or_pickles(machine, monkeypatch):
    asked = {}

    def download(hub_id, allow_patterns, local_dir):
        asked.update(hub_id=hub_id, patterns=allow_patterns, local_dir=local_dir)
        return str(write_tiny(Path(local_dir)))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    entry = zoo.resolve("sa2va-1b")
    assert entry.folder == machine / "home" / "sa2va-1b"
    assert asked["hub_id"] == "ByteDance/Sa2VA-1B"
    assert not any(Path(f"model{s}").match(p) for p in asked["patterns"] for s in (".py", ".bin"))
    assert zoo.find("sa2va-1b").folder == entry.folder  # and is found from now on


def test_weights_are_found_in_the_home_folder(machine):
    folder = write_tiny(machine / "home" / "sa2va-i-4b")
    assert zoo.resolve("sa2va-i-4b").folder == folder


def test_weights_are_found_in_the_cache_of_the_hub(machine):
    snapshots = machine / "cache" / "models--ByteDance--Sa2VA-8B" / "snapshots"
    old, new = write_tiny(snapshots / "aaa"), write_tiny(snapshots / "bbb")
    os.utime(old, (1, 1))
    assert zoo.resolve("sa2va-8b").folder == new


def test_a_download_that_was_cut_off_does_not_count_as_being_here(machine):
    folder = write_tiny(machine / "home" / "sa2va-4b")
    index = '{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(index)
    assert zoo.find("sa2va-4b").folder is None


def test_a_shard_that_is_missing_is_missed_without_the_index_too(machine):
    """The hub's client fetches files side by side, so the index may be what is not there yet."""
    folder = write_tiny(machine / "home" / "sa2va-4b")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    assert zoo.find("sa2va-4b").folder is None
    (folder / "model-00002-of-00002.safetensors").touch()
    assert zoo.find("sa2va-4b").folder == folder


@pytest.mark.parametrize(
    ("files", "here"),
    [
        (["tokenizer.json"], True),
        (["vocab.json", "merges.txt"], True),
        (["tokenizer.model"], True),
        (["vocab.json"], False),
        (["merges.txt"], False),
        ([], False),
    ],
)
def test_weights_without_a_tokenizer_are_a_download_that_was_cut_off(machine, files, here):
    folder = write_tiny(machine / "home" / "sa2va-4b")
    (folder / "tokenizer.json").unlink()
    for name in files:
        (folder / name).touch()
    assert (zoo.find("sa2va-4b").folder is not None) is here


def test_a_folder_is_a_model(machine):
    folder = write_tiny(machine / "my own")
    entry = zoo.resolve(str(folder))
    assert (entry.name, entry.folder) == ("my own", folder)
    assert entry.num_bytes == (folder / "model.safetensors").stat().st_size


def test_a_file_is_not_a_model(machine):
    folder = write_tiny(machine / "model")
    with pytest.raises(ModelError, match=r"is a file.*Give the folder"):
        zoo.resolve(str(folder / "model.safetensors"))


def test_any_hub_id_can_be_named(machine):
    folder = write_tiny(machine / "home" / "somebody--fine-tuned")
    entry = zoo.resolve("Somebody/Fine-tuned")
    assert (entry.name, entry.folder) == ("somebody--fine-tuned", folder)
    with pytest.raises(ModelError, match="somebody/other is not on this machine"):
        zoo.resolve("somebody/other")


def test_a_namesake_of_a_known_model_does_not_get_its_weights(machine):
    ours = write_tiny(machine / "home" / "sa2va-4b")
    assert zoo.find("sa2va-4b").folder == ours
    assert zoo.find("someone/Sa2VA-4B").folder is None
    assert zoo.find("nano").folder is not None
    assert zoo.find("someone/nano").folder is None


def test_a_namesake_is_downloaded_to_a_place_of_its_own(machine, monkeypatch):
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda hub_id, allow_patterns, local_dir: str(write_tiny(Path(local_dir))),
    )
    entry = zoo.resolve("someone/Sa2VA-4B")
    assert entry.folder == machine / "home" / "someone--sa2va-4b"
    assert zoo.find("someone/Sa2VA-4B").folder == entry.folder
    assert zoo.find("sa2va-4b").folder is None


# The hub allows no "--" in an id, and here it would make two ids share a folder.
@pytest.mark.parametrize("name", ["", "../x/y", "/no/such/folder", "a/b/c", "a/ b", "a--b/c"])
def test_what_is_neither_name_nor_hub_id_nor_folder_is_refused(name):
    with pytest.raises(ModelError, match="no model and no folder"):
        zoo.resolve(name)


def test_names_are_unique_and_lower_case():
    names = [entry.name for entry in zoo.KNOWN]
    assert len(set(names)) == len(names) > 10
    assert names == [name.lower() for name in names]


def test_memory_is_counted_from_the_file_where_there_is_one(machine):
    entry = zoo.resolve(str(write_tiny(machine / "model")))
    full, half = zoo.memory_needed(entry, "float32"), zoo.memory_needed(entry, "bfloat16")
    assert half < full
    assert full > entry.num_bytes


def test_memory_is_estimated_from_the_number_of_parameters_otherwise():
    small, large = zoo.find("sa2va-1b"), zoo.find("sa2va-8b")
    assert 4.8e9 < zoo.memory_needed(small) < 10e9
    assert 33e9 < zoo.memory_needed(large) < 40e9
    assert 16e9 < zoo.memory_needed(large, "bfloat16") < 22e9


def test_listing_models_loads_no_torch():
    code = (
        "import sys; from napari_sa2va.models.zoo import known_models; known_models(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
