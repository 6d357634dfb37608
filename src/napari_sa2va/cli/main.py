"""The command `napari-sa2va`: its subcommands, and how errors become exit codes."""

from __future__ import annotations

import shlex
import sys
import traceback
from importlib import import_module
from importlib.metadata import version

import click

from napari_sa2va.core.errors import Sa2vaError, SeriesError

DONE, NOTHING_FOUND, BAD_REQUEST, FAILED, INTERRUPTED = 0, 1, 2, 3, 130

# Subcommand -> module that defines it under the same name. Loaded when asked for.
COMMANDS = {
    "segment": "napari_sa2va.cli.segment",
    "ask": "napari_sa2va.cli.ask",
    "caption": "napari_sa2va.cli.caption",
    "describe": "napari_sa2va.cli.describe",
    "batch": "napari_sa2va.cli.batch.command",
    "replay": "napari_sa2va.cli.replay",
    "project": "napari_sa2va.cli.project",
    "export": "napari_sa2va.cli.export",
    "info": "napari_sa2va.cli.info",
    "formats": "napari_sa2va.cli.formats",
    "models": "napari_sa2va.cli.models",
    "train": "napari_sa2va.cli.train",
    "evaluate": "napari_sa2va.cli.evaluate",
    "doctor": "napari_sa2va.cli.doctor",
}


class _LazyGroup(click.Group):
    """Imports a subcommand's module only when that subcommand is used or its help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 ran but found nothing, 2 bad request, 3 failed, 130 stopped by "
    "Ctrl-C with what was finished kept.",
)
@click.option(
    "--offline", is_flag=True,
    help="Touch no network; what is not on this machine is an error. NAPARI_SA2VA_OFFLINE=1 and "
    "HF_HUB_OFFLINE=1 do the same.",
)  # fmt: skip
@click.version_option(version("napari-sa2va"), prog_name="napari-sa2va")
@click.pass_context
def app(ctx: click.Context, offline: bool) -> None:
    """Type a sentence, get that object's masks through a whole video."""
    if offline:
        from napari_sa2va.models import hub

        ctx.with_resource(hub.offline())


def entry_point() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.

    Returns
    -------
    int
        0 done, 1 ran but found nothing, 2 bad request, 3 failed, 130 stopped by Ctrl-C.
    """
    try:
        code = app.main(args=arguments, prog_name="napari-sa2va", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return BAD_REQUEST
    except Sa2vaError as error:
        _say(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return INTERRUPTED
    except Exception:  # ours or a library's fault: not "found nothing", which Python's 1 would say
        traceback.print_exc()
        click.echo("This should not happen. Please report it with the lines above.", err=True)
        return FAILED
    return code if isinstance(code, int) else DONE


def _say(error: Sa2vaError) -> None:
    click.echo(click.style("Error: ", fg="red", bold=True, reset=True) + error.message, err=True)
    if error.hint:
        click.echo(f"What to do: {error.hint}", err=True)
    if isinstance(error, SeriesError):
        for key, words in error.choices:
            click.echo(f"  --series {shlex.quote(str(key))}  {words}", err=True)
