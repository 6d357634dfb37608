"""The folder of models on this machine: what lies where, and what is recorded of it.

    HOME/sa2va-4b/          a model: its files, and the manifest that says what they should hold
    HOME/.pull/sa2va-4b/    a download that is not complete yet
    HOME/.import/           a copy that is not complete yet

HOME is what the variable NAPARI_SA2VA_HOME names, or a folder beside the hub's cache. The hub's
cache is looked into as well, and never written to. Only files that a manifest names are ever
deleted, and no link is ever followed to do so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_sa2va.core.errors import CheckpointError, ModelError, RequestError
from napari_sa2va.models.catalogue import NANO, ModelEntry, Place, named
from napari_sa2va.models.digests import Expected, is_model_file
from napari_sa2va.models.sa2va.checkpoint import weight_files
from napari_sa2va.models.sa2va.tokenizer import has_tokenizer

HOME_VARIABLE = "NAPARI_SA2VA_HOME"
MANIFEST = "napari-sa2va.json"

_PULLS, _IMPORTS = ".pull", ".import"
_CONFIG = "config.json"
# No leading dot, no slash: such a name can only be that of a folder in the store.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


class FileFacts(BaseModel):
    """What one file of a model holds."""

    model_config = ConfigDict(frozen=True)

    size: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256.pattern)


class Manifest(BaseModel):
    """What was put into the store under one name, and where it came from.

    Attributes
    ----------
    hub_id, revision : str
        The model on the hub, and the commit that all files are of; empty if not known.
    endpoint : str
        The hub or the mirror that it was fetched from; empty if it was imported.
    licence : str
        As the model's page stated it.
    added : datetime
    files : dict of str to FileFacts
    """

    model_config = ConfigDict(frozen=True)

    hub_id: str = ""
    revision: str = ""
    endpoint: str = ""
    licence: str = ""
    added: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    files: dict[str, FileFacts]

    @field_validator("files")
    @classmethod
    def _names_stay_in_the_folder(cls, files: dict[str, FileFacts]) -> dict[str, FileFacts]:
        """Refuse other names: what a manifest names is deleted on request."""
        astray = [name for name in files if not is_model_file(name)]
        if astray:
            raise ValueError(f"{astray[0]!r} is no file of a model")
        return files

    def is_of(self, hub_id: str) -> bool:
        """Whether the files are recorded to be those of a model on the hub, which ignores case."""
        return bool(hub_id) and self.hub_id.lower() == hub_id.lower()

    @property
    def expected(self) -> list[Expected]:
        """What each file should hold."""
        return [Expected(name, f.size, f.sha256) for name, f in sorted(self.files.items())]

    @property
    def num_bytes(self) -> int:
        """Size of all files."""
        return sum(facts.size for facts in self.files.values())


def home() -> Path:
    """The folder of all models that this package fetched or imported; it need not exist."""
    value = os.environ.get(HOME_VARIABLE)
    if value:
        return Path(value).expanduser()
    from huggingface_hub.constants import HF_ASSETS_CACHE

    # The hub's client keeps this folder for libraries; it goes where HF_HOME says.
    return Path(HF_ASSETS_CACHE).expanduser() / "napari-sa2va" / "models"


def folder_in_store(name: str) -> Path:
    """Where a model of this name lies in the store.

    Raises
    ------
    RequestError
        If this cannot be a name.
    """
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"{name!r} cannot be the name of a model.",
            "Use small letters, digits, dots, dashes and underscores.",
        )
    return home() / name


def pull_folder(name: str) -> Path:
    """Where a download of this name is put together."""
    return home() / _PULLS / folder_in_store(name).name


def import_folder(name: str) -> Path:
    """Where a copy of this name is put together."""
    return home() / _IMPORTS / folder_in_store(name).name


def arrived_bytes(name: str) -> int:
    """How much of a download that is not complete has arrived."""
    folder = pull_folder(name)
    files = folder.iterdir() if folder.is_dir() else ()
    return sum(path.stat().st_size for path in files if not path.name.startswith("."))


def names_in_store() -> list[str]:
    """The names of all folders in the store, complete or not."""
    try:
        found = [path.name for path in home().iterdir() if path.is_dir()]
    except OSError:  # not there yet, or not ours to read
        return []
    return sorted(name for name in found if _NAME.fullmatch(name))


def locate(entry: ModelEntry) -> tuple[Path | None, Place, str]:
    """Where a model's weights are, whose folder that is, and the commit they are of.

    Looks in the package (nano only), the store and the hub's cache, in this order. A folder of the
    store that is recorded to be of another model is not it.
    """
    candidates: list[tuple[Path, Place]] = []
    if entry.name == NANO.name:
        candidates.append((Path(__file__).parent / "nano", "package"))
    if not _is_of_another(home() / entry.name, entry.hub_id):
        candidates.append((home() / entry.name, "store"))
    if entry.hub_id:
        candidates += [(path, "hub cache") for path in snapshots(entry.hub_id)]
    for folder, place in candidates:
        if is_complete(folder):
            return folder, place, _revision_of(folder, place)
    return None, "", ""


def _is_of_another(folder: Path, hub_id: str) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and bool(manifest.hub_id and hub_id) and not manifest.is_of(hub_id)


def is_complete(folder: Path) -> bool:
    """Whether all that a run needs is there, which it is not after a download was cut off."""
    if not (folder / _CONFIG).is_file() or not has_tokenizer(folder):
        return False
    try:
        return bool(weight_files(folder))
    except CheckpointError:
        return False


def snapshots(hub_id: str) -> list[Path]:
    """Snapshots of a model in the hub's cache, newest first."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    if not folder.is_dir():
        return []
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)


