"""`napari-sa2va models pull | verify | remove | import`: the files of models on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from napari_sa2va.cli.main import DONE, FAILED
from napari_sa2va.core.errors import RequestError
from napari_sa2va.models.jobs import gigabytes

_quiet = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")


@click.command()
@click.argument("name")
@click.option(
    "--revision", default="",
    help="Commit, branch or tag.  [default: the one that is here, or else the newest]",
)  # fmt: skip
@click.option(
    "--endpoint", default="", metavar="URL",
    help="Address of a mirror of the hub.  [default: HF_ENDPOINT, or https://huggingface.co]",
)  # fmt: skip
@click.option("--again", is_flag=True, help="Fetch files whose bytes are wrong once more.")
@_quiet
def pull(name: str, revision: str, endpoint: str, again: bool, quiet: bool) -> int:
    """Download a model, or the rest of one, and check the SHA-256 of every file.

    NAME is a model's name or its hub id. Only weights (safetensors), configuration and tokenizer
    are fetched, never code. A download that was stopped goes on where it was. A model stays at the
    commit at which it was fetched first, unless --revision names another.
    """
    from napari_sa2va.cli.progress import run_job
    from napari_sa2va.models import fetching, hub
    from napari_sa2va.models.zoo import find

    entry = find(name)
    if entry.folder is None and entry.hub_id:
        size = f" (about {gigabytes(entry.download_bytes)})" if entry.download_bytes else ""
        click.echo(
            f"Fetching {entry.hub_id}{size}. Licence and terms: "
            f"{hub.page_of(entry.hub_id, endpoint)}",
            err=True,
        )
    try:
        pulled = run_job(
            fetching.pull(entry, revision=revision, endpoint=endpoint, again=again), quiet=quiet
        )
    except KeyboardInterrupt:
        click.echo("What has arrived is kept; the same command goes on from there.", err=True)
        raise
    came = f"{gigabytes(pulled.num_fetched)} fetched" if pulled.num_fetched else "nothing to fetch"
    click.echo(f"{pulled.entry.name} is in {pulled.entry.folder}: all files checked, {came}.")
    if pulled.entry.revision:
        click.echo(f"Revision {pulled.entry.revision}.")
    if pulled.licence:
        click.echo(f"Licence, as its page states it: {pulled.licence}.")
    return DONE


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_quiet
def verify(names: tuple[str, ...], quiet: bool) -> int:
    """Read every file of models and compare it with its recorded SHA-256.

    Without a NAME, all models on this machine. Needs no network.
    """
    from napari_sa2va.cli.progress import run_job
    from napari_sa2va.models import checking, store
    from napari_sa2va.models.zoo import find, known_models

    # A model that lost a file is no model any more, but it is still one to verify.
    here = [e for e in known_models() if e.folder or store.read_manifest(store.home() / e.name)]
    entries = [find(name) for name in names] if names else here
    code = DONE
    for entry in entries:
        verdict = run_job(checking.verify(entry), quiet=quiet)
        if verdict.wrong:
            code = FAILED
            click.echo(f"{entry.name}: {len(verdict.wrong)} wrong.")
            for file, how in verdict.wrong.items():
                click.echo(f"  {file}: {how}")
            if entry.hub_id:
                click.echo(f"  To mend it: napari-sa2va models pull {entry.name} --again")
        elif verdict.num_files:
            click.echo(f"{entry.name}: all {verdict.num_files} files are as recorded.")
        else:
            click.echo(
                f"{entry.name}: no hashes are recorded; the weights are as long as they say."
            )
    return code


@click.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> int:
    """Delete a model that was pulled or imported, and what there is of a download of it.

    Only its own files are deleted. Folders that were put there by hand, and the hub's cache, are
    left alone.
    """
    from napari_sa2va.models import store
    from napari_sa2va.models.zoo import find

    entry = find(name)
    if entry.place == "folder":
        raise RequestError(
            f"{name} is a folder outside the folder of models.", "Delete it by hand."
        )
    store.check_removable(entry.name)
    if not yes:
        click.confirm(f"Delete {entry.name} from {store.folder_in_store(entry.name)}?", abort=True)
    freed, left = store.remove(entry.name)
    click.echo(f"{entry.name} is deleted, {gigabytes(freed)} are free.")
    if left:
        where = store.folder_in_store(entry.name)
        click.echo(f"Not the model's, and left in {where}: {', '.join(left)}.")
    return DONE


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", default="", help="What to call it.  [default: what it is, or the folder's]")
@click.option(
    "--link", is_flag=True,
    help="Make hard links instead of copies, on the same disk. Whoever then changes the files of "
    "FOLDER changes the model.",
)  # fmt: skip
@_quiet
def import_folder(folder: Path, name: str, link: bool, quiet: bool) -> int:
    """Take a checkpoint folder into the folder of models, after checking it.

    For a machine without a network: pull the model on another one, carry its folder over, and
    import it here. What was recorded of its files there is checked here.
    """
    from napari_sa2va.cli.progress import run_job
    from napari_sa2va.models.importing import import_model

    entry = run_job(import_model(folder, name, link=link), quiet=quiet)
    click.echo(f"{entry.name} is in {entry.folder}. Use it: --model {entry.name}.")
    return DONE
