"""Zarr stores: a folder, a ZIP archive or an address, opened for reading and closed again.

What is wrong with a store is told as a `ClipError`, whatever zarr and the codecs make of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit
from zipfile import BadZipFile, ZipFile

from napari_sa2va.core.errors import ClipError, MissingPackage
from napari_sa2va.core.extras import need

if TYPE_CHECKING:
    import zarr
    from aiohttp import ClientResponse
    from zarr.abc.store import Store

METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
LARGEST_CHUNK_BYTES = 2**32
"""What is decoded at once; no writer known makes chunks of this size."""
_LARGEST_METADATA_BYTES = 2**28
_ARCHIVES = (".ozx", ".zip")
# Seconds without a byte from a server. A chunk as a whole may take longer.
_PATIENCE_S = 30.0
_SCHEME_OR_DRIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True)
class ZarrPlace:
    """Where a store is. It can be pickled, and every process opens the store for itself.

    Attributes
    ----------
    address : str
        Path or address, as it was given.
    kind : {"folder", "zip", "address"}
    """

    address: str
    kind: Literal["folder", "zip", "address"]

    def open(self) -> Store:
        """A store that is read-only. Nothing is read yet.

        Raises
        ------
        ClipError
            If the address is of a kind that is not known.
        MissingPackage
            If the address needs a package that is not installed.
        """
        from zarr.storage import LocalStore, ZipStore

        if self.kind == "folder":
            return LocalStore(self.address, read_only=True)
        if self.kind == "zip":
            return ZipStore(self.address, mode="r")
        return _open_address(self.address)

    def error(self, what: str, hint: str) -> ClipError:
        """An error that names the store."""
        return ClipError(f"{self.address}: {what}", hint)


def _open_address(url: str) -> Store:
    from zarr.storage import FsspecStore

    need("fsspec", "remote", "read from an address")
    from fsspec import url_to_fs
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

    *chain, protocol = url.partition("://")[0].split("::")
    if not chain and urlsplit(url).path.lower().endswith(_ARCHIVES):
        url = f"zip::{url}"
    web = _patient_client() if protocol in ("http", "https") else {}
    options = {name: {"skip_instance_cache": True} for name in chain} | {
        protocol: {"skip_instance_cache": True, **web}
    }
    try:
        # Not asynchronous: only then does fsspec close the connections when they are not used.
        filesystem, path = url_to_fs(url, **options)
    except ImportError as error:
        raise MissingPackage(
            f"{url} cannot be read without another package ({error}).", "Install it with pip."
        ) from error
    except (BadZipFile, OSError, ValueError) as error:
        raise ClipError(f"{url} cannot be read ({error}).", "Check the address.") from error
    return FsspecStore(
        AsyncFileSystemWrapper(filesystem, asynchronous=True), read_only=True, path=path
    )


def _patient_client() -> dict[str, Any]:
    """Options of a connection: how long to wait, and what it means that something is forbidden."""
    aiohttp = need("aiohttp", "remote", "read from the web")

    async def absent(response: ClientResponse) -> None:
        # A bucket that may not be listed says so of every file that is not there. Of chunks it is not
        # believed: frames would become black when the permission to read them ends.
        if response.status == 403 and response.url.name in (*METADATA, ".zmetadata"):
            raise FileNotFoundError(str(response.url))

    patience = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE_S, sock_read=_PATIENCE_S)
    return {"client_kwargs": {"timeout": patience, "raise_for_status": absent}}


def archive_root(path: Path) -> str:
    """The folder of a ZIP archive in which the store lies, "" if that is the archive itself.

    Raises
    ------
    ClipError
        If the archive is damaged, holds no store, or an entry would fill the memory.
    """
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ClipError(
            f"{path} cannot be read as a ZIP archive ({error}).",
            "It is truncated, or still being written; copy it again.",
        ) from error
    for entry in entries:
        is_metadata = entry.filename.endswith(METADATA)
        if entry.file_size > (_LARGEST_METADATA_BYTES if is_metadata else LARGEST_CHUNK_BYTES):
            raise ClipError(
                f"{path}: {entry.filename!r} would unpack to {entry.file_size} bytes.",
                "That is no chunk of an image; do not trust this archive.",
            )
    names = {entry.filename for entry in entries}
    if names.intersection(METADATA):
        return ""
    folders = {name.partition("/")[0] for name in names}
    roots = [f for f in folders if names.intersection(f"{f}/{name}" for name in METADATA)]
    if len(roots) != 1:
        raise ClipError(
            f"{path} holds no Zarr store: no {METADATA[0]} or {METADATA[2]} at its top.",
            "Zip the contents of one .zarr folder.",
        )
    return roots[0]


class ZarrTree:
    """An open store, whose groups and arrays are found by path. Close it, or use it with `with`.

    Attributes
    ----------
    place : ZarrPlace
    root : str
        Path of the group or array that all other paths start from.
    """

    def __init__(self, place: ZarrPlace, root: str = "") -> None:
        self.place = place
        self.root = root
        self._store = place.open()

    def __enter__(self) -> ZarrTree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Close the store."""
        if self._store._is_open:
            self._store.close()

    def path(self, path: str) -> str:
        """A path below the root, in full.

        Raises
        ------
        ClipError
            If it leads out of the store, or is no path.
        """
        parts = path.strip().rstrip("/").split("/") if path else []
        if any(p in ("", ".", "..") or "\\" in p or "\0" in p for p in parts) or (
            _SCHEME_OR_DRIVE.match(path)
        ):
            raise self.place.error(
                f"its metadata name the path {path!r}, which leads out of the store.",
                "Correct the metadata, if you trust this store.",
            )
        return "/".join([self.root, *parts] if self.root else parts)

    def node(self, path: str = "") -> zarr.Array | zarr.Group | None:
        """A group or array, None if there is none.

        Raises
        ------
        ClipError
            If its metadata are damaged, or cannot be fetched.
        """
        import zarr

        full = self.path(path)
        self._check_metadata(full)
        try:
            # Consolidated metadata would hide what was added since.
            return zarr.open(store=self._store, path=full, mode="r", use_consolidated=False)
        except FileNotFoundError:
            return None
        # Metadata may have any JSON in any place, and a server has errors of its own.
        except Exception as error:
            raise self.place.error(
                f"the metadata of {full or 'the store'!r} cannot be read "
                f"({type(error).__name__}: {error}).",
                "The store is damaged, or not there; look at its .zattrs, .zarray or zarr.json.",
            ) from error

    def array(self, path: str) -> zarr.Array:
        """An array.

        Raises
        ------
        ClipError
            If there is none, or its metadata are damaged.
        """
        import zarr

        node = self.node(path)
        if not isinstance(node, zarr.Array):
            what = "a group" if node is not None else "not there"
            raise self.place.error(
                f"the array {self.path(path)!r} is {what}, but the metadata name it.",
                "Was the store copied completely?",
            )
        return node

    def attributes(self, path: str = "") -> Mapping[str, Any]:
        """What the NGFF metadata of a group say; empty where there is no group."""
        import zarr

        node = self.node(path)
        return ngff(node.attrs.asdict()) if isinstance(node, zarr.Group) else {}

    def members(self, path: str = "") -> tuple[list[str], list[str]]:
        """Names of the groups and of the arrays in a group; none where a server does not tell."""
        import zarr

        node = self.node(path)
        if not isinstance(node, zarr.Group):
            return [], []
        try:
            groups = sorted(name for name, _ in node.groups())
            return groups, sorted(name for name, _ in node.arrays())
        except Exception as error:
            raise self.place.error(
                f"the groups of {self.path(path) or 'the store'!r} cannot be listed "
                f"({type(error).__name__}: {error}).",
                "Name one: the address of an image in it.",
            ) from error

    def _check_metadata(self, path: str) -> None:
        if self.place.kind != "folder":
            return
        for name in METADATA:
            file = Path(self.place.address, path, name)
            if file.is_file() and file.stat().st_size > _LARGEST_METADATA_BYTES:
                raise self.place.error(
                    f"{file.name} has {file.stat().st_size} bytes.", "These are no metadata."
                )


def ngff(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The NGFF part of a group's attributes: under "ome" since version 0.5."""
    newer = attributes.get("ome")
    return newer if isinstance(newer, Mapping) else attributes
