"""A file of sentences: one per line; a blank line begins the next set; # begins a comment line.

Each set is asked of every movie by itself, so a movie and a set are one unit of work.
"""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.batch.planning.row import sentences_of
from napari_sa2va.core.errors import RequestError


def read_prompts(path: Path) -> list[tuple[str, ...]]:
    """Read sets of sentences.

    Parameters
    ----------
    path : Path
        UTF-8.

    Returns
    -------
    list of tuple of str
        At least one set, each of at least one sentence.

    Raises
    ------
    RequestError
        If the file cannot be read or has no sentence, or a set asks for the same twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise RequestError(
            f"The prompts {path} cannot be read ({error.strerror or error})."
        ) from None
    except UnicodeDecodeError as error:
        at = error.object.count(b"\n", 0, error.start) + 1
        raise RequestError(f"Line {at} of {path} is not UTF-8.", "Save it as UTF-8.") from None
    sets: list[dict[str, int]] = [{}]
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line.startswith("#"):
            continue
        if not line:
            sets += [{}] if sets[-1] else []
            continue
        (sentence,) = sentences_of([line])
        if sentence in sets[-1]:
            raise RequestError(
                f"Line {number} of {path} asks for {sentence!r}, as line {sets[-1][sentence]} does.",
                "Leave one of them out, or begin another set with a blank line.",
            )
        sets[-1][sentence] = number
    found = [tuple(sentences) for sentences in sets if sentences]
    if not found:
        raise RequestError(f"{path} has no sentence.", "Write one sentence per line.")
    return found
