"""The files that a command leaves: labels, the run record beside them, a picture or movie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.core.errors import OutputError

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Masklet
    from napari_sa2va.pipeline.record import RunRecord

_LABELS_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")


def output_flags(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the flags that name the files; `default` says what is written without them."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(
            (
                click.option(
                    "-o", "--output", type=click.Path(path_type=Path),
                    help="OME-TIFF of labels; the run record goes beside it as .json.  "
                    f"[default: {default}]",
                ),
                click.option(
                    "--overlay", type=click.Path(path_type=Path),
                    help="Also draw the masks over the clip: a .png sheet of frames, or an .mp4 "
                    "movie.",
                ),
                click.option("--overwrite", is_flag=True, help="Replace files that are there."),
            )
        ):  # fmt: skip
            command = option(command)
        return command

    return add


@dataclass(frozen=True)
class Outputs:
    """The files of one run."""

    labels: Path
    record: Path
    overlay: Path | None
    overwrite: bool

    @classmethod
    def named(
        cls, input_path: Path, output: Path | None, overlay: Path | None, *, overwrite: bool
    ) -> Outputs:
        """Name the files; the record stands beside the labels."""
        labels = output or Path(f"{_stem(input_path)}_labels.ome.tif")
        if not labels.name.lower().endswith(_LABELS_SUFFIXES):
            labels = labels.with_name(f"{labels.name}.ome.tif")
        return cls(labels, labels.with_name(f"{_stem(labels)}.json"), overlay, overwrite)

    def check(self, input_path: Path) -> None:
        """Find out now, and not after the run, whether all can be written."""
        from napari_sa2va.writers import overlay_movie, overlay_sheet
        from napari_sa2va.writers.paths import check_output

        known = (*overlay_sheet.FORMAT.suffixes, *overlay_movie.FORMAT.suffixes)
        if self.overlay is not None and self.overlay.suffix.lower() not in known:
            raise OutputError(
                f"The overlay {self.overlay} has no known ending.",
                f"Use one of {', '.join(known)}.",
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
        from napari_sa2va.writers.record import write_record
        from napari_sa2va.writers.result import of_masklets
        from napari_sa2va.writers.write import write_result

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
            write_result(self.overlay, of_masklets(clip, masklets), overwrite=self.overwrite)
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


def _stem(path: Path) -> str:
    """Return the name without its suffix, taking .ome.tif as one."""
    name = path.name
    for suffix in _LABELS_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem or "clip"
