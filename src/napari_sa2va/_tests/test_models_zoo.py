"""Models are found by name, hub id or folder; what is not here says how to get it."""

from __future__ import annotations

import os
import subprocess
import sys

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
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    return tmp_path


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match=r"no model .*'sava'.*nano, sa2va-1b, sa2va-4b"):
        zoo.resolve("sava")


@pytest.mark.parametrize("name", ["sa2va-4b", "Sa2VA-4B", "ByteDance/Sa2VA-4B", " sa2va-4b "])
def test_a_known_model_goes_by_its_name_and_by_its_hub_id(name):
    assert zoo.find(name).hub_id == "ByteDance/Sa2VA-4B"


def test_a_model_that_is_not_here_and_cannot_be_had_says_how_to_do_without():
    with pytest.raises(ModelError) as caught:
        zoo.resolve("sa2va-4b")
    assert "127.0.0.1:9 cannot be reached" in caught.value.message
    assert "napari-sa2va models import FOLDER" in caught.value.hint


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


def test_a_model_in_the_home_folder_goes_by_its_name_there(machine):
    folder = write_tiny(machine / "home" / "my-own")
    assert zoo.find("My-Own").folder == folder
    assert "my-own" in [entry.name for entry in zoo.known_models()]
    write_tiny(machine / "home" / "Not a name")
    assert "Not a name" not in [entry.name for entry in zoo.known_models()]


def test_without_a_variable_models_lie_where_the_hub_keeps_files_of_libraries(machine, monkeypatch):
    monkeypatch.delenv(zoo.HOME_VARIABLE)
    monkeypatch.setattr(huggingface_hub.constants, "HF_ASSETS_CACHE", str(machine / "assets"))
    folder = write_tiny(machine / "assets" / "napari-sa2va" / "models" / "sa2va-4b")
    assert zoo.find("sa2va-4b").folder == folder


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
    assert zoo.find("somebody/other").folder is None


def test_a_namesake_of_a_known_model_does_not_get_its_weights(machine):
    ours = write_tiny(machine / "home" / "sa2va-4b")
    assert zoo.find("sa2va-4b").folder == ours
    assert zoo.find("someone/Sa2VA-4B").folder is None
    assert zoo.find("nano").folder is not None
    assert zoo.find("someone/nano").folder is None


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
