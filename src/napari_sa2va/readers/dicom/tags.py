"""Values of DICOM tags, where a file may leave out anything and write nonsense into the rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def value(holder: Dataset | None, keyword: str) -> Any:
    """Value of a tag; None if it is absent, empty, or is not what its type says."""
    if holder is None:
        return None
    try:
        found = holder.get(keyword)
    # Values are parsed when they are asked for.
    except Exception:
        return None
    return None if found is None or found == "" else found


def number(holder: Dataset | None, keyword: str) -> float | None:
    """A finite number, of several the first; None if there is none."""
    found = numbers(holder, keyword)
    return found[0] if found else None


def numbers(holder: Dataset | None, keyword: str) -> list[float]:
    """All values of a tag as finite numbers; empty if one of them is none."""
    found = value(holder, keyword)
    if found is None:
        return []
    several = found if isinstance(found, list | tuple) or hasattr(found, "append") else [found]
    try:
        values = [float(v) for v in several]
    except (TypeError, ValueError, OverflowError):
        return []
    return values if all(map(math.isfinite, values)) else []


def magnitude(holder: Dataset | None, keyword: str) -> float | None:
    """A number without its sign; None if it is zero."""
    found = number(holder, keyword)
    return abs(found) if found else None


def text(holder: Dataset | None, keyword: str) -> str:
    """A value as text, several joined by a backslash as in the file; empty if there is none."""
    found = value(holder, keyword)
    if found is None:
        return ""
    if isinstance(found, list | tuple) or hasattr(found, "append"):
        return "\\".join(map(str, found))
    return str(found).strip()


def items(holder: Dataset | None, keyword: str) -> list[Dataset]:
    """Items of a sequence; empty if there is none, or it is damaged."""
    found = value(holder, keyword)
    if found is None or not hasattr(found, "append"):
        return []
    try:
        return [item for item in found if hasattr(item, "get")]
    except Exception:
        return []


def first_item(holder: Dataset | None, keyword: str) -> Dataset | None:
    """The first item of a sequence, or None."""
    found = items(holder, keyword)
    return found[0] if found else None