def _revision_of(folder: Path, place: Place) -> str:
    if place == "hub cache":
        return folder.name
    manifest = read_manifest(folder)
    return manifest.revision if manifest else ""


# -- manifests ---------------------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None if there is none, or none that makes sense."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest at once, so that no other process reads half of one."""
    new = folder / f".{MANIFEST}.{os.getpid()}"
    try:
        new.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        new.replace(folder / MANIFEST)
    finally:
        new.unlink(missing_ok=True)


def expected_in(folder: Path) -> list[Expected]:
    """What is recorded of the files of a folder, wherever it lies.

    From its manifest, or, in the hub's cache, from the names of the blobs that its links lead to:
    a large file's is its SHA-256 and a small one's is git's hash. The hub's client keeps all that is
    published, of which the files that make up a model count. Empty if nothing is recorded.
    """
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest.expected
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        is_wanted = is_model_file(path.name) and path.is_symlink()
        blob = Path(os.readlink(path)).name if is_wanted else ""
        if _SHA256.fullmatch(blob):
            found.append(Expected(path.name, sha256=blob))
        elif _SHA1.fullmatch(blob) and path.is_file():
            found.append(Expected(path.name, path.stat().st_size, git_sha1=blob))
    return found


def hub_id_of(folder: Path) -> str:
    """The hub id of a folder of the store or of the hub's cache; empty if it does not tell."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest.hub_id
    cached = folder.resolve().parent
    prefix, _, rest = cached.parent.name.partition("--")
    if cached.name == "snapshots" and prefix == "models":
        return rest.replace("--", "/")
    return ""


# -- putting in and taking out -----------------------------------------------------------------


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep other processes from changing a model while this one does.

    Raises
    ------
    ModelError
        If another one is at it.
    """
    from huggingface_hub.utils import WeakFileLock

    target = folder_in_store(name)
    if target.is_symlink():
        raise ModelError(
            f"{target} is a link to a folder elsewhere, where nothing is changed.",
            "Delete the link by hand first.",
        )
    lock = home() / _PULLS / f".{name}.lock"
    with ExitStack() as held:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(WeakFileLock(lock, timeout=1))
        except TimeoutError:
            raise ModelError(
                f"{name} is being downloaded or changed by another process.",
                "Wait until it is done.",
            ) from None
        except OSError as error:
            raise ModelError(
                f"The folder of models, {home()}, cannot be written: {error.strerror or error}.",
                f"Name another one with {HOME_VARIABLE}.",
            ) from error
        yield


