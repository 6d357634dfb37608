"""A checkpoint folder may hold anything: what loads runs, and all else is an error of ours.

By hypothesis, with a few dozen broken folders in the default run. For a long one, e.g. after a
change of the loader:

    NAPARI_SA2VA_FUZZ=5000 pytest src/napari_sa2va/_tests/test_models_fuzz.py
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from napari_sa2va._tests.tiny_checkpoint import (
    INTERNLM2,
    QWEN_CONFIGS,
    tiny_config,
    tiny_qwen_config,
    write_tiny,
)
from napari_sa2va.core.errors import CheckpointError, Sa2vaError
from napari_sa2va.models.sa2va.model import Sa2VA

EXAMPLES = int(os.environ.get("NAPARI_SA2VA_FUZZ", "20"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

FAMILIES = {
    "qwen2": tiny_config(),
    "internlm2": tiny_config(language=INTERNLM2, template="internlm2_chat"),
    **{kind: tiny_qwen_config(kind) for kind in QWEN_CONFIGS},
}
CODE = ("modeling_sa2va_chat", "configuration_sa2va_chat", "tokenization_internlm2", "__init__")
FRAME = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One sound folder per family, each with code that would leave a mark if it were run."""
    root = tmp_path_factory.mktemp("whole")
    for name, config in FAMILIES.items():
        folder = write_tiny(root / name, config | {"auto_map": {"AutoModel": f"{CODE[0]}.Model"}})
        for module in CODE:
            (folder / f"{module}.py").write_text(f"open({str(root / 'was_run')!r}, 'w').close()\n")
    return root


def attempt(whole: Path, family: str, spoil: Callable[[Path], object]) -> str:
    """Load a spoilt copy of a folder; what was said against it, or "" if it loads and runs."""
    folder = whole / "spoilt"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole / family, folder)
    spoil(folder)
    complaint: Sa2vaError | None = None
    try:
        model = Sa2VA.load(folder, device="cpu", dtype="float32")
    except Sa2vaError as error:
        complaint = error
    assert not (whole / "was_run").exists()
    assert not set(CODE[:3]) & set(sys.modules)
    if complaint is None:
        run_once(model)
        return ""
    assert complaint.message
    return complaint.message


def run_once(model: Sa2VA) -> None:
    """A question, a key frame and a tracked frame; whatever comes out, nothing may fail."""
    grounding = model.ground([FRAME, FRAME], "the cell", answer="It is [SEG].")
    tracker = model.new_tracker(decoder="tuned", hide_absent=False)
    tracker.prompt_language(0, tracker.encode(FRAME), [1], grounding.embeddings)
    assert tracker.track(1, tracker.encode(FRAME), [1]).to_masks(32, 40).shape == (1, 32, 40)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def resave(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, str(folder / "model.safetensors"))


def pick(names: Any, where: int) -> str:
    """One of some names, so that a number found by hypothesis chooses it whatever they are."""
    ordered = sorted(names)
    return ordered[where % len(ordered)]


families = st.sampled_from(sorted(FAMILIES))
places = st.integers(0, 10**6)


@fuzz
@given(family=families, share=st.floats(0, 1, exclude_max=True))
def test_weights_that_are_cut_off(whole, family, share):
    def cut(folder):
        path = folder / "model.safetensors"
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    message = attempt(whole, family, cut)
    assert "model.safetensors" in message
    assert "cannot be read" in message


@fuzz
@given(family=families, start=st.integers(0, 4000), junk=st.binary(min_size=1, max_size=40))
def test_a_header_with_other_bytes(whole, family, start, junk):
    def scribble(folder):
        path = folder / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[start : start + len(junk)] = junk
        path.write_bytes(data)

    attempt(whole, family, scribble)


@fuzz
@given(family=families, where=places, shape=st.lists(st.integers(0, 40), max_size=4))
def test_a_tensor_of_another_shape(whole, family, where, shape):
    names: list[str] = []

    def reshape(tensors):
        names.append(pick(tensors, where))
        if list(tensors[names[0]].shape) == shape:
            shape.append(2)
        tensors[names[0]] = np.zeros(shape, np.float32)

    message = attempt(whole, family, lambda folder: resave(folder, reshape))
    assert "of the wrong shape" in message
    assert names[0] in message


@fuzz
@given(
    family=families,
    where=places,
    at=places,
    value=st.sampled_from([math.nan, math.inf, -math.inf]),
)
def test_a_weight_that_is_no_number(whole, family, where, at, value):
    names: list[str] = []

    def spoil(tensors):
        names.append(pick(tensors, where))
        flat = tensors[names[0]].reshape(-1)
        flat[at % flat.size] = value

    message = attempt(whole, family, lambda folder: resave(folder, spoil))
    assert names[0] in message
    assert ("NaN" if math.isnan(value) else "infinite") in message


@fuzz
@given(
    family=families, where=places, kind=st.sampled_from(["int8", "int32", "int64", "bool", "u1"])
)
def test_weights_of_another_kind_of_number(whole, family, where, kind):
    names: list[str] = []

    def convert(tensors):
        names.append(pick(tensors, where))
        tensors[names[0]] = np.zeros(tensors[names[0]].shape, kind)

    message = attempt(whole, family, lambda folder: resave(folder, convert))
    assert "not for weights" in message
    assert names[0] in message


