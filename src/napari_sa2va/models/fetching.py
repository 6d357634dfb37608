"""Bring a model from the hub to this machine: every file checked, nothing fetched twice.

A download is put together beside the store and moved in when all of it has arrived and is what the
hub records. What had arrived before it was stopped, by Ctrl-C, a lost connection or a full disk, is
taken up by the next one. A file that arrives with other bytes than recorded is not kept, and not
asked for again by itself: it may be 5 GB of a mirror's mistake.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_sa2va.core.errors import (
    CheckpointError,
    DownloadError,
    ModelError,
    RequestError,
    WrongBytes,
)
from napari_sa2va.models import hub, store
from napari_sa2va.models.arrival import Arrival
from napari_sa2va.models.catalogue import ModelEntry, named
from napari_sa2va.models.checking import verify
from napari_sa2va.models.digests import Digests, Expected, digest
from napari_sa2va.models.hashes import remember
from napari_sa2va.models.importing import link_or_copy, require_family
from napari_sa2va.models.jobs import Job, Meter, gigabytes
from napari_sa2va.models.sa2va.checkpoint import read_json
from napari_sa2va.models.store import FileFacts, Manifest

# No file of a model begins with a dot.
_PLAN, _PART = ".plan", ".part"
_DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True)
class Pulled:
    """What a download came to.

    Attributes
    ----------
    entry : ModelEntry
        With its folder.
    num_fetched : int
        Bytes that came over the network; 0 if all was here.
    licence : str
        As the model's page states it; empty if it was not asked, or says nothing.
    """

    entry: ModelEntry
    num_fetched: int
    licence: str = ""


def pull(
    entry: ModelEntry, *, revision: str = "", endpoint: str = "", again: bool = False
) -> Job[Pulled]:
    """Bring a model to this machine.

    Files that were put there by hand, or imported without a record of whose they are, are compared
    with the model's, and not replaced unasked.

    Parameters
    ----------
    entry : ModelEntry
    revision : str
        A commit, branch or tag. By default the commit that the model here is of, and if there is
        none the newest.
    endpoint : str
        Address of a mirror; see `hub.endpoint_of`.
    again : bool
        Whether to fetch files whose bytes are wrong once more.

    Yields
    ------
    Progress

    Returns
    -------
    Pulled

    Raises
    ------
    RequestError
        If the model is not one of the hub, or its folder holds another one.
    ModelError
        If the hub does not give it, it is no checkpoint that can be run, or the network is not to
        be touched.
    DownloadError
        If the connection breaks for good, or the disk is full.
    WrongBytes
        If a file is not what the hub records.
    """
    if not entry.hub_id:
        # What was imported under the name of a published model is compared with that one.
        entry = replace(entry, hub_id=named(entry.name).hub_id)
    if not entry.hub_id:
        raise RequestError(
            f"{entry.name} is not a model of the hub, as far as known.", "See: napari-sa2va models."
        )
    if entry.place == "hub cache" and revision in ("", entry.revision) and not again:
        verdict = yield from verify(entry)
        if verdict.wrong:
            raise _unlike_recorded(entry.name, verdict.wrong)
        return Pulled(entry, 0)
    with store.locked(entry.name), _disk_errors():
        return (yield from _Pull(entry, endpoint, again).run(revision))


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Say what to do if the disk is full, or not ours to write."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise _no_room(f"The disk of {store.home()} is full.") from error
        raise DownloadError(
            f"{error.filename or store.home()}: {error.strerror or error}.",
            f"Name another folder of models with {store.HOME_VARIABLE}.",
        ) from error


def _no_room(message: str) -> DownloadError:
    return DownloadError(
        message,
        f"Make room, or name a folder on another disk with {store.HOME_VARIABLE}. Then try again: "
        "what has arrived in the old one is kept there.",
    )


def _unlike_recorded(name: str, wrong: dict[str, str], doubt: str = "") -> WrongBytes:
    files = "; ".join(f"{file}: {how}" for file, how in sorted(wrong.items()))
    return WrongBytes(
        f"{len(wrong)} of the files of {name} {'is' if len(wrong) == 1 else 'are'} not what the "
        f"hub records ({files}).{doubt}",
        f"To fetch what is wrong again, run: napari-sa2va models pull {name} --again.",
    )


class _Plan(BaseModel):
    """What a download that may be taken up again is of.

    Attributes
    ----------
    revision : str
        The commit. Files of two must not be mixed, although the branch may move on meanwhile.
    wrong : dict of str to str
        Files that came with other bytes than recorded, and in which way they differ.
    is_moving : bool
        Whether all had arrived and was being put in its place. If that was cut off, there are files
        of an earlier commit in the way, which nobody has damaged.
    """

    model_config = ConfigDict(frozen=True)

    revision: str
    wrong: dict[str, str] = {}
    is_moving: bool = False


@dataclass
class _Pull:
    """One download on its way."""

    entry: ModelEntry
    endpoint: str
    again: bool
    revision: str = ""
    num_fetched: int = 0
    wrong: dict[str, str] = field(default_factory=dict)
    facts: dict[str, FileFacts] = field(default_factory=dict)
    moving: set[str] = field(default_factory=set)
    is_moving: bool = False

    @property
    def target(self) -> Path:
        return store.folder_in_store(self.entry.name)

    @property
    def begun(self) -> Path:
        return store.pull_folder(self.entry.name)

    def run(self, revision: str) -> Job[Pulled]:
        manifest, plan = self._read_manifest(), self._read_plan()
        listing = self._listing(revision, manifest, plan)
        self.revision = listing.revision
        if plan is None or plan.revision != listing.revision:
            # Whole files are looked at like any others; a half of another revision is of no use.
            for part in self.begun.glob(f"*{_PART}"):
                part.unlink()
            if plan is not None:
                self._begin()  # what was asked for last is what the next one goes on with
        else:
            self.is_moving = plan.is_moving
            self.wrong = {} if self.again else dict(plan.wrong)
        replaces = (
            self.again
            or self.is_moving
            or (manifest is not None and manifest.revision != listing.revision)
        )
        meter = Meter(sum(file.size for file in listing.files))
        self._require_room(listing)
        for file in listing.files:
            if file.name in self.wrong:
                continue
            found = yield from self._look_for(file, replaces, meter)
            if found is None and file.name not in self.wrong:
                found = yield from self._fetch(file, meter)
            if found is not None:
                self.facts[file.name] = FileFacts(size=found.size, sha256=found.sha256)
            if file.name == "config.json" and found is not None:
                self._check_config()
        if self.wrong:
            raise _unlike_recorded(self.entry.name, self.wrong, self._doubt(manifest))
        return Pulled(self._put_in(manifest, listing), self.num_fetched, listing.licence)

    # -- what is to come -----------------------------------------------------------------------

    def _read_manifest(self) -> Manifest | None:
        """What is recorded of the model here; None if nobody knows that it is this one."""
        manifest = store.read_manifest(self.target)
        if manifest is None or manifest.is_of(self.entry.hub_id):
            return manifest
        if manifest.hub_id:
            raise RequestError(
                f"{self.target} holds {manifest.hub_id}, and not {self.entry.hub_id}.",
                f"If it may go, first run: napari-sa2va models remove {self.entry.name}.",
            )
        return None

    def _doubt(self, manifest: Manifest | None) -> str:
        if manifest is not None or not self.target.is_dir():
            return ""
        return (
            f" What lies in {self.target} was imported or put there by hand, and may be another "
            "model."
        )

    def _listing(self, revision: str, manifest: Manifest | None, plan: _Plan | None) -> hub.Listing:
        if manifest is not None and plan is None and revision in ("", manifest.revision):
            # What the files of this commit hold is known: the hub has to be asked for nothing.
            return hub.Listing(
                self.entry.hub_id,
                manifest.revision,
                tuple(sorted(manifest.expected, key=hub.order)),
                manifest.licence,
                (),
            )
        pinned = plan.revision if plan else ""
        listing = hub.list_files(self.entry.hub_id, revision or pinned, self.endpoint)
        names = {file.name for file in listing.files}
        if "config.json" not in names:
            raise CheckpointError(
                f"{self.entry.hub_id} has no config.json.", "Name the model of a Sa2VA checkpoint."
            )
        if not any(name.endswith(".safetensors") for name in names):
            pickles = [n for n in listing.left_out if n.endswith((".bin", ".pt", ".pth"))]
            raise CheckpointError(
                f"{self.entry.hub_id} has no *.safetensors"
                + (f", only pickles ({pickles[0]}), which are never fetched." if pickles else "."),
                "Name a checkpoint in safetensors format.",
            )
        return listing

    def _require_room(self, listing: hub.Listing) -> None:
        """Find out now that the disk is too small, and not after 10 GB."""
        needed = sum(self._to_come(file) for file in listing.files)
        folder = store.home()
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise _no_room(
                f"{self.entry.name} needs {gigabytes(needed)} more on the disk of {folder}, which "
                f"has {gigabytes(free)} free."
            )

    def _to_come(self, file: Expected) -> int:
        if any(_has_size(path, file.size) for path in self._places(file.name)):
            return 0
        part = self._part(file.name)
        return file.size - min(part.stat().st_size if part.is_file() else 0, file.size)

    def _places(self, name: str) -> list[Path]:
        """Where a file may be on this machine already."""
        cached = [folder / name for folder in store.snapshots(self.entry.hub_id)]
        return [self.target / name, self.begun / name, *cached]

    def _part(self, name: str) -> Path:
        return self.begun / f"{name}{_PART}"

    def _check_config(self) -> None:
        """Refuse another kind of model before its weights are fetched."""
        folder = next(f for f in (self.begun, self.target) if (f / "config.json").is_file())
        require_family(read_json(folder / "config.json"))

    # -- one file ------------------------------------------------------------------------------

    def _look_for(self, file: Expected, replaces: bool, meter: Meter) -> Job[Digests | None]:
        """Find a file that is on this machine already; another one of its name is not it."""
        for path in self._places(file.name):
            if not path.is_file():
                continue
            before = meter.done
            complaint = f"it has {path.stat().st_size} bytes instead of {file.size}"
            if _has_size(path, file.size):
                digests = yield from digest(path, file, meter)
                complaint = digests.complaint()
                if not complaint:
                    self._take(path)
                    return digests
            meter.done = before
            if path.parent == self.target and not replaces:
                # Damaged, or put there by hand: not to be overwritten unasked.
                self.wrong[file.name] = complaint
                return None
        return None

    def _take(self, path: Path) -> None:
        """Use a file that is as it should be, and no other one of its name."""
        begun = self.begun / path.name
        if path.parent == self.target:
            begun.unlink(missing_ok=True)  # it is of another revision, or the same once more
            return
        if path != begun:
            self._begin()
            link_or_copy(path, begun)
        self.moving.add(path.name)

    def _fetch(self, file: Expected, meter: Meter) -> Job[Digests | None]:
        """Download a file, or the rest of it."""
        if not self.revision:
            raise ModelError(
                f"{file.name} is missing in {self.target}, which was imported from a folder of "
                "which no commit is known.",
                f"Run: napari-sa2va models remove {self.entry.name}, and pull or import it again.",
            )
        hub.refuse_offline(file.name)
        self._begin()
        part = self._part(file.name)
        arrival = Arrival(part, file, self.entry.hub_id, self.revision, self.endpoint)
        digests = yield from arrival.run(meter)
        self.num_fetched += arrival.num_fetched
        complaint = digests.complaint()
        if complaint:
            part.unlink()
            self.wrong[file.name] = complaint
            self._begin()
            return None
        part.replace(self.begun / file.name)
        self.moving.add(file.name)
        return digests

    # -- the folder it is put together in ------------------------------------------------------

    def _begin(self) -> None:
        """Note what is being fetched, so that the next download can go on."""
        self.begun.mkdir(parents=True, exist_ok=True)
        plan = _Plan(revision=self.revision, wrong=self.wrong, is_moving=self.is_moving)
        (self.begun / _PLAN).write_text(plan.model_dump_json(), encoding="utf-8")

    def _read_plan(self) -> _Plan | None:
        try:
            return _Plan.model_validate_json((self.begun / _PLAN).read_bytes())
        except (OSError, ValidationError):
            return None

    def _put_in(self, earlier: Manifest | None, listing: hub.Listing) -> ModelEntry:
        manifest = Manifest(
            hub_id=listing.hub_id,
            revision=listing.revision,
            endpoint=hub.shown(hub.endpoint_of(self.endpoint)),
            licence=listing.licence,
            files=self.facts,
        )
        if earlier is not None and earlier.files == manifest.files:
            manifest = earlier if earlier.revision == manifest.revision else manifest
        if manifest is not earlier or self.begun.is_dir():
            self.is_moving = True
            self._begin()
            store.put_in(self.entry.name, self.begun, manifest, self.moving)
        if not store.is_complete(self.target):
            raise CheckpointError(
                f"{listing.hub_id} lacks a tokenizer, or a part of its weights, on the hub too.",
                "Ask its publisher.",
            )
        for name, facts in self.facts.items():
            remember(self.target / name, facts.sha256)
        return replace(self.entry, folder=self.target, place="store", revision=manifest.revision)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
