"""`napari-sa2va info`: what a file is, as far as its headers say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from napari_sa2va.cli.clip_flags import growing_flag, input_argument, series_flag, series_of
from napari_sa2va.cli.main import DONE
from napari_sa2va.cli.terminal import console
from napari_sa2va.core.axes import unnamed
from napari_sa2va.core.errors import SeriesError

if TYPE_CHECKING:
    from napari_sa2va.core.recording import Recording

_AXES = {
    "T": "time", "Z": "z planes", "C": "channels", "Y": "rows", "X": "columns",
    "S": "colour samples",
}  # fmt: skip


@click.command()
@input_argument
@series_flag
@growing_flag
@click.option("--json", "as_json", is_flag=True, help="Print it for other programs.")
def info(input_path: Path | str, series: str | None, growing: bool, as_json: bool) -> int:
    """Say what INPUT is: format, axes, sizes, units, channels, and how it was read.

    Nothing but headers is read. Of a file with several series it lists them.

    \b
    napari-sa2va info movie.ome.tif
    napari-sa2va info plate.czi --series 2 --json
    """  # fmt: skip
    from napari_sa2va.readers.open import read_recording, reader_of

    about = {"source": str(input_path), "format": reader_of(input_path).FORMAT.title}
    try:
        recording = read_recording(input_path, series=series_of(series), growing=growing)
    except SeriesError as error:
        if series is not None:
            raise
        if as_json:
            choices = [{"series": key, "is": words} for key, words in error.choices]
            click.echo(json.dumps({**about, "series": choices}, indent=1))
        else:
            _print([*about.items(), *((f"series {key}", words) for key, words in error.choices)])
        return DONE
    if as_json:
        click.echo(json.dumps({**about, **_facts(recording)}, indent=1, ensure_ascii=False))
    else:
        _print([*about.items(), *_words(recording)])
    return DONE


def _print(rows: list[tuple[str, str]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in rows:
        table.add_row(title, text)
    console().print(table)


def _facts(recording: Recording) -> dict[str, Any]:
    """All that a recording knows but its pixels, in JSON types."""
    size = recording.pixel_size_um
    return {
        "axes": recording.axes,
        "shape": [int(n) for n in recording.data.shape],
        "dtype": str(recording.data.dtype),
        "pixel_size_um": None if size is None else list(size),
        "z_step_um": recording.z_step_um,
        "frame_interval_s": recording.frame_interval_s,
        "variable_rate": recording.variable_rate,
        "channel_names": list(recording.channel_names),
        "channel_colors": list(recording.channel_colors),
        "window": [list(pair) for pair in recording.window],
        "pyramid": [[int(n) for n in level.shape] for level in recording.pyramid],
        "left_out": list(recording.left_out),
        "notes": list(recording.notes),
    }


def _words(recording: Recording) -> list[tuple[str, str]]:
    """The same for people, without what is not known."""
    num_bytes = recording.data.size * recording.data.dtype.itemsize
    missing = unnamed(recording)
    axes = ", ".join(
        f"{size} {_AXES.get(axis, 'not named')} ({axis if axis in _AXES else '?'})"
        for axis, size in zip(recording.axes, recording.data.shape, strict=True)
    )
    words = [("axes", axes), ("pixels", f"{recording.data.dtype}, {_bytes(num_bytes)}")]
    if missing is not None:
        words.append(("note", str(missing)))
    if recording.pixel_size_um is not None:
        height, width = recording.pixel_size_um
        words.append(("pixel size", f"{height:g} × {width:g} µm (height × width)"))
    if recording.z_step_um is not None:
        words.append(("z step", f"{recording.z_step_um:g} µm"))
    if recording.frame_interval_s is not None:
        varies = ", the median of intervals that vary" if recording.variable_rate else ""
        words.append(("frame interval", f"{recording.frame_interval_s:g} s{varies}"))
    if "C" in recording.axes:
        words += [(f"channel {c}", _channel(recording, c)) for c in range(recording.size("C"))]
    elif recording.window:
        words.append(("shown", "from {:g} to {:g}".format(*recording.window[0])))
    if recording.pyramid:
        levels = ", ".join(
            f"{level.shape[recording.axes.index('Y')]} × {level.shape[recording.axes.index('X')]}"
            for level in recording.pyramid
        )
        words.append(("also at", f"{levels} px"))
    if recording.left_out:
        words.append(("not taken over", ", ".join(recording.left_out)))
    return [*words, *(("note", note) for note in recording.notes)]


def _channel(recording: Recording, c: int) -> str:
    """Name, colour and window of a channel, as far as the file says them."""
    facts = []
    if len(recording.channel_names) == recording.size("C"):
        facts.append(recording.channel_names[c])
    if recording.channel_colors:
        facts.append(recording.channel_colors[c])
    if recording.window:
        low, high = recording.window[c if len(recording.window) > 1 else 0]
        facts.append(f"shown from {low:g} to {high:g}")
    return ", ".join(facts) or "the file says nothing of it"


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
