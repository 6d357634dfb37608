"""`napari-sa2va batch`: many movies, overnight, on one machine or many.

Without the name of another command, it runs a batch: `napari-sa2va batch movies -p "the cell"`.
"""

from __future__ import annotations

import click

from napari_sa2va.cli.batch.control import cancel, pause, remove, resume, retry
from napari_sa2va.cli.batch.flags import SECTIONS
from napari_sa2va.cli.batch.report import report
from napari_sa2va.cli.batch.run import ARGUMENTS, run
from napari_sa2va.cli.batch.status import status
from napari_sa2va.cli.batch.work import work


class _RunUnlessNamed(click.Group):
    """A group of which one command is meant if none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in front that was not named."""
        ctx.meta[ARGUMENTS] = tuple(args)
        if args and args[0] not in self.commands:
            wants_help = any(name in args for name in ctx.help_option_names)
            # By the long name: click keeps the option as its first caller named it, and one that
            # calls this command without the program's settings knows no other.
            args = ["--help"] if wants_help else ["run", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways in which it can be called."""
        formatter.write_usage(ctx.command_path, "INPUTS... -p SENTENCE [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND FOLDER ...", prefix="       ")

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are needed."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first, for the options are many; they are those of the run."""
        self.format_commands(ctx, formatter)
        for title, options in SECTIONS.items():
            records = (option.get_help_record(ctx) for option in options)
            with formatter.section(title):
                formatter.write_dl([record for record in records if record is not None])


@click.group(
    cls=_RunUnlessNamed,
    help=run.help,
    epilog="Exit codes: 0 all done, 1 some found nothing, 2 bad request, 3 some failed, 130 stopped "
    "with all that was done kept.",
)
def batch() -> None:
    """Replaced by the help of the run, which is what most people look for."""


for _command in (run, status, work, pause, resume, cancel, retry, remove, report):
    batch.add_command(_command)
