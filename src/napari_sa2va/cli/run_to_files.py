"""A run on the terminal: progress while it works, files when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from napari_sa2va.cli.interrupt import ctrl_c_cancels
from napari_sa2va.cli.main import DONE, INTERRUPTED, NOTHING_FOUND

if TYPE_CHECKING:
    from napari_sa2va.cli.outputs import RunOutputs
    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.prompt import PromptSet
    from napari_sa2va.pipeline.events import Event


def run_to_files(
    clip: Clip,
    prompts: PromptSet,
    events_of: Callable[[CancelToken], Iterable[Event]],
    outputs: RunOutputs,
    *,
    quiet: bool,
) -> int:
    """Let a run come to its end, and write what it found.

    Parameters
    ----------
    clip : Clip
    prompts : PromptSet
    events_of : callable
        From a cancel token to the events of a run.
    outputs : RunOutputs
    quiet : bool
        Whether to show no progress.

    Returns
    -------
    int
        The exit code.
    """
    from napari_sa2va.cli.progress import RunProgress
    from napari_sa2va.pipeline.events import Answered, FrameMasks
    from napari_sa2va.pipeline.rates import learning
    from napari_sa2va.pipeline.sinks import MaskletSink

    sink = MaskletSink(clip, prompts)
    with ctrl_c_cancels() as stop:
        try:
            with RunProgress(quiet=quiet) as progress:
                for event in learning(events_of(stop.token)):
                    sink.take(event)
                    progress.show(event)
                    # Before the first answer there is nothing to keep: Ctrl-C stops at once.
                    stop.politely = stop.politely or isinstance(event, Answered | FrameMasks)
        finally:
            # Also after an error or an interruption: what is finished is not lost.
            stop.politely = True
            record = sink.record
            if record is not None:
                done = record.finished == "done" or sink.frames_done > 0
                # What failed before anything was found leaves no file in the way of the next try.
                told = any(entry.answer for entry in record.objects)
                if done or told or record.finished != "failed":
                    outputs.write(clip, list(sink.masklets.values()) if done else [], record)
    assert record is not None  # the first event carries it
    if record.finished == "cancelled":
        click.echo(
            f"Stopped after {sink.frames_done} of {record.frames_planned} frames; "
            "what was finished is kept.",
            err=True,
        )
        return INTERRUPTED
    return DONE if record.any_found else NOTHING_FOUND