@fuzz
@given(family=families, where=places, name=st.text(max_size=30), how=st.integers(0, 2))
def test_a_tensor_too_few_too_many_or_under_another_name(whole, family, where, name, how):
    names: list[str] = []

    def change(tensors):
        names.append(pick(tensors, where))
        tensor = tensors[names[0]] if how == 1 else tensors.pop(names[0])
        if how:
            tensors[name if name not in tensors else name + "2"] = tensor

    message = attempt(whole, family, lambda folder: resave(folder, change))
    assert "left over" in message if how else names[0] in message


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("token", ["[SEG]", "<img>", "<IMG_CONTEXT>", "<|image_pad|>"])
def test_a_tokenizer_without_its_special_tokens(whole, family, token):
    def remove(fields):
        fields["added_tokens"] = [t for t in fields["added_tokens"] if t["content"] != token]

    message = attempt(whole, family, lambda folder: rewrite(folder / "tokenizer.json", remove))
    qwen = family in QWEN_CONFIGS
    needed = token == "[SEG]" or (token == "<|image_pad|>") == qwen
    assert (f"no token {token}" in message) == needed


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=5,
)
# What makes a field wrong in ways that a hand would.
odd_values = json_values | st.sampled_from([0, -1, 1, 2, 3, 7, 1e-6, 24.0, 10**9, "32", [], {}])


def paths_in(fields: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where every field of a nested configuration stands."""
    found: list[tuple[str, ...]] = []
    for name, value in fields.items():
        found.append((*above, name))
        if isinstance(value, dict):
            found += paths_in(value, (*above, name))
    return found


@fuzz
@given(family=families, where=places, value=odd_values, drop=st.booleans())
@example(family="qwen2", where=0, value="[" * 10, drop=True)
def test_a_configuration_with_a_field_that_makes_no_sense(whole, family, where, value, drop):
    path = sorted(paths_in(FAMILIES[family]))
    *parents, leaf = path[where % len(path)]

    def change(config):
        for name in parents:
            config = config[name]
        if drop:
            del config[leaf]
        else:
            config[leaf] = value

    attempt(whole, family, lambda folder: rewrite(folder / "config.json", change))


@fuzz
@given(
    family=families,
    more=st.dictionaries(
        st.text(min_size=1, max_size=12).map(lambda s: f"x_{s}"), json_values, max_size=3
    ),
    part=st.sampled_from(["", "vision_config", "llm_config", "text_config"]),
)
def test_unknown_fields_are_left_aside(whole, family, more, part):
    def add(config):
        (config.get(part) or config).update(more)

    assert attempt(whole, family, lambda folder: rewrite(folder / "config.json", add)) == ""


def test_an_unknown_field_of_sam2_is_named(whole):
    """All its fields are ours, so one that we do not know means something that we would not do."""

    def add(config):
        config["sam2_config"]["no_obj_embed_spatial"] = True

    message = attempt(whole, "qwen2", lambda folder: rewrite(folder / "config.json", add))
    assert "no_obj_embed_spatial" in message


FILES = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "model.safetensors.index.json", "preprocessor_config.json",
)  # fmt: skip


@fuzz
@given(family=families, file=st.sampled_from(FILES), text=st.binary(max_size=60))
def test_a_file_with_any_bytes(whole, family, file, text):
    attempt(whole, family, lambda folder: (folder / file).write_bytes(text))


@fuzz
@given(family=families, file=st.sampled_from(FILES), fields=json_values)
def test_a_file_with_any_json(whole, family, file, fields):
    attempt(whole, family, lambda folder: (folder / file).write_text(json.dumps(fields)))


@fuzz
@given(
    family=families,
    file=st.sampled_from(FILES[1:]),
    name=st.sampled_from(
        ["added_tokens_decoder", "added_tokens", "eos_token", "model", "weight_map", "image_mean",
         "patch_size", "[SEG]", "decoder", "pre_tokenizer", "add_bos_token"]
    ),
    value=odd_values,
)  # fmt: skip
def test_a_known_field_of_another_file_that_makes_no_sense(whole, family, file, name, value):
    def change(folder):
        path = folder / file
        fields = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(fields | {name: value}))

    attempt(whole, family, change)


def test_json_that_is_nested_too_deep(whole):
    message = attempt(
        whole, "qwen2", lambda folder: (folder / "config.json").write_text("[" * 200_000)
    )
    assert "config.json cannot be read" in message


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sound_folder_loads_and_runs(whole, family):
    assert attempt(whole, family, lambda folder: None) == ""


def test_a_decoder_borrowed_from_a_damaged_file_is_an_error_that_names_it(whole):
    bad = whole / "decoder.safetensors"
    bad.write_bytes((whole / "qwen2" / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"decoder\.safetensors cannot be read"):
        Sa2VA.load(whole / "qwen2", device="cpu", sam2_decoder=bad)
