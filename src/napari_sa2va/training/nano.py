"""`train_nano`: from nothing to the checkpoint that ships with the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.training.settings import NanoSettings

if TYPE_CHECKING:
    from torch import nn

    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

STAGES = ("clicks", "tracks", "eyes", "grounding", "tasks")
_TOKENIZER_MOVIES = 600

Progress = Callable[[str, int, int, dict[str, float]], None]


def train_nano(
    settings: NanoSettings,
    out_dir: str | Path,
    progress: Progress = lambda stage, step, steps, values: None,
    *,
    stages: Sequence[str] = STAGES,
    resume: bool = True,
) -> Path | None:
    """Train a small Sa2VA on generated movies and export it.

    Parameters
    ----------
    settings : NanoSettings
    out_dir : path
        Receives the state of every stage (`clicks.pt`, `tracks.pt`, `eyes.pt`,
        `grounding.pt`, `tasks.pt`) and the finished checkpoint in `checkpoint/`.
    progress : callable
        Called now and then with the stage's name, its step, its number of steps and averages
        since the last call ("loss", "accuracy", "iou", "seconds_per_step" ...).
    stages : sequence of str
        Which of `STAGES` to train in this call. The eyes need nothing of the first two stages, so
        that two processors can train them side by side in one folder; grounding needs all three,
        and the tasks go on from it.
    resume : bool
        Take stages that were finished before from `out_dir`, and go on in one that was not.

    Returns
    -------
    Path or None
        The checkpoint folder, once grounding or the tasks are done.

    Raises
    ------
    OutputError
        If `out_dir` cannot be written; found out before anything is trained.
    """
    import torch

    from napari_sa2va.core.errors import OutputError
    from napari_sa2va.training.export import export_checkpoint
    from napari_sa2va.training.network import new_network, start_tuning
    from napari_sa2va.training.stage_eyes import train_eyes
    from napari_sa2va.training.stage_grounding import train_grounding
    from napari_sa2va.training.stage_sam2 import train_sam2
    from napari_sa2va.training.stage_tasks import train_tasks

    out = Path(out_dir)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "settings.json").write_text(settings.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written: {error}.", "Choose another output folder."
        ) from error
    torch.set_num_threads(settings.threads)
    network = new_network(settings, nano_tokenizer(settings))
    prompted = partial(train_sam2, network.sam2, seed=settings.seed)
    runs = {
        "clicks": partial(
            prompted, clicks=True, steps=settings.click_steps, batch=settings.click_batch,
            objects=settings.click_objects, learning_rate=settings.click_rate,
        ),
        "tracks": partial(
            prompted, clicks=False, steps=settings.track_steps, batch=settings.track_batch,
            objects=settings.track_objects, learning_rate=settings.track_rate,
        ),
        "eyes": partial(train_eyes, network, settings),
        "grounding": partial(train_grounding, network, settings),
        "tasks": partial(train_tasks, network, settings),
    }  # fmt: skip
    parts: dict[str, nn.Module] = {
        "clicks": network.sam2, "tracks": network.sam2, "eyes": network.mllm, "grounding": network,
        "tasks": network,
    }  # fmt: skip
    lengths = dict(
        zip(STAGES, (settings.click_steps, settings.track_steps, settings.eye_steps,
                     settings.ground_steps, settings.task_steps), strict=True)
    )  # fmt: skip
    last = max(STAGES.index(stage) for stage in stages)
    for stage in STAGES[: last + 1]:
        path = out / f"{stage}.pt"
        first = _restore(parts[stage], path) if resume or stage not in stages else 0
        if stage == "grounding" and not first:
            start_tuning(network)
        network.sam2.requires_grad_(stage in ("clicks", "tracks"))
        network.tuned_decoder.requires_grad_(True)
        if stage in stages and first < lengths[stage]:
            runs[stage](
                path=path,
                first_step=first,
                report=lambda step, values, stage=stage: progress(
                    stage, step, lengths[stage], values
                ),
            )
    if not {"grounding", "tasks"} & set(stages):
        return None
    folder = out / "checkpoint"
    export_checkpoint(network, folder)
    return folder


def nano_tokenizer(settings: NanoSettings) -> Tokenizer:
    """Train the tokenizer on the sentences and answers of the generator; the same every time."""
    from napari_sa2va.training.synth import draw_scene
    from napari_sa2va.training.text import prompt_parts, train_tokenizer

    texts = (
        prompt_parts(e.text, 1, 1)[1] + e.answer
        for i in range(_TOKENIZER_MOVIES)
        for e in draw_scene([9, settings.seed, i])[1]
    )
    return train_tokenizer(texts, settings.vocab_size)


def _restore(part: nn.Module, path: Path) -> int:
    """Load a stage's saved weights; return how many steps they have behind them."""
    import torch

    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    part.load_state_dict(saved["weights"])
    return int(saved["step"])
