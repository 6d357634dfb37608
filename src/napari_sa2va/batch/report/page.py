"""The page of a report: its style, and the pieces that it is made of. It loads nothing from anywhere.

The one script sorts tables; without it all is there to be read. The page says itself that nothing else
may run in it and nothing be loaded, so that not even a text that got past escaping could do harm.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from napari_sa2va.core.palette import Color, color_of, standing_out
from napari_sa2va.writers.xml_text import xml_text

# Between the key of a cell and what is shown; `text` lets none through.
_KEY = "\0"

NUM_COLORS = 21
"""After so many objects the colours come again."""

_PAPER_LIGHT, _INK_LIGHT = (255, 255, 255), (28, 30, 34)
_PAPER_DARK, _INK_DARK = (24, 26, 30), (228, 230, 234)

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e22; --muted: #5d646e; --line: #d9dde3;
  --soft: #f4f5f7; --done: #00845f; --nothing: #8a919c; --running: #0072b2; --waiting: #c3c9d2;
  --failed: #c43c2e; --unfit: #a8559a; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 78rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 50rem; }
.lead { font-size: 1.15rem; }
.muted, caption, th, dt { color: var(--muted); }
a { color: inherit; text-decoration-color: var(--muted); }
nav a { margin-right: 1.1rem; }
code, pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; border-radius: 4px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 600; font-size: .85rem; white-space: nowrap; }
.n { text-align: right; white-space: nowrap; }
table.sortable th { cursor: pointer; }
th[aria-sort=ascending]::after { content: " \\2191"; }
th[aria-sort=descending]::after { content: " \\2193"; }
.scroll { overflow-x: auto; }
.bar { display: flex; height: 1.6rem; gap: 2px; margin: 1rem 0 .5rem; border-radius: 4px;
  overflow: hidden; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bar span { min-width: 5px; }
.chip { display: inline-block; width: .75em; height: .75em; border-radius: 3px; margin-right: .45em;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.done { background: var(--done); } .nothing { background: var(--nothing); }
.running { background: var(--running); } .waiting { background: var(--waiting); }
.failed { background: var(--failed); } .unfit { background: var(--unfit); }
.legend span.item { white-space: nowrap; margin-right: 1.4rem; }
.cause { border-left: 4px solid var(--failed); padding: .1rem 0 .1rem 1rem; margin: 1rem 0;
  overflow-wrap: anywhere; }
.cause p { max-width: none; }
article { border-top: 1px solid var(--line); padding: 1.2rem 0; display: grid; gap: .6rem 1.6rem;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); break-inside: avoid; }
article > header { grid-column: 1 / -1; }
article img { width: 100%; height: auto; border-radius: 4px; display: block; }
article td:first-child { min-width: 9rem; }
.plot { width: 100%; max-width: 36rem; height: auto; display: block; }
.plot text { font-size: 11.5px; fill: var(--muted); font-family: inherit; }
.plot .mid { text-anchor: middle; } .plot .end { text-anchor: end; }
.plot .grid { stroke: var(--line); fill: none; } .plot .axis { stroke: var(--muted); fill: none; }
.plot .line { fill: none; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.plot .plain { stroke: var(--done); }
.plot .doubt { stroke: var(--failed); stroke-width: 1.6; fill: none; }
@media screen and (max-width: 52rem) { article { grid-template-columns: minmax(0, 1fr); } }
@media (prefers-color-scheme: dark) { :root { --paper: #181a1e; --ink: #e4e6ea; --muted: #9ba2ad;
  --line: #363a42; --soft: #22252b; --done: #2fb38c; --nothing: #7c838e; --running: #4aa3dd;
  --waiting: #4a505b; --failed: #ef7a6c; --unfit: #cc79a7; } }
@page { margin: 14mm; }
@media print { :root { --paper: #fff; --ink: #000; --muted: #444; --line: #bbb; --soft: #f4f4f4;
  --done: #00845f; --nothing: #8a919c; --running: #0072b2; --waiting: #c3c9d2; --failed: #c43c2e;
  --unfit: #a8559a; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  h2 { break-after: avoid; } tr, .cause { break-inside: avoid; } }
"""

