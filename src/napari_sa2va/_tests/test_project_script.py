"""What was done, as a command and as a script: both are executed here, and give the same masks."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va._tests.made_projects import NUM_FRAMES, SETTINGS, ask, corner, write
from napari_sa2va._tests.test_pipeline_planes import PLANES, across, clip_of
from napari_sa2va._tests.test_project_steps import EDITS, MODEL_STEPS, picture_of, splittable
from napari_sa2va.cli.flags import settings_flags
from napari_sa2va.cli.main import main
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.flag_names import flag_name
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.resolve import resolve
from napari_sa2va.presets import preset
from napari_sa2va.project import Project
from napari_sa2va.project.folder import open_project, save
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.provenance import provenance
from napari_sa2va.project.python_text import Call, LongText, Name, source_of, text_source
from napari_sa2va.project.replay import do_step
from napari_sa2va.project.script import as_command, as_python
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.run import Run, Sentence
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.range import Range
from napari_sa2va.readers.open import open_clip
from napari_sa2va.sampling.first import First
from napari_sa2va.sampling.interval import Interval
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.sampling.uniform import Uniform
from napari_sa2va.settings import (
    MemorySettings,
    ModelSettings,
    OutputSettings,
    RunSettings,
    TrackingSettings,
)

CHOICES = {
    "the preset": SETTINGS,
    "another preset": preset("sa2va-lii"),
    "another rule": SETTINGS.model_copy(update={"sampling": First(num_key_frames=5)}),
    "another rule and number": SETTINGS.model_copy(update={"sampling": First(num_key_frames=2)}),
    "frames named": SETTINGS.model_copy(update={"sampling": Manual(frames=(4, 1))}),
    "one parameter": SETTINGS.model_copy(update={"sampling": Uniform(num_key_frames=3)}),
    "a rule of a preset": preset("sa2va-lii").model_copy(
        update={"sampling": Interval(num_key_frames=2, interval=2, start=1)}
    ),
    "tracking": SETTINGS.model_copy(
        update={
            "tracking": TrackingSettings(
                prompt_with="language", hide_absent=False, decoder="tuned", propagation=Both()
            )
        }
    ),
    "a range": SETTINGS.model_copy(
        update={
            "tracking": TrackingSettings(
                propagation=Range(first_frame=1, last_frame=3, direction="backward")
            )
        }
    ),
    "everything else": RunSettings(
        preset="sa2va",
        model=ModelSettings(name="nano", device="cpu", dtype="float32"),
        view="movie",
        memory=MemorySettings(objects_at_once=1, step_down=False),
        output=OutputSettings(overlap="first", several_masks="union"),
    ),
    "a preset of one's own": SETTINGS.model_copy(
        update={"preset": "mine", "output": OutputSettings(overlap="first")}
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def model(monkeypatch) -> FakeModel:
    fake = FakeModel()
    monkeypatch.setattr(loaded, "load", lambda settings: fake)
    return fake


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a disk; $HOME"
    folder.mkdir()
    clip = colour_clip(NUM_FRAMES)
    pictures = np.stack([clip.rgb(t) for t in range(NUM_FRAMES)])
    path = folder / "my movie.tif"
    tifffile.imwrite(path, pictures, photometric="rgb", metadata={"axes": "TYXS"})
    return path


def done(clip: Clip, *steps) -> Project:
    project = Project.of(clip)
    for step in steps:
        do_step(project, step, model=FakeModel())
    return project


def run_of(settings: RunSettings, *texts: str) -> Run:
    return ask(*(texts or ("the red one", "the blue one"))).model_copy(
        update={"settings": settings}
    )


def labels_of(line: str, tmp_path: Path, monkeypatch) -> np.ndarray:
    """Type a line into a shell, and look at the labels that it wrote."""
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    program, *arguments = shlex.split(line)
    assert program == "napari-sa2va"
    assert main(arguments) == 0
    (written,) = (tmp_path / "out").glob("*.ome.tif")
    return tifffile.imread(written)


def execute(script: str) -> tuple[Project, str]:
    """Run a script; its project, and what it printed."""
    space: dict = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(script, "script.py", "exec"), space)
    return space["project"], printed.getvalue()


def check_with_ruff(script: str, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(script, encoding="utf-8")
    for arguments in (["check", "--select", "E4,E7,E9,F,I,UP,B"], ["format", "--check", "--diff"]):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", str(path)],
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr + script


needs_ruff = pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is for development")


# The command


def test_the_flags_are_called_what_the_command_line_calls_them():
    for flag in settings_flags():
        assert flag.option.opts[0] == f"--{flag_name(flag.path)}"


@pytest.mark.parametrize("settings", CHOICES.values(), ids=CHOICES)
def test_the_command_asks_for_the_same_settings_and_gives_the_same_masks(
    movie, tmp_path, monkeypatch, settings
):
    project = done(open_clip(movie), run_of(settings))
    seen = []

    def spy(clip, prompts, asked, *more, **named):
        seen.append(asked)
        return resolve(clip, prompts, asked, *more, **named)

    monkeypatch.setattr("napari_sa2va.pipeline.run.resolve", spy)
    line = as_command(project, project.clip)
    labels = labels_of(line, tmp_path, monkeypatch)
    known = "sa2va-i" if settings.preset == "mine" else settings.preset
    assert seen == [settings.model_copy(update={"preset": known})]
    for t in range(NUM_FRAMES):
        expected = project.state.labels(t, settings.output.overlap)
        # A key frame outside of the range is a preview in the project, and nothing in the file.
        np.testing.assert_array_equal(labels[t], expected if project.state.cell(1, t).final else 0)


def test_only_what_differs_is_said(movie):
    project = done(open_clip(movie), run_of(SETTINGS))
    assert as_command(project, project.clip) == (
        f"napari-sa2va segment {shlex.quote(str(movie))} 'the red one' --prompt 'the blue one'"
    )
    settings = CHOICES["another rule and number"]
    assert as_command(run_of(settings), project.clip).endswith(
        "--sampling first --num-key-frames 2"
    )
    assert as_command(run_of(CHOICES["another rule"]), project.clip).endswith("--sampling first")


@pytest.mark.parametrize(
    "texts",
    [("it's the \"red\" one; rm -rf $HOME `x` \\ %PATH% ü\nnext",), ("-red", "--blue=x"), ("*red*", "~")],
)  # fmt: skip
def test_a_sentence_reaches_the_model_whatever_is_in_it(movie, tmp_path, monkeypatch, model, texts):
    line = as_command(run_of(SETTINGS, *texts), open_clip(movie))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    main(shlex.split(line)[1:])
    asked = [call[1] for call in model.calls if call[0] == "ground"]
    assert len(asked) == len(texts)
    for said, text in zip(asked, texts, strict=True):
        assert " ".join(text.split()) in said


@pytest.mark.parametrize("asked", [
    {"axes": "TZYX", "z": 2}, {"axes": "TZYX", "z": "mean", "limits": (5.5, 900)},
    {"axes": "TCYX", "channels": [2, 0], "limits": (0, 1e3)}, {"axes": "ZTYX", "z": 0, "time": "T"},
    {"axes": "TCYX", "colors": ["red", "#00ff80", "blue"]}, {"axes": "TZYX", "z": 0, "box": (0, 0, 9, 9)},
    {"axes": "TCYX", "channels": [0, 1], "limits": [(0, 9), (1, 3000)]},
])  # fmt: skip
def test_the_command_opens_just_this_clip(tmp_path, monkeypatch, asked):
    random = np.random.default_rng(3)
    data = (random.random((3, 3, 16, 20)) * 4000).astype("uint16")
    write(tmp_path / "m.tif", data)
    clip = open_clip(tmp_path / "m.tif", **asked)
    project = done(clip, run_of(SETTINGS, "the red one"))
    pictures = []
    rgb = Clip.rgb

    def spy(self, t):
        pictures.append(rgb(self, t))
        return pictures[-1]

    monkeypatch.setattr(Clip, "rgb", spy)
    labels = labels_of(as_command(project, clip), tmp_path, monkeypatch)
    np.testing.assert_array_equal(labels, [project.state.labels(t) for t in range(3)])
    assert any(np.array_equal(picture, rgb(clip, 0)) for picture in pictures)


@pytest.mark.parametrize("asked", [
    {"axes": "TZYX", "z": 0, "colors": np.linspace([255, 0, 0], [0, 99, 255], 256).astype("uint8")},
    {"axes": "TCYX", "rgb": True},
], ids=["a table of colours", "channels as colours"])  # fmt: skip
def test_what_a_command_cannot_say_is_done_by_a_replay(tmp_path, asked):
    random = np.random.default_rng(3)
    write(tmp_path / "m.tif", (random.random((3, 3, 16, 20)) * 4000).astype("uint16"))
    project = done(open_clip(tmp_path / "m.tif", **asked), run_of(SETTINGS))
    with pytest.raises(RequestError, match="Save the project"):
        as_command(project, project.clip)
    line = as_command(project, project.clip, folder=tmp_path / "p")
    assert line == f"napari-sa2va replay {tmp_path / 'p'}"


def test_corrections_are_done_again_by_a_replay(movie, tmp_path):
    run, paint = run_of(SETTINGS), Paint(frame=0, masks={1: corner()})
    clip = open_clip(movie)
    for steps, words in (
        ((run, paint), "corrections"),
        ((run.model_copy(update={"masks_taken": 3}),), "stopped"),
        ((run.model_copy(update={"region": (0, 0, 8, 20)}),), "part of the frames"),
        ((), "Nothing was done"),
    ):
        project = done(clip, *steps)
        with pytest.raises(RequestError, match=words):
            as_command(project, project.clip)
    project = done(clip, run, paint)
    save(project, tmp_path / "p")
    line = as_command(project, project.clip, folder=tmp_path / "p")
    assert main([*shlex.split(line)[1:], "-q"]) == 0


def test_a_second_run_is_a_command_of_its_own(movie):
    project = done(open_clip(movie), run_of(SETTINGS), ask("the green one", first_id=3))
    line = as_command(project, project.clip)
    assert "'the green one'" in line
    assert "red" not in line


def test_on_windows_words_are_quoted_for_its_shell(movie, monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    line = as_command(run_of(SETTINGS, 'a "red" & blue one', "plain"), open_clip(movie))
    assert f'"{movie}" "a \\"red\\" & blue one" --prompt plain' in line


# The script


@needs_ruff
@pytest.mark.parametrize("settings", CHOICES.values(), ids=CHOICES)
def test_the_script_does_the_runs_again(movie, tmp_path, settings):
    project = done(open_clip(movie), run_of(settings))
    script = as_python(project, project.clip)
    again, printed = execute(script)
    assert picture_of(again.state) == picture_of(project.state)
    assert again.steps == project.steps
    assert "the red one is on frames" in printed
    check_with_ruff(script, tmp_path)


@needs_ruff
def test_the_script_does_each_kind_of_step_again(movie, tmp_path):
    clip = open_clip(movie)
    steps = (
        run_of(SETTINGS),
        run_of(CHOICES["tracking"], "the green one").model_copy(
            update={
                "sentences": (Sentence(object_id=3, name='a "green" \\ é', text="the green one"),)
            }
        ),
        Paint(frame=1, masks={1: corner(), 7: corner()}),
        Rename(object_id=1, name="it's\nnew"),
        MODEL_STEPS[1].model_copy(
            update={"span": MODEL_STEPS[1].span.model_copy(update={"last": 5})}
        ),
        MODEL_STEPS[2],
        *(s for s in EDITS if s.kind in ("absent", "review", "recolor", "divide", "remove")),
        next(s for s in EDITS if s.kind == "lock").model_copy(update={"object_ids": (7,)}),
    )
    project = Project.of(clip)
    for step in steps:
        do_step(project, step, model=FakeModel())
    assert len(project.steps) == len(steps)
    script = as_python(project, clip)
    again, _ = execute(script)
    assert picture_of(again.state) == picture_of(project.state)
    check_with_ruff(script, tmp_path)


@needs_ruff
@pytest.mark.parametrize("step", [*EDITS, *MODEL_STEPS], ids=lambda step: step.kind)
def test_a_step_is_written_as_it_is(movie, tmp_path, step):
    project = splittable()
    project.history.done[0].step = step
    script = as_python(project, open_clip(movie))
    check_with_ruff(script, tmp_path)
    read = script.replace("do_step(project, ", "print(")
    read = read.replace("do_step(\n    project,", "found.append(\n").replace(
        "print(", "found.append("
    )
    space: dict = {"found": []}
    exec(compile(read.split("for masklet in")[0], "s.py", "exec"), space)
    (found,) = space["found"]
    assert found.model_dump_json() == step.model_dump_json()


def test_the_script_runs_in_a_fresh_process(movie, tmp_path):
    project = done(
        open_clip(movie), Paint(frame=0, masks={1: corner()}), Rename(object_id=1, name="a")
    )
    result = subprocess.run(
        [sys.executable, "-c", as_python(project, project.clip)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "a is on frames [0]\n"


@pytest.mark.parametrize("asked", [
    {"axes": "TCYX", "colors": ["red", "#00ff80", "blue"], "limits": [(0, 9), (1, 3000), (7.5, 4e3)]},
    {"axes": "TZYX", "z": 1, "box": (0, 0, 9, 9), "name": "another"},
])  # fmt: skip
def test_the_script_opens_just_this_clip(tmp_path, asked):
    random = np.random.default_rng(3)
    write(tmp_path / "m.tif", (random.random((3, 3, 16, 20)) * 4000).astype("uint16"))
    clip = open_clip(tmp_path / "m.tif", **asked)
    project = done(clip, run_of(SETTINGS, "the red one"))
    again, _ = execute(as_python(project, clip))
    assert again.clip.describe() | {"opened_with": 0} == clip.describe() | {"opened_with": 0}
    assert [again.clip.rgb(t).tolist() for t in range(3)] == [
        clip.rgb(t).tolist() for t in range(3)
    ]


@needs_ruff
@pytest.mark.parametrize("planes", [1, PLANES])
def test_pixels_of_a_project_folder_are_opened_from_it(tmp_path, planes):
    clip = clip_of(0)
    project = Project((planes * clip.num_frames, clip.height, clip.width), planes)
    project.footage = Footage(planes, clip_of, across if planes > 1 else None)
    do_step(project, run_of(SETTINGS), model=FakeModel())
    with pytest.raises(RequestError, match="Save the project first"):
        as_python(project, project.clip)
    save(project, tmp_path / "p")
    script = as_python(project, project.clip, folder=tmp_path / "p")
    again, _ = execute(script)
    assert picture_of(again.state) == picture_of(project.state)
    check_with_ruff(script, tmp_path)
    # Opened from its folder, it is a file like any other; several planes are not.
    opened = open_project(tmp_path / "p")
    if planes == 1:
        assert "open_clip(" in as_python(opened, opened.clip)
        assert "segment" in as_command(opened, opened.clip)


@pytest.mark.parametrize(
    "text", ["plain", "it's", 'a "b"', "'\"", "\\", "\n\t\0", "ü–≥", "\udcff", "", "'''", '"""']
)
def test_texts_are_written_so_that_they_are_read_as_they_are(text):
    assert eval(text_source(text)) == text
    assert eval(source_of({text: (text, [text])})) == {text: (text, [text])}


