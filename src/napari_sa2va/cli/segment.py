"""`napari-sa2va segment`: a file and a sentence in, labels and a run record out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from napari_sa2va.cli.flags import apply_flags, settings_flags
from napari_sa2va.cli.main import DONE, INTERRUPTED, NOTHING_FOUND
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import OutputError, RequestError
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.presets import DEFAULT_PRESET, DESCRIPTIONS, PRESETS, preset

_LABELS_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")


@click.command(params=[flag.option for flag in settings_flags()])
@click.argument("input_path", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("sentence")
@click.option("--prompt", "-p", "more", multiple=True, help="One more sentence; may be repeated.")
@click.option(
    "--preset", "preset_name", default=DEFAULT_PRESET, show_default=True,
    type=click.Choice(list(PRESETS)),
    help=" ".join(f"{name}: {text}" for name, text in DESCRIPTIONS.items()),
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path),
    help="OME-TIFF of labels; the run record goes beside it as .json.  [default: INPUT's name "
    "with _labels.ome.tif, in the current folder]",
)  # fmt: skip
@click.option(
    "--overlay", type=click.Path(path_type=Path),
    help="Also draw the masks over the clip: a .png sheet of frames, or an .mp4 movie.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option("--axes", help="Axes of the data, such as TZCYX, where the file does not say.")
@click.option("--time", "time_axis", help="Axis that plays as time, such as T or Z.")
@click.option("--z", help="Which z: a plane's number, max or mean.")
@click.option("--channels", help="One to three channels (number or name), as red,green,blue.")
@click.option("--limits", help="Intensities shown black and white: low,high.")
@click.option("--series", type=int, help="Which image of a file that holds several.")
@click.option(
    "--answer", multiple=True,
    help="Take this answer instead of asking the model, once per sentence.",
)  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.pass_context
def segment(
    ctx: click.Context,
    input_path: Path,
    sentence: str,
    more: tuple[str, ...],
    preset_name: str,
    output: Path | None,
    overlay: Path | None,
    overwrite: bool,
    answer: tuple[str, ...],
    quiet: bool,
    **values: Any,
) -> int:
    """Segment what SENTENCE names in every frame of INPUT.

    INPUT is a TIFF stack, a video, a DICOM file or a folder of numbered images.

    \b
    napari-sa2va segment movie.tif "the bright cell" -o cell.ome.tif --overlay cell.png
    """
    settings = apply_flags(preset(preset_name), values)
    prompts = PromptSet.from_texts([sentence, *more])
    labels_path = output or Path(f"{_stem(input_path)}_labels.ome.tif")
    labels_path = labels_path if _is_tiff(labels_path) else Path(f"{labels_path}.ome.tif")
    record_path = labels_path.with_name(f"{_stem(labels_path)}.json")
    if overlay is not None and overlay.suffix.lower() not in (".png", ".mp4"):
        raise OutputError(f"The overlay {overlay} is no .png or .mp4.", "Choose one of the two.")

    from napari_sa2va.writers.paths import check_output

    for path in (labels_path, record_path, overlay):
        if path is not None:
            check_output(path, overwrite=overwrite)
    clip = _open(input_path, values)

    from napari_sa2va.cli.progress import RunProgress
    from napari_sa2va.pipeline.run import run
    from napari_sa2va.pipeline.sinks import MaskletSink

    sink = MaskletSink(clip, prompts)
    try:
        with _ctrl_c_cancels() as cancel, RunProgress(quiet=quiet) as progress:
            for event in run(clip, prompts, settings, answers=answer or None, cancel=cancel):
                sink.take(event)
                progress.show(event)
    finally:
        if sink.record is not None and (sink.frames_done or sink.record.finished):
            _write(clip, sink, settings.output.overlap, labels_path, record_path, overlay)
    record = sink.record
    assert record is not None  # the run did not raise, so it finished
    if record.finished == "cancelled":
        click.echo(
            f"Stopped after {sink.frames_done} of {record.frames_planned} frames; "
            "what was finished is kept.",
            err=True,
        )
        return INTERRUPTED
    return DONE if record.any_found else NOTHING_FOUND


def _write(
    clip: Any, sink: Any, overlap: Any, labels_path: Path, record_path: Path, overlay: Path | None
) -> None:
    """Write what there is, finished or not, and say where it is."""
    from napari_sa2va.core.masklet import label_frames
    from napari_sa2va.writers.label_tiff import write_labels_tiff
    from napari_sa2va.writers.overlay import write_overlay
    from napari_sa2va.writers.record import write_record

    masklets = list(sink.masklets.values())
    names = {m.object_id: m.name for m in masklets}
    write_labels_tiff(labels_path, clip, label_frames(masklets, overlap), names=names)
    write_record(record_path, sink.record.model_dump(mode="json"))
    written = [labels_path, record_path]
    if overlay is not None:
        write_overlay(overlay, clip, masklets)
        written.append(overlay)
    for masklet in masklets:
        seen = len(masklet.frames_present)
        click.echo(
            f"{masklet.object_id}. {masklet.name}: on {seen} of {masklet.num_frames} frames"
            + ("" if masklet.found else " (the model says it is not there)")
        )
    click.echo("Wrote " + ", ".join(str(path) for path in written))


def _open(path: Path, values: dict[str, Any]) -> Any:
    from napari_sa2va.readers.open import open_clip

    limits = values["limits"]
    channels = values["channels"]
    z = values["z"]
    return open_clip(
        path,
        axes=values["axes"],
        time=values["time_axis"],
        z=int(z) if z is not None and z.isdecimal() else z,
        channels=None if channels is None else [_number(c) for c in channels.split(",")],
        limits=None if limits is None else _limits(limits),
        series=values["series"],
    )


def _limits(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(
            f"--limits {text!r} is not two numbers.", "Write them as low,high, such as 100,4000."
        ) from None
    return low, high


def _number(text: str) -> int | str:
    return int(text) if text.strip().isdecimal() else text.strip()


def _is_tiff(path: Path) -> bool:
    return path.name.lower().endswith(_LABELS_SUFFIXES)


def _stem(path: Path) -> str:
    """Return the name without its suffix, taking .ome.tif as one."""
    name = path.name
    for suffix in _LABELS_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem or "clip"


@contextmanager
def _ctrl_c_cancels() -> Iterator[CancelToken]:
    """Turn the first Ctrl-C into a polite stop; a second one interrupts at once."""
    token = CancelToken()

    def on_signal(number: int, frame: Any) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        click.echo("Stopping after this frame; press Ctrl-C again to stop at once.", err=True)
        token.cancel()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, before)
