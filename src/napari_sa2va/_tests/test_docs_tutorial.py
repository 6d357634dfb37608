"""What the documentation of the dock quotes is there: labels, keys, pictures, files that it links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLabel,
    QLineEdit,
    QMenu,
    QTabWidget,
    QToolButton,
    QTreeWidget,
    QWidget,
)

import napari_sa2va
from napari_sa2va._tests.made_workspaces import workspace_on
from napari_sa2va.analysis.doubt import Thresholds
from napari_sa2va.gui.axis_row import AxisRow
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.layer_axes import Axis
from napari_sa2va.gui.preferences import Preferences
from napari_sa2va.gui.scorer import TITLES
from napari_sa2va.gui.timeline_dock import TITLE, TimelineDock
from napari_sa2va.plugin.samples import generated_movie
from napari_sa2va.project.steps.carry import MOST_CONDITIONS
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.settings import RunSettings

DOCS = Path(napari_sa2va.__file__).parents[2] / "docs"
PAGES = ("tutorial.md", "dock.md")

# What napari calls its own things, and what stands in its menus and dialogs.
NAPARI = {"File", "Open Sample", "Layers", "Segment", "Measure", "Track", "Plugins", "Metadata"} | {
    "Preferences", "Save Selected Layers", "show selected", "additive",
}  # fmt: skip
_STAR = re.compile(r"(?<![\w*])\*(?!\*)([^*\n]+)\*(?![\w*])")
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")
_KEY = re.compile(r"\b((?:(?:Ctrl|Shift|Alt)\+)+(?:[A-Z0-9]\b|Enter|Down|wheel))")


def page(name: str) -> str:
    """A page without its blocks of code."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def texts_of(root: QWidget) -> set[str]:
    """All that can be read on a widget and what is in it, menus and choices too."""
    found: set[str] = set()
    for widget in [root, *root.findChildren(QWidget)]:
        if isinstance(widget, QAbstractButton | QLabel):
            found.add(widget.text())
        if isinstance(widget, QLineEdit):
            found.add(widget.placeholderText())
        if isinstance(widget, QComboBox):
            found |= {widget.itemText(i) for i in range(widget.count())}
        if isinstance(widget, QTabWidget):
            found |= {widget.tabText(i) for i in range(widget.count())}
        if isinstance(widget, QTreeWidget):
            header = widget.headerItem()
            found |= {header.text(i) for i in range(header.columnCount())} if header else set()
        menu = widget.menu() if isinstance(widget, QToolButton) else widget
        if isinstance(menu, QMenu):
            found |= {action.text() for action in menu.actions()}
    return {text.replace("&&", "&").removesuffix(" ▾") for text in found}


def words_of(schema: object) -> set[str]:
    """Titles in a JSON schema, and the values that can be chosen."""
    if isinstance(schema, list):
        return set().union(*map(words_of, schema))
    if not isinstance(schema, dict):
        return set()
    chosen = [schema.get("title"), schema.get("const"), *schema.get("enum", ())]
    return words_of(list(schema.values())) | {words for words in chosen if isinstance(words, str)}


@pytest.fixture
def docks(make_napari_viewer_proxy) -> tuple[SentenceDock, TimelineDock]:
    """The docks beside the sample, with something that was done and can be undone."""
    viewer = make_napari_viewer_proxy()
    (movie, of_movie, _), (truth, of_truth, _) = generated_movie()
    image = viewer.add_image(movie, **of_movie)
    viewer.add_labels(truth, **of_truth)
    dock, lanes = SentenceDock(viewer), TimelineDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    viewer.window.add_dock_widget(lanes, name=TITLE, area="bottom")
    workspace = workspace_on(viewer, image, {"cell": [(0, 0, 9, 9)] * len(movie)})
    workspace.do(Rename(object_id=1, name="the cell"))
    workspace.undo()
    viewer.layers.selection.active = workspace.layer
    lanes.refresh()
    return dock, lanes


@pytest.fixture
def readable(docks) -> set[str]:
    """Everything that somebody who follows the pages can read, on the docks and around them."""
    dock, lanes = docks
    menu = lanes.view.menu_for(0, 1)
    rows = [
        AxisRow(Axis(dim=0, word=word, letter=letter, size=3), every_plane=True)
        for word, letter in (("z", "Z"), ("channel", "C"))
    ]
    found = texts_of(dock) | texts_of(lanes) | NAPARI | {*TITLES}
    for settings in (RunSettings, Preferences):
        found |= words_of(settings.model_json_schema())
    found |= {action.text() for action in menu.actions()} if menu else set()
    for row in rows:
        found |= {row.axis.word, *(row.combo.itemText(i) for i in range(row.combo.count()))}
    found |= {layer.name for layer in dock.bench.viewer.layers}
    found |= {"Segment by sentence", "Ask about it", TITLE, "Measure objects over time"}
    found |= {"Sa2VA: segment by sentence", "Generated movie with ground truth", "Models"}
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_label_that_a_page_quotes_is_in_the_docks(readable, name) -> None:
    quoted = {part.strip() for found in _STAR.findall(page(name)) for part in found.split(" > ")}
    assert len(quoted) > 10, "the pattern still finds them"
    missing = {words for words in quoted if words not in readable}
    assert not missing


@pytest.mark.parametrize("name", PAGES)
def test_every_key_that_a_page_quotes_is_told_in_a_tool_tip_or_the_legend(docks, name) -> None:
    told = " ".join(w.toolTip() for top in docks for w in top.findChildren(QWidget))
    told += docks[1].view.header.legend_button.legend()
    quoted = set(_KEY.findall(page(name)))
    assert quoted
    assert not {keys for keys in quoted if keys not in told}


def test_the_rules_of_what_is_doubtful_and_what_conditions_are_those_of_the_page() -> None:
    said = " ".join(page("dock.md").split())
    rules = Thresholds()
    assert f"a score below {rules.lowest_score}" in said
    assert f"more than {rules.area_ratio} times or less than two thirds" in said
    assert rules.area_ratio == 3 / 2
    assert rules.overlap_share == 0.1
    assert "more than a tenth of the smaller one" in said
    assert f"At most {MOST_CONDITIONS} such frames" in said


def test_every_picture_that_a_page_shows_is_there_and_none_is_left_over() -> None:
    shown: set[str] = set()
    for path in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        text = path.read_text(encoding="utf-8")
        shown |= {(path.parent / link).resolve().as_posix() for link in _PICTURE.findall(text)}
    there = {path.resolve().as_posix() for path in (DOCS / "images").glob("*.png")}
    assert shown == there


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_a_page_links_is_there(name) -> None:
    links = [link for link in _LINK.findall(page(name)) if "://" not in link]
    assert links
    assert not [link for link in links if not (DOCS / link).exists()]
