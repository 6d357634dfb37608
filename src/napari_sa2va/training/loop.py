"""The loop all stages share: optimisers, warm-up, cosine decay, clipping, saving, reporting."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

WARMUP = 100  # steps over which the learning rate rises
REPORT_EVERY = 20
SAVE_EVERY = 200


class _Stream(IterableDataset):
    """An endless generator as a data set; each worker takes its own share of the seeds."""

    def __init__(self, make: Callable[[int], Iterator[Any]], seed: int) -> None:
        self.make, self.seed = make, seed

    def __iter__(self) -> Iterator[Any]:
        return self.make(self.seed)


def prefetch(make: Callable[[int], Iterator[Any]], seed: int) -> Iterable[Any]:
    """Draw batches in one background process, so that drawing does not hold up training.

    Parameters
    ----------
    make : callable
        From a seed to an endless iterator of batches; must be picklable or fork-safe.
    seed : int
    """
    return DataLoader(_Stream(make, seed), batch_size=None, num_workers=1, prefetch_factor=4)


def optimise(
    parameters: list[torch.nn.Parameter],
    batches: Iterable[Any],
    loss_of: Callable[[Any, int], tuple[torch.Tensor, dict[str, float]]],
    *,
    steps: int,
    learning_rate: float,
    matrices: list[torch.nn.Parameter] | None = None,
    matrix_rate: float = 0.0,
    first_step: int = 0,
    report: Callable[[int, dict[str, float]], None],
    keep: torch.nn.Module,
    path: Path,
) -> None:
    """Minimise a loss over a stream of batches.

    Every `SAVE_EVERY` steps and at the end the weights go to `path`, and beside it the optimisers'
    moments, so that training can go on from there.

    Parameters
    ----------
    parameters : list of Parameter
        What learns with AdamW.
    batches : iterable
    loss_of : callable
        From a batch and the step to a scalar loss and numbers worth reporting.
    steps : int
        Length of the schedule.
    learning_rate : float
        Its peak.
    matrices : list of Parameter, optional
        What learns with Muon: the inner matrices of transformers, which then need about half the
        steps. Their updates are scaled to the size that AdamW's would have.
    matrix_rate : float
        The peak of their learning rate.
    first_step : int
        Where to go on in the schedule.
    report : callable
        Called with the step and averages since the last call.
    keep : Module
        Whose weights are saved.
    path : Path
    """
    moments = path.with_suffix(".optimiser")
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    ]
    if matrices:
        optimisers.append(
            torch.optim.Muon(
                matrices, lr=matrix_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
            )
        )
    peaks = (learning_rate, matrix_rate)
    learning = [*parameters, *(matrices or [])]
    if first_step and moments.exists():
        saved = torch.load(moments, weights_only=True)
        for optimiser, state in zip(optimisers, saved, strict=True):
            optimiser.load_state_dict(state)
    sums: dict[str, float] = {}
    clock = time.perf_counter()
    for step, batch in enumerate(islice(batches, steps - first_step), start=first_step):
        share = min((step + 1) / WARMUP, 1.0)
        share *= 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / steps))
        for optimiser, peak in zip(optimisers, peaks, strict=False):
            for group in optimiser.param_groups:
                group["lr"] = peak * share
            optimiser.zero_grad(set_to_none=True)
        loss, values = loss_of(batch, step)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(learning, 1.0)
        if torch.isfinite(norm):
            for optimiser in optimisers:
                optimiser.step()
        for key, value in {"loss": loss.item(), **values}.items():
            sums[key] = sums.get(key, 0.0) + value
        if (step + 1) % REPORT_EVERY == 0:
            means = {k: v / REPORT_EVERY for k, v in sums.items()}
            means["seconds_per_step"] = (time.perf_counter() - clock) / REPORT_EVERY
            report(step + 1, means)
            sums, clock = {}, time.perf_counter()
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            torch.save({"weights": keep.state_dict(), "step": step + 1}, path)
            torch.save([o.state_dict() for o in optimisers], moments)


def inner_matrices(
    module: torch.nn.Module,
) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """Split what a module learns into the matrices of its linear layers, and the rest.

    Embeddings and the output words belong to the rest: their rows learn on their own.
    """
    matrices = {
        id(inner.weight)
        for name, inner in module.named_modules()
        if isinstance(inner, torch.nn.Linear) and not name.endswith("lm_head")
    }
    learning = [p for p in module.parameters() if p.requires_grad]
    return [p for p in learning if id(p) in matrices], [
        p for p in learning if id(p) not in matrices
    ]