def test_values_that_do_not_fit_a_line_are_broken_where_the_formatter_breaks_them():
    assert source_of((1.5, None, True, "a", [2])) == '(1.5, None, True, "a", [2])'
    assert source_of((1,)) == "(1,)"
    assert source_of(float("nan")) == 'float("nan")'
    long = Call("function", (Name("x" * 40),), {"keyword": "y" * 20})
    assert source_of(long) == f'function({"x" * 40}, keyword="{"y" * 20}")'
    assert source_of(long, before=10) == f'function(\n    {"x" * 40}, keyword="{"y" * 20}"\n)'
    longer = Call("function", (Name("x" * 40),), {"keyword": "y" * 40})
    assert source_of(longer) == f'function(\n    {"x" * 40},\n    keyword="{"y" * 40}",\n)'
    words = " ".join(["123456789"] * 20)
    broken = source_of(Call("mask", (LongText(words),)))
    assert eval(broken.removeprefix("mask")) == words
    assert all(len(line) <= 88 for line in broken.splitlines())


# Where the masks come from


def test_provenance_tells_all_but_the_masks(movie):
    project = done(open_clip(movie), run_of(SETTINGS), Paint(frame=0, masks={1: corner()}))
    said = provenance(project)
    assert said["history"] == ["Find 'the red one' and 1 more", "Paint on frame 0"]
    assert json.loads(json.dumps(said))["steps"][1]["masks"] == {"1": {"size": [16, 20], "px": 9}}
    assert said["fingerprints"][0].startswith("clip1-")
    assert said["weights_sha256"] == {"fake": {"model.safetensors": "0" * 64}}
    assert said["clip"]["source"] == str(movie)
    assert said["records"][0]["objects"][0]["answer"] == "It is ."
    assert "counts" not in str(said)
    project.footage = None
    assert "clip" not in provenance(project)
