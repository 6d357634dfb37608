"""`napari-sa2va segment`: a file and a sentence in, labels and a run record out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.cli.flags import apply_flags, settings_flags
from napari_sa2va.cli.main import DONE, INTERRUPTED, NOTHING_FOUND
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import OutputError, RequestError
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.presets import DEFAULT_PRESET, DESCRIPTIONS, PRESETS, preset

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Masklet
    from napari_sa2va.pipeline.record import RunRecord

_LABELS_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")


@click.command()
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
    outputs = _Outputs.named(input_path, output, overlay, overwrite=overwrite)
    outputs.check(input_path)
    clip = _open(input_path, values)

    from napari_sa2va.cli.progress import RunProgress
    from napari_sa2va.pipeline.events import Answered, FrameMasks
    from napari_sa2va.pipeline.run import run
    from napari_sa2va.pipeline.sinks import MaskletSink

    sink = MaskletSink(clip, prompts)
    with _ctrl_c_cancels() as stop:
        try:
            with RunProgress(quiet=quiet) as progress:
                for event in run(
                    clip, prompts, settings, answers=answer or None, cancel=stop.token
                ):
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


# After the flags of the command itself, those of the settings.
segment.params += [flag.option for flag in settings_flags()]


@dataclass(frozen=True)
class _Outputs:
    """The files of one run."""

    labels: Path
    record: Path
    overlay: Path | None
    overwrite: bool

    @classmethod
    def named(
        cls, input_path: Path, output: Path | None, overlay: Path | None, *, overwrite: bool
    ) -> _Outputs:
        """Name the files; the record stands beside the labels."""
        labels = output or Path(f"{_stem(input_path)}_labels.ome.tif")
        if not labels.name.lower().endswith(_LABELS_SUFFIXES):
            labels = labels.with_name(f"{labels.name}.ome.tif")
        return cls(labels, labels.with_name(f"{_stem(labels)}.json"), overlay, overwrite)

    def check(self, input_path: Path) -> None:
        """Find out now, and not after the run, whether all can be written."""
        from napari_sa2va.writers.overlay import overlay_suffixes
        from napari_sa2va.writers.paths import check_output

        if self.overlay is not None and self.overlay.suffix.lower() not in overlay_suffixes():
            raise OutputError(
                f"The overlay {self.overlay} has no known ending.",
                f"Use one of {', '.join(overlay_suffixes())}.",
            )
        for path in (self.labels, self.record, self.overlay):
            if path is None:
                continue
            _keep_apart(path, input_path)
            check_output(path, overwrite=self.overwrite)

    def write(self, clip: Clip, masklets: list[Masklet], record: RunRecord) -> None:
        """Write what there is, finished or not, and say where it is; the cheapest to lose last."""
        from napari_sa2va.core.masklet import label_frames
        from napari_sa2va.writers.label_tiff import write_labels_tiff
        from napari_sa2va.writers.overlay import write_overlay
        from napari_sa2va.writers.record import write_record

        write_record(self.record, record.model_dump(mode="json"), overwrite=self.overwrite)
        click.echo(f"Wrote {self.record}")
        if not masklets:
            return
        write_labels_tiff(
            self.labels,
            clip,
            label_frames(masklets, record.settings.output.overlap),
            names={m.object_id: m.name for m in masklets},
            overwrite=self.overwrite,
        )
        click.echo(f"Wrote {self.labels}")
        if self.overlay is not None:
            write_overlay(self.overlay, clip, masklets, overwrite=self.overwrite)
            click.echo(f"Wrote {self.overlay}")
        for masklet in masklets:
            click.echo(
                f"{masklet.object_id}. {masklet.name}: on {len(masklet.frames_present)} of "
                f"{masklet.num_frames} frames"
                + ("" if masklet.found else " (the model says it is not there)")
            )


def _keep_apart(output: Path, input_path: Path) -> None:
    """Refuse to write over the input, or between the images of an input folder."""
    target, source = output.resolve(), input_path.resolve()
    if target == source or (source.is_dir() and source in target.parents):
        raise OutputError(
            f"The output {output} would overwrite or mix with the input {input_path}.",
            "Choose another place or name.",
        )


def _open(path: Path, values: dict[str, Any]) -> Clip:
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


def _stem(path: Path) -> str:
    """Return the name without its suffix, taking .ome.tif as one."""
    name = path.name
    for suffix in _LABELS_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem or "clip"


@dataclass
class _Stop:
    """How Ctrl-C stops a run: politely once there is something to keep."""

    token: CancelToken
    politely: bool = False

    def on_signal(self, number: int, frame: Any) -> None:
        """Take a Ctrl-C: the first may be polite, another one interrupts at once."""
        if self.token.cancelled or not self.politely:
            raise KeyboardInterrupt
        click.echo("Stopping after this frame; press Ctrl-C again to stop at once.", err=True)
        self.token.cancel()


@contextmanager
def _ctrl_c_cancels() -> Iterator[_Stop]:
    """Take Ctrl-C over while a run and the writing of its results last."""
    stop = _Stop(CancelToken())
    before = signal.signal(signal.SIGINT, stop.on_signal)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