# A click on the head of a column sorts; a second click turns the order round.
_SCRIPT = """
document.querySelectorAll("table.sortable").forEach(function (table) {
  var body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach(function (th, column) {
    th.tabIndex = 0;
    function sort() {
      var up = th.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th").forEach(function (t) { t.removeAttribute("aria-sort"); });
      th.setAttribute("aria-sort", up ? "ascending" : "descending");
      function key(row) {
        var cell = row.cells[column], said = cell.dataset.v;
        return said === undefined ? cell.textContent : said === "" ? -Infinity : Number(said);
      }
      Array.from(body.rows).map(function (row) { return [key(row), row]; }).sort(function (a, b) {
        var order = typeof a[0] === "number" ? a[0] - b[0] || 0
          : a[0].localeCompare(b[0], undefined, {numeric: true});
        return up ? order : -order;
      }).forEach(function (pair) { body.appendChild(pair[1]); });
    }
    th.addEventListener("click", sort);
    th.addEventListener("keydown", function (e) { if (e.key === "Enter") sort(); });
  });
});
"""


def text(said: object) -> str:
    """A text from outside, as it may stand between tags and in attributes."""
    return escape(xml_text(str(said)))


def head(title: str) -> str:
    """All up to the content."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}{_colors()}</style>\n</head>\n<body>\n"
    )


def foot() -> str:
    """All after the content."""
    return f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"


def color_class(object_id: int) -> str:
    """The class that has the colour of an object."""
    return f"o{(object_id - 1) % NUM_COLORS + 1}"


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Iterable[str] = (),
    sortable: bool = False,
) -> str:
    """A table of cells that are HTML already.

    Parameters
    ----------
    columns : sequence of str
    rows : iterable of sequence of str
        Those that are sorted by a number are made by `by`.
    numbers : iterable of str
        Columns whose cells stand to the right.
    sortable : bool
        Whether a click on a column sorts.
    """
    right = set(numbers)
    classes = [' class="n"' if name in right else "" for name in columns]
    parts = [
        f'<div class="scroll"><table{" class=sortable" if sortable else ""}><thead><tr>',
        *(f"<th{c}>{text(name)}</th>" for name, c in zip(columns, classes, strict=True)),
        "</tr></thead><tbody>\n",
    ]
    for row in rows:
        cells = (_cell(cell, c) for cell, c in zip(row, classes, strict=True))
        parts.append(f"<tr>{''.join(cells)}</tr>\n")
    parts.append("</tbody></table></div>\n")
    return "".join(parts)


def _cell(content: str, class_: str) -> str:
    key, has_key, shown = content.partition(_KEY)
    return f'<td{class_} data-v="{key}">{shown}</td>' if has_key else f"<td{class_}>{content}</td>"


def by(number: float | None, shown: str) -> str:
    """A cell of `table` that is sorted by a number; None sorts as the lowest."""
    return f"{'' if number is None else f'{number:g}'}{_KEY}{shown}"


def chip(class_: str) -> str:
    """A small square in the colour of a class."""
    return f'<span class="chip {class_}"></span>'


def _colors() -> str:
    """Lines and chips of every object, so that they stand out on light and on dark paper."""
    light = _rules(_PAPER_LIGHT, _INK_LIGHT)
    dark = _rules(_PAPER_DARK, _INK_DARK)
    return (
        f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {light} }}\n"
    )


def _rules(paper: Color, ink: Color) -> str:
    rules = []
    for object_id in range(1, NUM_COLORS + 1):
        line = "#" + bytes(standing_out(color_of(object_id), ink=ink, ground=paper)).hex()
        rules.append(f".line.o{object_id}{{stroke:{line}}}.chip.o{object_id}{{background:{line}}}")
    return "".join(rules)
