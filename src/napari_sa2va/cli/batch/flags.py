"""The flags of `napari-sa2va batch`, in the groups in which its help shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from napari_sa2va.batch.logs import LEVELS
from napari_sa2va.batch.objects_table import TABLE_FORMATS
from napari_sa2va.batch.planning.naming import DEFAULT, FIELDS
from napari_sa2va.batch.split import SplitSettings
from napari_sa2va.cli.batch.engine import engine_options
from napari_sa2va.cli.clip_flags import clip_flags
from napari_sa2va.cli.flags import flags_of, preset_flag, settings_flags
from napari_sa2va.cli.outputs import overwrite_flag

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_path = click.Path(path_type=Path)


def _options(*decorators: Decorator) -> list[click.Option]:
    """The options that decorators would give a command, in their order."""

    def command() -> None:
        """Is never called."""

    for decorator in reversed(decorators):
        decorator(command)
    options: list[click.Option] = command.__click_params__  # type: ignore[attr-defined]
    return options[::-1]


_WORK = _options(
    click.option(
        "--into", type=_path, metavar="FOLDER",
        help="The batch folder, for results, logs, table and report. One that is there is brought up "
        "to date and gone on with.  [default: the first input's name with _batch]",
    ),
    click.option(
        "--dry-run", is_flag=True,
        help="Open all movies, and say what would be done, what it takes, and what is wrong: what keeps "
        "the batch from beginning, and what lets single units fail. Nothing is written.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print a dry run for other programs."),
    click.option(
        "--skip-broken", is_flag=True,
        help="Begin although something is known to be wrong, which else nothing begins with: a path that "
        "is not there, a model, names of results, a place that cannot be written to, a disk without "
        "room. Units that it is about fail, and all others are done. Movies that turn out to be "
        "unreadable always fail alone.",
    ),
    click.option(
        "--attempts", type=click.IntRange(1, 100),
        help="Give a unit up that has failed so often.  [default: 2]",
    ),
    overwrite_flag,
    click.option(
        "--table", "table_format", type=click.Choice(TABLE_FORMATS),
        help="Format of the table of all objects.  [default: csv]",
    ),
    click.option(
        "--watch", is_flag=True,
        help="Take up new movies as they come, once nobody writes to them any more. Ctrl-C ends it.",
    ),
    click.option(
        "--log-level", type=click.Choice(LEVELS), default=None,
        help="From which level on messages go into the logs, beside the line of each unit.  "
        "[default: warning]",
    ),
    click.option("--quiet", "-q", is_flag=True, help="Show no progress."),
)  # fmt: skip

_WORKERS = [
    *engine_options(),
    *_options(
        click.option(
            "--write-script", type=_path, metavar="FILE",
            help="Begin nothing, and write an array job of the batch system, for you to submit.",
        ),
        click.option(
            "--allow-other-versions", is_flag=True,
            help="Let workers have other versions of the packages than this machine.",
        ),
    ),
]  # fmt: skip

_UNITS = _options(
    click.option(
        "-p", "--prompt", "prompts", multiple=True, metavar="SENTENCE",
        help="What to find in every movie. May be repeated.",
    ),
    click.option(
        "--prompts", "prompts_file", type=_path, metavar="FILE",
        help="One sentence per line; a blank line begins another set, which is a unit of its own.",
    ),
    click.option(
        "-o", "--output", "outputs", multiple=True, metavar="PATTERN",
        help="Name of the masks of a unit; the ending says the format, and without a folder it goes "
        "into results in the batch folder. May be repeated. In it may stand "
        + "; ".join(f"{{{name}}}: {what}" for name, what in FIELDS.items())
        + f".  [default: {DEFAULT}]",
    ),
    click.option("--format", "kind", metavar="KIND", help="Of each -o whose ending does not say it."),
    click.option(
        "--overlay", type=click.Choice(["png", "mp4"]),
        help="Also draw the masks over each movie: a sheet of frames, or a movie.",
    ),
    click.option("--recursive", "-r", is_flag=True, help="Look into all folders below, too."),
    click.option(
        "--every-series", is_flag=True,
        help="Take a file with several series or positions as so many movies.",
    ),
    clip_flags,
)  # fmt: skip

SECTIONS: dict[str, list[click.Option]] = {
    "The work": _WORK,
    "The workers": _WORKERS,
    "The units": _UNITS,
    "Movies too long or too large for one machine": [
        *(flag.option for flag in flags_of(SplitSettings)),
    ],
    "The settings of a unit": [
        *_options(preset_flag),
        *(flag.option for flag in settings_flags()),
    ],
}
"""All flags, by what they are about."""

NOT_OF_UNITS = frozenset(str(option.name) for option in (*_WORK, *_WORKERS))
"""Flags that do not say what the units are, by their variables."""
