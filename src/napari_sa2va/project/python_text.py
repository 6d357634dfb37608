"""Values as Python source, laid out as ruff's formatter would."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

WIDTH = 88


@dataclass(frozen=True)
class Name:
    """Source that stands as it is, such as the name of a variable."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call with positional and named arguments."""

    function: str
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class LongText:
    """A text of words that may go on over several lines."""

    text: str


def source_of(value: object, indent: int = 0, before: int = 0, after: int = 0) -> str:
    """Python source of a value.

    Parameters
    ----------
    value : object
        Plain values, tuples, lists, dicts, and the classes of this module.
    indent : int
        Columns that its lines are indented.
    before, after : int
        Columns that other things take on its first and on its last line.
    """
    flat = _flat(value)
    if indent + before + len(flat) + after <= WIDTH:
        return flat
    if isinstance(value, LongText):
        return _long_text(value.text, indent)
    parts = _parts(value)
    if parts is None:
        return flat
    opening, items, closing = parts
    if not items:
        return flat
    pad = " " * (indent + 4)
    one_line = ", ".join(prefix + _flat(item) for prefix, item in items)
    is_tuple = opening == "("
    if isinstance(value, Call) and indent + 4 + len(one_line) <= WIDTH:
        return f"{opening}\n{pad}{one_line}\n{' ' * indent}{closing}"
    # A lone item has no comma, except in a tuple, which it makes one.
    comma = "," if len(items) > 1 or is_tuple else ""
    lines = [
        f"{pad}{prefix}{source_of(item, indent + 4, len(prefix), len(comma))}{comma}\n"
        for prefix, item in items
    ]
    return f"{opening}\n{''.join(lines)}{' ' * indent}{closing}"


def _flat(value: object) -> str:
    if isinstance(value, Name):
        return value.text
    if isinstance(value, LongText):
        return text_source(value.text)
    if isinstance(value, str):
        return text_source(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    parts = _parts(value)
    if parts is None:
        return repr(value)
    opening, items, closing = parts
    inside = ", ".join(prefix + _flat(item) for prefix, item in items)
    is_single = opening == "(" and len(items) == 1
    return f"{opening}{inside}{',' if is_single else ''}{closing}"


def _parts(value: object) -> tuple[str, list[tuple[str, object]], str] | None:
    """Opening bracket, items with what stands before each, closing bracket."""
    if isinstance(value, Call):
        named = [(f"{name}=", item) for name, item in value.kwargs.items()]
        return f"{value.function}(", [*(("", item) for item in value.args), *named], ")"
    if isinstance(value, tuple):
        return "(", [("", item) for item in value], ")"
    if isinstance(value, list):
        return "[", [("", item) for item in value], "]"
    if isinstance(value, dict):
        return "{", [(f"{_flat(key)}: ", item) for key, item in value.items()], "}"
    return None


def text_source(text: str) -> str:
    """A string in double quotes, unless single ones need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_escaped(letter, quote) for letter in text) + quote


def _escaped(letter: str, quote: str) -> str:
    if letter in ("\\", quote):
        return "\\" + letter
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


def _long_text(text: str, indent: int) -> str:
    """Neighbouring string literals, each as long as a line holds."""
    room = WIDTH - indent - 2
    lines: list[str] = []
    for word in re.findall(r"\S+\s*", text):
        if lines and len(lines[-1]) + len(word) <= room:
            lines[-1] += word
        else:
            lines.append(word)
    return f"\n{' ' * indent}".join(text_source(line) for line in lines)


def import_lines(names: Iterable[tuple[str, str]]) -> list[str]:
    """Import statements of (module, name), sorted as ruff sorts them."""
    modules: dict[str, set[str]] = {}
    for module, name in names:
        modules.setdefault(module, set()).add(name)
    return [
        _import(module, sorted(found, key=lambda n: (not n[0].isupper(), n.lower())))
        for module, found in sorted(modules.items())
    ]


def _import(module: str, names: Sequence[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {n},\n" for n in names) + ")"
