"""A hub on this machine's loopback: the part of the real one's HTTP interface that is used here.

Like the real one it sends large files from another address (`/cdn/...`), in part if asked to.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import huggingface_hub.constants
import pytest

from napari_sa2va.models import arrival, hub, store

HUB_ID = "ByteDance/Sa2VA-1B"
FIRST, SECOND = "1" * 40, "2" * 40

_API = re.compile(r"/api/models/([^/]+/[^/]+)/revision/(.+)")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)")


@dataclass
class Hub:
    """What the hub has, how it misbehaves, and what it was asked.

    Attributes
    ----------
    commits : dict
        Hub id -> commit -> file name -> bytes; the last commit is what `main` names.
    large : set of str
        Files that are announced with their SHA-256 and sent from elsewhere; the others with git's
        hash.
    licence : str
    answers : dict
        Hub id -> (status, X-Error-Code) to answer to everything.
    token : str
        If set, what a request has to bring to get files.
    cut : list of int
        Of each answer with a file, from the first: after how many bytes the connection breaks.
    wrong : dict
        File name -> bytes that are sent instead of what is announced.
    in_parts : bool
        Whether ranges are honoured.
    log : list of (str, dict)
        Path and headers of all requests.
    """

    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    large: set[str] = field(default_factory=lambda: {"model.safetensors", "tokenizer.json"})
    licence: str = "apache-2.0"
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    token: str = ""
    cut: list[int] = field(default_factory=list)
    wrong: dict[str, bytes] = field(default_factory=dict)
    in_parts: bool = True
    log: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    endpoint: str = ""

    def add(self, folder: Path, hub_id: str = HUB_ID, commit: str = FIRST, **others: bytes) -> None:
        """Publish a folder as a new commit; `others` are more files, with "_" for the dot."""
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        files |= {name.replace("_", "."): content for name, content in others.items()}
        self.commits.setdefault(hub_id, {})[commit] = files

    def paths(self) -> list[str]:
        """What was asked for, without the address of the hub."""
        return [path for path, _ in self.log]

    def fetched(self) -> list[str]:
        """Names of the files that were asked for, in order."""
        return [path.rsplit("/", 1)[1] for path in self.paths() if "/resolve/" in path]

    def ranges(self) -> list[str]:
        """The ranges that were asked of the address that sends large files."""
        return [headers.get("range", "") for path, headers in self.log if path.startswith("/cdn/")]

    def _files(self, hub_id: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        commits = self.commits.get(hub_id, {})
        commit = list(commits)[-1] if revision == "main" and commits else revision
        return (commit, commits[commit]) if commit in commits else None


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that answers while the context lasts."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def machine_and_hub(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A machine without any model, and a hub that has one and need not be waited for."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(store.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr(arrival, "_WAITS_S", (0.0, 0.0))
    with running_hub() as server:
        monkeypatch.setenv(hub.ENDPOINT_VARIABLE, server.endpoint)
        server.add(checkpoint)
        yield server


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Take it that a client may hang up."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.log.append((path, {name.lower(): value for name, value in self.headers.items()}))
        if match := _API.fullmatch(path):
            asked_for_hashes = "blobs" in parse_qs(urlsplit(self.path).query)
            self._describe(match[1], unquote(match[2]), asked_for_hashes)
        elif match := _FILE.fullmatch(path):
            self._file(match[1], match[2], match[3])
        elif path.startswith("/cdn/"):
            _, _, hub_id, commit, name = path.split("/", 4)
            self._send_file(self.hub.commits[hub_id.replace("--", "/")][commit][name], name)
        else:
            self._refuse(404, "")

    def _describe(self, hub_id: str, revision: str, asked_for_hashes: bool) -> None:
        if hub_id in self.hub.answers and self.hub.answers[hub_id][1] != "GatedRepo":
            return self._refuse(*self.hub.answers[hub_id])
        if hub_id not in self.hub.commits:
            return self._refuse(401, "RepoNotFound")  # as the real one does for a stranger
        found = self.hub._files(hub_id, revision)
        if found is None:
            return self._refuse(404, "RevisionNotFound")
        assert asked_for_hashes
        commit, files = found
        siblings = []
        for name, content in files.items():
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            sibling = {"rfilename": name, "size": len(content), "blobId": git}
            if name in self.hub.large:
                sha256 = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"size": len(content), "sha256": sha256, "pointerSize": 130}
                sibling["blobId"] = "0" * 40
            siblings.append(sibling)
        said = {
            "id": hub_id,
            "sha": commit,
            "siblings": siblings,
            "cardData": {"license": self.hub.licence},
        }
        self._send(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def _file(self, hub_id: str, commit: str, name: str) -> None:
        if hub_id in self.hub.answers:
            return self._refuse(*self.hub.answers[hub_id])
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._refuse(401, "GatedRepo")
        found = self.hub._files(hub_id, commit)
        if found is None or name not in found[1]:
            return self._refuse(404, "EntryNotFound")
        if name in self.hub.large:
            place = f"/cdn/{hub_id.replace('/', '--')}/{commit}/{name}"
            return self._send(302, b"", {"Location": self.hub.endpoint + place})
        self._send_file(found[1][name], name)

    def _send_file(self, content: bytes, name: str) -> None:
        content = self.hub.wrong.get(name, content)
        status, headers, start = 200, {}, 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and self.hub.in_parts:
            start = int(wanted[1])
            if start >= len(content):
                return self._refuse(416, "")
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = self.hub.cut.pop(0) if self.hub.cut else None
        self._send(status, content[start:], headers, cut)

    def _refuse(self, status: int, code: str) -> None:
        headers = {"X-Error-Code": code} if code else {}
        self._send(status, b"{}", headers)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True
