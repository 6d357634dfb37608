"""The files that a command leaves: masks in any of the formats, and the run record beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.core.errors import OutputError, RequestError, Sa2vaError

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Masklet
    from napari_sa2va.pipeline.record import RunRecord
    from napari_sa2va.writers.format import WriteFormat
    from napari_sa2va.writers.result import Result

FORMAT_HELP = (
    "Format of each -o whose ending does not say it, such as davis or ctc; `napari-sa2va formats` "
    "lists them."
)
overwrite_flag = click.option("--overwrite", is_flag=True, help="Replace files that are there.")


def output_flags(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the flags that name the files; `default` says what is written without them."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(
            (
                click.option(
                    "-o", "--output", "outputs", multiple=True, type=click.Path(path_type=Path),
                    help="Where to write the masks; the ending says the format, .ome.tif where "
                    "there is none. May be repeated. The run record goes beside the first as "
                    f".json.  [default: {default}]",
                ),
                click.option("--format", "kind", metavar="KIND", help=FORMAT_HELP),
                click.option(
                    "--overlay", type=click.Path(path_type=Path),
                    help="Also draw the masks over the clip: a .png sheet of frames, or an .mp4 "
                    "movie. The same as one more -o.",
                ),
                overwrite_flag,
            )
        ):  # fmt: skip
            command = option(command)
        return command

    return add


@dataclass(frozen=True)
class Output:
    """A file or folder of masks.

    Attributes
    ----------
    path : Path
        With an ending, where the format has one.
    about : WriteFormat
    """

    path: Path
    about: WriteFormat

    def check(self, *, overwrite: bool, source: Path | str | None = None) -> None:
        """Find out whether it can be written, and is not the source or within it."""
        from napari_sa2va.writers.write import check_place

        if isinstance(source, Path) and not self.about.in_place:
            keep_apart(self.path, source)
        check_place(self.path, self.about, overwrite=overwrite)

    def check_result(self, result: Result) -> None:
        """Find out whether the format can hold a result, and is not its movie.

        Raises
        ------
        OutputError
            If it cannot; it names the file.
        """
        from napari_sa2va.writers.write import check_apart, check_result

        try:
            check_result(self.about, result)
        except OutputError as error:
            message = f"{self.path} cannot be written: {error.message}"
            raise OutputError(message, error.hint) from error
        if not self.about.in_place:
            check_apart(self.path, self.about, result.clip.source)


def outputs_of(paths: Sequence[Path], kind: str | None) -> tuple[Output, ...]:
    """What -o and --format ask for.

    Raises
    ------
    RequestError
        If the format of one of them is not known, or two are the same.
    """
    from napari_sa2va.writers.destination import destination, kind_of_ending
    from napari_sa2va.writers.write import writer_of

    by_ending = {path: kind_of_ending(path) for path in paths}
    if len(by_ending) < len(paths):
        raise RequestError("Two outputs have the same name.", "Give each its own.")
    if kind is not None and kind not in by_ending.values() and all(by_ending.values()):
        writer_of(Path(), kind)  # says if there is no such format
        raise RequestError(
            f"--format {kind} was given, but the endings say {', '.join(by_ending.values())}.",
            "Give an output without an ending, or leave --format out.",
        )
    return tuple(Output(*destination(path, kind)) for path in by_ending)


def _overlay(path: Path) -> Output:
    from napari_sa2va.writers import overlay_movie, overlay_sheet

    for writer in (overlay_sheet, overlay_movie):
        if path.name.lower().endswith(writer.FORMAT.suffixes):
            return Output(path, writer.FORMAT)
    endings = ", ".join((*overlay_sheet.FORMAT.suffixes, *overlay_movie.FORMAT.suffixes))
    raise OutputError(f"The overlay {path} has no known ending.", f"Use one of {endings}.")


def write_outputs(outputs: Sequence[Output], result: Result, *, overwrite: bool) -> None:
    """Write a result to every place, and say where it is and, once for all, what was lost.

    What cannot be written does not keep the others from it.

    Raises
    ------
    Sa2vaError
        At the end: of the first one that could not be written.
    """
    from napari_sa2va.writers.write import write_result

    failed: Sa2vaError | None = None
    notes: dict[str, list[Path]] = {}
    for output in outputs:
        try:
            written = write_result(output.path, result, output.about.kind, overwrite=overwrite)
        except Sa2vaError as error:
            click.echo(f"{output.path} was not written.", err=True)
            failed = failed or error
            continue
        click.echo(f"Wrote {written.path}")
        for warning in written.warnings:
            notes.setdefault(warning, []).append(written.path)
    for note, paths in notes.items():
        click.echo(f"Note on {', '.join(path.name for path in paths)}: {note}", err=True)
    if failed is not None:
        raise failed


@dataclass(frozen=True)
class RunOutputs:
    """The files of one run.

    Attributes
    ----------
    outputs : tuple of Output
        At least one.
    record : Path
    overwrite : bool
    """

    outputs: tuple[Output, ...]
    record: Path
    overwrite: bool

    @classmethod
    def named(
        cls,
        input_path: Path | str,
        outputs: Sequence[Path],
        kind: str | None,
        overlay: Path | None,
        *,
        overwrite: bool,
    ) -> RunOutputs:
        """Name the files, and find out whether all can be written: now, and not after the run.

        Raises
        ------
        RequestError, OutputError, MissingPackage
            If one of them cannot.
        """
        from napari_sa2va.readers.person import stem_of

        paths = outputs or [Path(f"{stem_of(input_path)}_labels")]
        places = outputs_of(paths, kind)
        if overlay is not None:
            places = (*places, _overlay(overlay))
        record = _record_beside(places[0], ".json")
        if any(record == place.path for place in places):
            record = _record_beside(places[0], ".run.json")
        made = cls(places, record, overwrite)
        made._check(input_path)
        return made

    def _check(self, source: Path | str) -> None:
        from napari_sa2va.writers.paths import check_output

        for output in self.outputs:
            output.check(overwrite=self.overwrite, source=source)
        if isinstance(source, Path):
            keep_apart(self.record, source)
        check_output(self.record, overwrite=self.overwrite)

    def check_clip(self, clip: Clip) -> None:
        """Find out whether masks of a clip can be written in these formats, before they are made.

        Raises
        ------
        OutputError
            If they cannot.
        """
        from napari_sa2va.writers.result import of_masklets

        for output in self.outputs:
            output.check_result(of_masklets(clip, []))

    def write(self, clip: Clip, masklets: list[Masklet], record: RunRecord) -> None:
        """Write what there is, finished or not, and say where it is; the cheapest to lose last."""
        from napari_sa2va.writers.record import write_record
        from napari_sa2va.writers.result import of_masklets

        said = record.model_dump(mode="json")
        write_record(self.record, said, overwrite=self.overwrite)
        click.echo(f"Wrote {self.record}")
        if not masklets:
            return
        overlap = record.settings.output.overlap
        result = of_masklets(clip, masklets, overlap=overlap, record=said)
        try:
            write_outputs(self.outputs, result, overwrite=self.overwrite)
        finally:
            for masklet in masklets:
                click.echo(
                    f"{masklet.object_id}. {masklet.name}: on {len(masklet.frames_present)} of "
                    f"{masklet.num_frames} frames"
                    + ("" if masklet.found else " (the model says it is not there)")
                )


def keep_apart(output: Path, source: Path) -> None:
    """Refuse to write over the source, or between the images of a source that is a folder.

    Raises
    ------
    OutputError
    """
    target, there = output.resolve(), source.resolve()
    if target == there or (there.is_dir() and there in target.parents):
        raise OutputError(
            f"The output {output} would overwrite or mix with the input {source}.",
            "Choose another place or name.",
        )


def _record_beside(output: Output, ending: str) -> Path:
    """Where the record goes: beside the masks, and beside a store that they are in."""
    from napari_sa2va.writers.naming import has_ending, without_ending

    path, about = output.path, output.about
    stores = [f for f in path.parents if about.in_place and has_ending(f, about)]
    if stores:
        store = stores[-1]
        return store.with_name(f"{without_ending(store, about)}.{path.name}{ending}")
    return path.with_name(f"{without_ending(path, about)}{ending}")
