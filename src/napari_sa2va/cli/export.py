"""`napari-sa2va export`: masks that are there already, in any of the formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.cli.clip_flags import clip_flags, open_input, series_of
from napari_sa2va.cli.main import DONE
from napari_sa2va.cli.outputs import FORMAT_HELP, outputs_of, overwrite_flag, write_outputs
from napari_sa2va.core.errors import RequestError

if TYPE_CHECKING:
    from napari_sa2va.core.masklet import Overlap
    from napari_sa2va.writers.result import Result


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "outputs", multiple=True, required=True, type=click.Path(path_type=Path),
    help="Where to write; the ending says the format, .ome.tif where there is none. May be "
    "repeated.",
)  # fmt: skip
@click.option("--format", "kind", metavar="KIND", help=FORMAT_HELP)
@click.option(
    "--overlap", type=click.Choice(["last", "first"]),
    help="Which of two overlapping objects keeps a pixel, in the order of their ids, where a format "
    "has one object per pixel.  [default: as the last run was told]",
)  # fmt: skip
@click.option(
    "--input", "input_path", metavar="FILE", type=click.Path(path_type=Path),
    help="The movie. Of a project it is only needed if it is not where it was, of labels for "
    "formats that show it or refer to it; the flags below say how it is read.",
)  # fmt: skip
@overwrite_flag
@clip_flags
def export(
    source: Path,
    outputs: tuple[Path, ...],
    kind: str | None,
    overlap: Overlap | None,
    input_path: Path | None,
    overwrite: bool,
    **values: Any,
) -> int:
    """Write the masks of SOURCE in other formats.

    SOURCE is a project folder, or a file of labels: OME-TIFF, OME-Zarr, numbered images or anything
    else that is read here and holds whole numbers, whichever program wrote it.

    \b
    napari-sa2va export cells.sa2va -o cells.ome.tif -o cells.coco.json -o cells.csv
    napari-sa2va export labels.ome.tif --input movie.tif -o overlay.mp4
    napari-sa2va export cells.sa2va --format ctc -o 01_RES
    """  # fmt: skip
    wanted = outputs_of(outputs, kind)
    for output in wanted:
        output.check(overwrite=overwrite, source=source)
    is_project = source.name == "project.json" or (source / "project.json").is_file()
    if is_project:
        result = _of_project(source, input_path, overlap)
    elif overlap is not None:
        raise RequestError(
            f"--overlap was given, but in {source} no object overlaps another.", "Leave it out."
        )
    else:
        result = _of_labels(source, input_path, values)
        for note in result.clip.notes:
            click.echo(f"Note: {note}", err=True)
    for output in wanted:
        output.check_result(result)  # before the first is written: a repeat would find it there
    write_outputs(wanted, result, overwrite=overwrite)
    return DONE


def _of_project(folder: Path, input_path: Path | None, overlap: Overlap | None) -> Result:
    from napari_sa2va.project.find_clip import find_footage
    from napari_sa2va.project.folder import open_project
    from napari_sa2va.project.result import result_of

    project = open_project(folder)
    if input_path is not None:
        project.footage = find_footage(folder, video=input_path)
    return result_of(project, overlap=overlap)


def _of_labels(path: Path, input_path: Path | None, values: dict[str, Any]) -> Result:
    from napari_sa2va.project.labels_file import result_of_labels

    if input_path is not None:
        return result_of_labels(path, clip=open_input(input_path, values))
    return result_of_labels(path, series=series_of(values["series"]))
