"""What the hub, or a mirror of it, says and sends: the files of a model, and their bytes.

Stands on the session of the hub's client (its proxies, certificates and offline switch), on its
token and on its errors, and not on its downloader: that one begins a file from nothing whenever
the process before was stopped. Its ready-made headers are not used either, because making them asks
huggingface.co for a list of programs, also where a mirror is named. What is asked here goes to one
endpoint and to where that sends us on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlsplit

from napari_sa2va.core.errors import DownloadError, ModelError, RequestError
from napari_sa2va.models.digests import Expected, is_model_file
from napari_sa2va.models.store import MANIFEST

OFFLINE_VARIABLE = "NAPARI_SA2VA_OFFLINE"
ENDPOINT_VARIABLE = "HF_ENDPOINT"
NEWEST = "main"

_OFFLINE_VARIABLES = (OFFLINE_VARIABLE, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_YES = ("1", "ON", "YES", "TRUE")
# What arrives together; up to as much is lost when a connection breaks.
_PIECE = 1 << 18
_ANSWER_S = 30.0
_NO_SUCH_RANGE = 416
_BY_HAND = (
    "Without a network, copy the model's folder from a machine that has it, and run: "
    "napari-sa2va models import FOLDER."
)


class ConnectionLost(DownloadError):
    """The hub could not be reached, or the connection broke: what has arrived is good."""


class EndsBefore(DownloadError):
    """A file ends before the position that was asked for."""


@dataclass(frozen=True)
class Listing:
    """What a model on the hub consists of.

    Attributes
    ----------
    hub_id : str
    revision : str
        The commit, 40 hexadecimal digits.
    files : tuple of Expected
        Those that are needed, in the order in which they are best fetched.
    licence : str
        As its page states it; empty if it does not.
    left_out : tuple of str
        Names of the files that are never fetched.
    """

    hub_id: str
    revision: str
    files: tuple[Expected, ...]
    licence: str
    left_out: tuple[str, ...]


def order(file: Expected) -> tuple[bool, bool, int, str]:
    """The configuration first, which tells whether the rest is wanted, and the weights last."""
    is_weights = file.name.endswith(".safetensors")
    return file.name != "config.json", is_weights, file.size, file.name


# -- where, and whether at all -----------------------------------------------------------------


def is_offline() -> bool:
    """Whether the network is not to be touched."""
    from huggingface_hub import constants

    # The client read its variables when it was imported; a person may have set them since.
    return bool(constants.HF_HUB_OFFLINE) or any(
        os.environ.get(name, "").upper() in _YES for name in _OFFLINE_VARIABLES
    )


@contextmanager
def offline() -> Iterator[None]:
    """Keep this process, and those that it starts, from touching the network."""
    before = os.environ.get(OFFLINE_VARIABLE)
    os.environ[OFFLINE_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[OFFLINE_VARIABLE]
        else:
            os.environ[OFFLINE_VARIABLE] = before


def endpoint_named(given: str = "") -> str:
    """What is named as the hub, or as a mirror, be it an address or not; see `endpoint_of`."""
    from huggingface_hub import constants

    return (given or os.environ.get(ENDPOINT_VARIABLE) or constants.ENDPOINT).strip().rstrip("/")


def endpoint_of(given: str = "") -> str:
    """The address of the hub, or of a mirror.

    Parameters
    ----------
    given : str
        Goes before the variable HF_ENDPOINT and the hub itself.

    Raises
    ------
    RequestError
        If it is not an address.
    """
    address = endpoint_named(given)
    if not _is_address(address):
        raise RequestError(
            f"{shown(address)!r} is not the address of a hub.",
            "Give one such as https://huggingface.co or http://mirror.example:8080.",
        )
    return address


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:  # a bracket that is not closed, a port that is no number
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query


def shown(address: str) -> str:
    """An address without a password that may be in it; it need not be one."""
    return re.sub(r"^([\w+.-]+://)?.*@", r"\1", address)


def page_of(hub_id: str, endpoint: str = "") -> str:
    """Where a person reads about a model."""
    return f"{shown(endpoint_of(endpoint))}/{hub_id}"


# -- asking ------------------------------------------------------------------------------------


def list_files(hub_id: str, revision: str = "", endpoint: str = "") -> Listing:
    """Ask what a model consists of.

    Parameters
    ----------
    hub_id : str
    revision : str
        A commit, branch or tag; by default what is newest.
    endpoint : str
        See `endpoint_of`.

    Raises
    ------
    ModelError
        If there is no such model or revision, access is refused, or the network is not to be
        touched.
    DownloadError
        If the hub cannot be reached, or does not answer as a hub does.
    """
    from huggingface_hub import get_session, hf_raise_for_status

    url = f"{endpoint_of(endpoint)}/api/models/{hub_id}"
    url += f"/revision/{quote(revision or NEWEST, safe='')}"
    with _answering(hub_id, revision, endpoint):
        response = get_session().get(
            url,
            params={"blobs": "true"},
            headers=_headers(),
            timeout=_ANSWER_S,
            follow_redirects=True,
        )
        hf_raise_for_status(response)
    try:
        return _listing(hub_id, response.json())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DownloadError(
            f"{shown(endpoint_of(endpoint))} does not answer as a hub does: {error!r}.",
            f"Check the address, and the variable {ENDPOINT_VARIABLE}.",
        ) from error


def _listing(hub_id: str, said: dict[str, Any]) -> Listing:
    revision = said["sha"]
    if len(revision) != 40 or not set(revision) <= set("0123456789abcdef"):
        raise ValueError(revision)
    files, left_out = [], []
    for sibling in said["siblings"]:
        name = sibling["rfilename"]
        if not is_model_file(name) or name == MANIFEST:
            left_out.append(name)
            continue
        large = sibling.get("lfs") or {}
        size = int(large.get("size", sibling.get("size")))
        sha256, git_sha1 = large.get("sha256") or "", sibling.get("blobId") or ""
        if size < 0 or not (sha256 or git_sha1):
            raise ValueError(f"{name} has no hash")
        files.append(Expected(name, size, sha256, "" if sha256 else git_sha1))
    card = said.get("cardData") or {}
    licence = card.get("license_name") or card.get("license") or ""
    files.sort(key=order)
    return Listing(
        hub_id,
        revision,
        tuple(files),
        ", ".join(licence) if isinstance(licence, list) else str(licence),
        tuple(sorted(left_out)),
    )


def read(
    hub_id: str, name: str, revision: str, start: int, endpoint: str = ""
) -> Generator[tuple[int, bytes], None, None]:
    """Fetch the bytes of a file from some position on.

    Parameters
    ----------
    hub_id, name, revision : str
    start : int
        How many bytes are here already.
    endpoint : str
        See `endpoint_of`.

    Yields
    ------
    position : int
        Where the bytes belong. It is 0 again if the other side cannot begin at `start`.
    piece : bytes

    Raises
    ------
    ModelError, DownloadError
        See `list_files`. It is `ConnectionLost` where another try may go further, and `EndsBefore`
        if there is nothing from `start` on.
    """
    from huggingface_hub import constants, get_session, hf_raise_for_status

    url = f"{endpoint_of(endpoint)}/{hub_id}/resolve/{revision}/{quote(name)}"
    # Else a file could come packed, and positions in it would mean nothing.
    headers = _headers() | {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with (
        _answering(hub_id, revision, endpoint),
        get_session().stream(
            "GET",
            url,
            headers=headers,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            follow_redirects=True,
        ) as response,
    ):
        if response.status_code == _NO_SUCH_RANGE:
            raise EndsBefore(f"{name} has no more than {start} bytes on {_site(url)}.")
        if response.is_error:
            response.read()  # or else the error could not say what was answered
        hf_raise_for_status(response)
        position = start if _goes_on(response.headers, response.status_code, start) else 0
        for piece in response.iter_bytes(_PIECE):
            yield position, piece
            position += len(piece)


def _goes_on(headers: Any, status: int, start: int) -> bool:
    """Whether an answer begins where it was asked to."""
    unit, _, place = str(headers.get("Content-Range", "")).partition(" ")
    return bool(start) and status == 206 and unit == "bytes" and place.startswith(f"{start}-")


def _headers() -> dict[str, str]:
    from huggingface_hub import constants, get_token

    headers = {"User-Agent": f"napari-sa2va/{version('napari-sa2va')}"}
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


# -- what can go wrong -------------------------------------------------------------------------


def refuse_offline(what: str) -> None:
    """Refuse to touch the network if that is not allowed.

    Raises
    ------
    ModelError
        If it is not.
    """
    if is_offline():
        raise _kept_offline(what)


def _kept_offline(what: str) -> ModelError:
    return ModelError(
        f"{what} is not on this machine, and offline mode keeps it from being downloaded.",
        f"Unset {' and '.join(_OFFLINE_VARIABLES[:2])}, or leave --offline out. {_BY_HAND}",
    )


@contextmanager
def _answering(hub_id: str, revision: str, endpoint: str) -> Iterator[None]:
    """Turn what goes wrong on the way into errors that say what to do."""
    from huggingface_hub import errors, get_token

    refuse_offline(hub_id)
    page = page_of(hub_id, endpoint)
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise _kept_offline(hub_id) from error
    except errors.GatedRepoError as error:
        raise _gated(hub_id, page, has_token=bool(get_token())) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"{hub_id} has no revision {revision!r}.",
            f"Its commits, branches and tags are listed on {page}/commits/main.",
        ) from error
    except errors.EntryNotFoundError as error:
        raise DownloadError(
            f"{_site(page)} lists a file of {hub_id} that it does not have.",
            f"Try again later, or without a mirror ({ENDPOINT_VARIABLE}).",
        ) from error
    except errors.HfHubHTTPError as error:
        raise _refused(hub_id, page, error.response.status_code, bool(get_token())) from error
    except ModelError:
        raise
    except Exception as error:
        # The session raises the errors of its HTTP library, which is another one from the client's
        # second version on. Nothing but the session is in here.
        raise ConnectionLost(
            f"{_site(page)} cannot be reached, or the connection broke: "
            f"{type(error).__name__}: {_first_line(error)}",
            "Check the network and, if you use one, the proxy and the mirror "
            f"({ENDPOINT_VARIABLE}). {_BY_HAND}",
        ) from error


def _gated(hub_id: str, page: str, *, has_token: bool) -> ModelError:
    home = f"https://huggingface.co/{hub_id}"
    where = page if page == home else f"{page} (if that is a mirror: {home})"
    steps = [f"1. Open {where}, log in, and accept the terms there."]
    if has_token:
        steps.append("2. If that is done, the token may be another account's: hf auth login.")
    else:
        steps.append("2. Make a token (Settings > Access Tokens) and run: hf auth login.")
    steps.append("3. Try again.")
    return ModelError(
        f"{hub_id} is gated: its publisher gives it to those only who accepted the terms.",
        " ".join(steps),
    )


def _refused(hub_id: str, page: str, status: int, has_token: bool) -> ModelError:
    if status == 401 and has_token:
        return ModelError(
            f"The hub does not take the token of this machine (401 for {hub_id}).",
            "Log in anew: hf auth login. Or log out: hf auth logout. Also look at HF_TOKEN.",
        )
    if status in (401, 404):
        return ModelError(
            f"There is no model {hub_id} on {_site(page)}, or it is private.",
            f"Check the spelling on {page}. For a private model, log in: hf auth login.",
        )
    if status == 403:
        return ModelError(
            f"Access to {hub_id} is forbidden (403).",
            f"Open {page} and accept the terms, if it has any; then log in with an account that "
            "may read it: hf auth login.",
        )
    if status == 429 or status >= 500:
        return ConnectionLost(
            f"{_site(page)} answers {status} for {hub_id}.",
            "Try again later; what has arrived is kept.",
        )
    return DownloadError(f"{_site(page)} answers {status} for {hub_id}.", _BY_HAND)


def _site(address: str) -> str:
    return urlsplit(address).netloc


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no reason given").rstrip(".") + "."
