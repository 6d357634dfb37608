"""Take a folder into the store: for machines without a network, and for checkpoints of one's own."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import CheckpointError, ModelError, OutputError, RequestError
from napari_sa2va.models import store
from napari_sa2va.models.catalogue import KNOWN, NANO, ModelEntry, hub_name, named
from napari_sa2va.models.digests import Digests, Expected, digest, is_model_file, pieces
from napari_sa2va.models.hashes import remember
from napari_sa2va.models.jobs import Job, Meter, gigabytes
from napari_sa2va.models.sa2va.checkpoint import Checkpoint
from napari_sa2va.models.sa2va.tokenizer import has_tokenizer
from napari_sa2va.models.store import FileFacts, Manifest

# What a disk answers that is another one, has no hard links, or has enough of them of one file.
# EINVAL is what Python makes of Windows' answers.
_NO_LINKS = (
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EMLINK,
    errno.EINVAL,
)


def import_model(folder: Path, name: str = "", *, link: bool = False) -> Job[ModelEntry]:
    """Take a checkpoint folder into the store.

    Only the files of the model are taken: weights, configuration and tokenizer, no code. If the
    folder has a manifest, or is one of the hub's cache, its files are checked against that, and the
    hub id and the commit stay known.

    Parameters
    ----------
    folder : Path
    name : str
        What to call it; by default the name of the model that it is recorded to be, or else the
        folder's. A published model's name is given to another folder only if it is named here, and
        the files do not count as that model's then.
    link : bool
        Whether to make hard links instead of copies, which take no room. A program that changes
        the files of the folder then changes the model, too.

    Yields
    ------
    Progress

    Returns
    -------
    ModelEntry

    Raises
    ------
    CheckpointError
        If the folder is not a complete checkpoint that can be run, or a file is not as recorded.
    RequestError
        If the name is taken, is that of another model than the folder is recorded to be, or cannot
        be one.
    OutputError
        If it cannot be copied or linked.
    """
    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder.", "Give the folder that holds config.json.")
    recorded = {file.name: file for file in store.expected_in(folder)}
    hub_id = store.hub_id_of(folder)
    name = name.strip().replace("/", "--").lower() or _name_of(folder, hub_id)
    _require_free(name, folder)
    _require_own_name(name, hub_id, folder)
    _require_checkpoint(folder)
    names = sorted(p.name for p in folder.iterdir() if is_model_file(p.name) and p.is_file())
    names = [n for n in names if n != store.MANIFEST]
    if absent := sorted(recorded.keys() - set(names)):
        raise CheckpointError(
            f"{folder} lacks {absent[0]}, which its record names.", "Copy the folder again."
        )
    sizes = {n: (folder / n).stat().st_size for n in names}
    made, facts = store.import_folder(name), {}
    with store.locked(name):
        store.clear(made)
        made.mkdir(parents=True)
        try:
            _require_room(sum(sizes.values()), made, link=link)
            meter = Meter(sum(sizes.values()))
            for file in names:
                expected = recorded.get(file, Expected(file, sizes[file]))
                digests = yield from _take(folder / file, made / file, expected, meter, link=link)
                if complaint := digests.complaint():
                    raise CheckpointError(
                        f"{file} in {folder} is not as recorded: {complaint}.",
                        "Copy the folder again.",
                    )
                facts[file] = FileFacts(size=digests.size, sha256=digests.sha256)
            origin = store.read_manifest(folder)
            revision = origin.revision if origin else folder.resolve().name if hub_id else ""
            manifest = Manifest(
                hub_id=hub_id,
                revision=revision,
                licence=origin.licence if origin else "",
                files=facts,
            )
            target = store.put_in(name, made, manifest, names)
        except OSError as error:
            raise OutputError(
                f"{error.filename or made}: {error.strerror or error}.",
                "Leave --link out: links reach no other disk." if link else "Check the disk.",
            ) from error
        finally:
            store.clear(made)
    for file, known in facts.items():
        remember(target / file, known.sha256)
    return replace(named(name), hub_id=hub_id, folder=target, place="store", revision=revision)


def require_family(config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that cannot be run, by its configuration.

    Raises
    ------
    CheckpointError
    """
    # Here and not above: the families bring torch, which a list of models does not need.
    from napari_sa2va.models.sa2va.families import family_of

    family_of(config)


def link_or_copy(source: Path, target: Path) -> None:
    """Make a second name of a file, or a second file where the disk does not allow that.

    What `target` was before is replaced and not written to: it may be a second name of another file.
    """
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(source, target)


def _name_of(folder: Path, hub_id: str) -> str:
    if hub_id:
        return hub_name(hub_id)
    # Also one dash for many: two stand for the slash of a hub id.
    name = re.sub(r"[^a-z0-9._]+", "-", folder.resolve().name.lower()).strip("-._")
    # Anybody's fine-tune may lie in a folder that is called like what it was made from.
    return f"{name}-imported" if named(name) in KNOWN else name


def _require_own_name(name: str, hub_id: str, folder: Path) -> None:
    """Refuse the name of a published model for what is recorded to be another one."""
    other = named(name).hub_id
    if hub_id and other and hub_id.lower() != other.lower():
        raise RequestError(
            f"{folder} is {hub_id}, and {name} is the name of {other}.",
            f"Leave --name out, which makes it {hub_name(hub_id)}, or give another.",
        )


def _require_free(name: str, folder: Path) -> None:
    target = store.folder_in_store(name)
    if name == NANO.name:
        raise RequestError("nano is the name of the model that ships.", "Give another: --name.")
    here = folder.resolve()
    if here.parent == store.home().resolve() and here.name in store.names_in_store():
        raise RequestError(
            f"{folder} is in the store already, as {here.name}.", "Nothing is to be done."
        )
    if target.exists() and any(target.iterdir()):
        raise RequestError(
            f"There is a model called {name} already, in {target}.",
            f"Give another name with --name, or first: napari-sa2va models remove {name}.",
        )


def _require_checkpoint(folder: Path) -> None:
    checkpoint = Checkpoint.open(folder)
    require_family(checkpoint.config)
    if not has_tokenizer(folder):
        raise CheckpointError(
            f"{folder} has no tokenizer.",
            "Copy its files too: tokenizer.json, or vocab.json and merges.txt, or tokenizer.model.",
        )


def _require_room(needed: int, folder: Path, *, link: bool) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free and not link:
        raise ModelError(
            f"The copy needs {gigabytes(needed)}, and the disk of {store.home()} has "
            f"{gigabytes(free)} free.",
            f"Make room, use --link, or name another folder with {store.HOME_VARIABLE}.",
        )


def _take(
    source: Path, target: Path, expected: Expected, meter: Meter, *, link: bool
) -> Job[Digests]:
    """Copy or link one file, and hash it on the way."""
    if link:
        os.link(source.resolve(), target)
        return (yield from digest(target, expected, meter))
    digests = Digests(expected)
    yield meter.step("Copying", expected.name)
    with target.open("xb") as out:
        for piece in pieces(source):
            out.write(piece)
            digests.take(piece)
            yield meter.step("Copying", expected.name, len(piece))
    return digests