def put_in(name: str, made: Path, manifest: Manifest, moving: Collection[str]) -> Path:
    """Move files that were put together and checked to their place.

    The configuration is taken away first and comes back last, also where it stays the same: without
    it a folder is no checkpoint, so that nobody takes files of two revisions for one model, whenever
    this is cut off. Files of an earlier manifest of the same model that the new one lacks are
    deleted.

    Parameters
    ----------
    name : str
    made : Path
        The folder that the files were put together in; it is deleted with all that is in it.
    manifest : Manifest
    moving : collection of str
        The files to be moved; all others of the manifest are in their place already.
    """
    target = folder_in_store(name)
    target.mkdir(parents=True, exist_ok=True)
    earlier = read_manifest(target)
    gone: list[str] = []
    if earlier is not None and earlier.is_of(manifest.hub_id):
        gone = sorted(earlier.files.keys() - manifest.files.keys())
    moving = set(moving)
    config = target / _CONFIG
    if _CONFIG in moving:
        config.unlink(missing_ok=True)
    elif (moving or gone) and config.is_file():
        made.mkdir(parents=True, exist_ok=True)
        config.replace(made / _CONFIG)
        moving.add(_CONFIG)
    for old in gone:
        (target / old).unlink(missing_ok=True)
    write_manifest(target, manifest)
    for file in sorted(moving, key=lambda file: (file == _CONFIG, file)):
        (made / file).replace(target / file)
    clear(made)
    return target


def remove(name: str) -> tuple[int, list[str]]:
    """Delete a model from the store, and what there is of a download of it.

    Returns
    -------
    num_bytes : int
        What was freed.
    left : list of str
        Names of files in its folder that are not the model's, and were left there.

    Raises
    ------
    ModelError
        If there is no such model in the store, or it was put there by hand.
    """
    check_removable(name)
    target, begun = folder_in_store(name), pull_folder(name)
    manifest = read_manifest(target)
    with locked(name):
        freed, left = clear(begun), []
        if manifest is not None:
            try:
                freed += _delete(target, [*manifest.files, MANIFEST])
            except OSError as error:
                raise ModelError(
                    f"{error.filename} cannot be deleted: {error.strerror}.",
                    "Close the programs that use the model, and try again.",
                ) from error
            left = sorted(p.name for p in target.iterdir()) if target.is_dir() else []
    return freed, left


def check_removable(name: str) -> None:
    """Refuse what `remove` would refuse.

    Raises
    ------
    ModelError
        If there is no such model in the store, or it was put there by hand.
    """
    target = folder_in_store(name)
    if read_manifest(target) is not None or pull_folder(name).is_dir():
        return
    if target.is_dir():
        raise ModelError(
            f"{target} has no {MANIFEST}, so it was put there by hand.",
            "Delete the folder by hand; only what was pulled or imported is removed.",
        )
    entry = named(name)
    folder, place, _ = locate(entry)
    if place == "package":
        raise ModelError(
            "nano is a part of the package.", "It goes with: pip uninstall napari-sa2va."
        )
    if place == "hub cache":
        raise ModelError(
            f"{name} lies in the hub's cache, {folder}, which other programs use too.",
            f"To delete it there, run: hf cache rm model/{entry.hub_id}.",
        )
    raise ModelError(f"{name} is not on this machine.", "See: napari-sa2va models --here.")


def clear(folder: Path) -> int:
    """Delete a folder in which files were put together; returns the bytes freed."""
    if not folder.is_dir() or folder.is_symlink():
        return 0
    return _delete(folder, [path.name for path in folder.iterdir()])


def _delete(folder: Path, names: list[str]) -> int:
    """Delete files of a folder, and the folder if that empties it; returns the bytes freed."""
    freed = 0
    for name in names:
        path = folder / name
        if path.is_file() or path.is_symlink():
            freed += path.lstat().st_size
            path.unlink()
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
    return freed
