"""Does docs/tutorial.md, checks on the way that it is true, and takes its pictures.

What is typed and what is to be read stands in the tutorial word by word, see `Text`.
"""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Qt

from screenshots.stage import Stage, check, settle, wait

TUTORIAL = Path(__file__).parent.parent / "tutorial.md"
NAMES = ("dividing", "large", "moving", "the green cell")
DIVIDING, LARGE, MOVING, GREEN = 1, 2, 3, 4
_TRUTH = {DIVIDING: 3, LARGE: 2, MOVING: 1}  # labels of the ground truth
CARRY_TO, FRAME, APART = 5, 12, 17
_BRUSH_PX = 14
_GOOD, _BAD = 0.8, 0.6  # J of a mask that nobody, and that everybody, would call wrong


class Text:
    """The tutorial, of which the script quotes.

    Attributes
    ----------
    plain : str
        Without line breaks, and without marks of emphasis.
    """

    def __init__(self, path: Path = TUTORIAL) -> None:
        self.source = path.read_text(encoding="utf-8")
        self.plain = " ".join(re.sub(r"[*`]", "", self.source).split())

    def says(self, words: str) -> str:
        """Words that stand in the tutorial.

        Raises
        ------
        SystemExit
            If they do not.
        """
        check(" ".join(words.split()) in self.plain, f"the tutorial does not say {words!r}")
        return words

    def block(self, beginning: str) -> str:
        """The block of code that begins so, without its indent."""
        found = re.search(
            rf"```\w*\n(\s*{re.escape(beginning)}.*?)\n\s*```", self.source, re.DOTALL
        )
        check(found is not None, f"no block begins with {beginning!r}")
        assert found is not None
        return "\n".join(line.strip() for line in found.group(1).splitlines())


def main() -> None:
    """Do the tutorial from its beginning to its end."""
    stage, text = Stage(), Text()
    truth = open_movie(stage)
    say_what_to_find(stage, text)
    run(stage, text)
    look(stage, text, truth)
    correct(stage, text, truth)
    try_other_ways(stage, text, truth)
    score(stage, text)
    lock(stage, text)
    divide(stage, text)
    measure(stage)
    keep(stage, text)


def open_movie(stage: Stage) -> np.ndarray:
    """Section 1. Returns the ground truth, int (T, Y, X)."""
    stage.open_sample()
    check(not stage.layer("Ground truth").visible, "the ground truth is hidden")
    truth: np.ndarray = np.asarray(stage.layer("Ground truth").data)
    for object_id, sign, words in ((MOVING, 1, "to the right"), (LARGE, -1, "to the left")):
        x = [np.argwhere(truth[t] == _TRUTH[object_id]).mean(axis=0)[1] for t in (0, -1)]
        check(sign * (x[1] - x[0]) > 20, f"object {object_id} drifts {words}")
    return truth


def say_what_to_find(stage: Stage, text: Text) -> None:
    """Section 2."""
    dock = stage.dock
    check(dock.picker.layer is stage.layer("Generated movie"), "the dock has chosen the movie")
    dock.sentences.setPlainText(text.block("dividing:"))
    preview = dock.finder.preview
    wait(lambda: bool(preview.estimate.text()) and preview.strip.pictures.count() > 0)
    check("a guess" in preview.estimate.text(), f"a guess: {preview.estimate.text()}")
    check(len(dock.sentences.swatches()) == len(NAMES), "every line has a square")
    preview.strip.pictures.itemClicked.emit(preview.strip.pictures.item(0))
    settle()
    check(stage.viewer.dims.current_step[0] == 0, "a click on a picture moves the slider")
    stage.take("tutorial-set-up.png")


def run(stage: Stage, text: Text) -> None:
    """Section 3."""
    stage.dock.panel.run_button.click()
    stage.wait_for_run()
    cards = stage.workspace.project.state.cards
    check(tuple(card.name for card in cards.values()) == NAMES, "objects have the names typed")
    check([cards[i].found for i in cards] == [True] * 3 + [False], "the green cell is not found")
    check("Not found" in stage.dock.panel.answers.text(GREEN), text.says("Not found"))
    stage.take("tutorial-found.png")


def look(stage: Stage, text: Text, truth: np.ndarray) -> None:
    """Section 4."""
    stage.open_timeline()
    count = stage.workspace.project.state.num_frames
    stage.timeline.frame_chosen.emit(count - 1)
    settle()
    seen = []
    while stage.timeline.header.earlier_button.isEnabled():
        stage.press_key(Qt.Key.Key_N, shift=True)
        seen.append(stage.frame)
        check(bool(stage.timeline.header.words.text()), "the reason is written above the lanes")
    check(0 in seen and len(seen) > 2, f"the first frames are doubtful, not {seen}")
    check(max(seen) <= CARRY_TO, f"no frame after {CARRY_TO} is doubtful, but {seen} are")
    stage.press_key(Qt.Key.Key_End)
    stage.press_key(Qt.Key.Key_Home)
    check(stage.frame == 0, "Home goes to the first frame")
    for object_id in (DIVIDING, LARGE):
        overlap = stage.iou(object_id, 0, truth[0] == _TRUTH[object_id])
        check(overlap < _BAD, f"object {object_id} is wrong on frame 0 (J {overlap:.2f})")
    stolen = stage.workspace.project.state.mask(DIVIDING, 0) & (truth[0] == _TRUTH[LARGE])
    check(stolen.sum() > 100, "the one that divides has got a piece of the large cell")
    words = stage.timeline.header.words.text()
    check("large – It overlaps with 'moving'" in words, f"large overlaps with moving: {words}")
    stage.timeline.object_chosen.emit(DIVIDING)
    stage.take("tutorial-doubt.png")


def correct(stage: Stage, text: Text, truth: np.ndarray) -> None:
    """Section 5, as far as it is kept."""
    panel = stage.correct
    stage.show_tab("Correct")
    for name, object_id, sentence in (
        ("dividing", DIVIDING, "the small cell"),
        ("large", LARGE, "the large yellow cell"),
    ):
        stage.choose(name)
        stage.ask(text.says(sentence))
        overlap = stage.iou(object_id, 0, truth[0] == _TRUTH[object_id])
        check(overlap > _GOOD, f"{sentence!r} puts {name} right (J {overlap:.2f})")
    before = masks_of(stage, MOVING)
    stage.choose("dividing", "large")
    panel.last.setValue(CARRY_TO)
    panel.forward_button.click()
    stage.wait_for_run()
    check((masks_of(stage, MOVING) == before).all(), "no other object is touched")
    for object_id in (DIVIDING, LARGE):
        overlap = min(
            stage.iou(object_id, t, truth[t] == _TRUTH[object_id]) for t in range(CARRY_TO)
        )
        check(overlap > _GOOD, f"object {object_id} is right to frame {CARRY_TO} ({overlap:.2f})")
    counts = stage.timeline.header.counts.text()
    check(counts == text.says("nothing doubtful"), f"nothing is doubtful, but: {counts}")
    stage.take("tutorial-carried.png")


def try_other_ways(stage: Stage, text: Text, truth: np.ndarray) -> None:
    """Section 5, what is tried and undone."""
    panel, workspace = stage.correct, stage.workspace
    right = masks_of(stage, MOVING)
    steps = len(workspace.project.steps)
    stage.choose("moving")
    stage.go_to(FRAME)
    ys, xs = np.nonzero(truth[FRAME] == _TRUTH[MOVING])
    y, edge = int(ys.mean()), int(xs.max())

    panel.paint_button.click()
    layer: Any = workspace.layer
    layer.brush_size = _BRUSH_PX
    for x in range(edge, edge + 30, 4):
        layer.paint((FRAME, y, x), layer.selected_label)
    wait(lambda: len(workspace.project.steps) > steps)
    stroke = (slice(y - 3, y + 3), slice(edge + 12, edge + 26))
    check(bool(workspace.project.state.mask(MOVING, FRAME)[stroke].all()), "the brush paints")
    panel.off_button.click()
    stage.add_mark((FRAME, y, edge + 19))
    check(
        not workspace.project.state.mask(MOVING, FRAME)[stroke].any(),
        "a point where the cell is not takes the stroke away",
    )
    stage.take("tutorial-point.png")
    panel.off_button.click()
    check(stage.viewer.layers.selection.active == layer, "the masks layer is active again")

    panel.box_button.click()
    stage.drag_box(FRAME, ys.min() - 2, xs.min() - 2, ys.max() + 2, xs.max() + 2)
    overlap = stage.iou(MOVING, FRAME, truth[FRAME] == _TRUTH[MOVING])
    check(overlap > _GOOD, f"a box draws the cell anew (J {overlap:.2f})")

    panel.absent_button.click()
    settle()
    doubts = {doubt.reason for doubt in workspace.timeline().doubts}
    check({"vanishes", "appears"} <= doubts, f"it vanishes and appears, not {doubts}")
    while len(workspace.project.steps) > steps:
        panel.undo_button.click()
        settle()
    check((masks_of(stage, MOVING) == right).all(), "undo takes all of it back")
    layer.mode = "pan_zoom"


def score(stage: Stage, text: Text) -> None:
    """Section 6."""
    stage.viewer.theme = "light"
    stage.show_tab("Measure")
    panel = stage.measure.scores
    panel.truth.setCurrentText(text.says("Ground truth"))
    after = _score(stage)
    text.says("so it scores 1")
    check(after[GREEN] == 1, f"both are empty for the green cell, but J is {after[GREEN]}")

    text.says("three times: the carrying and the two sentences are undone")
    for _ in range(3):
        stage.correct.undo_button.click()
        settle()
    check(len(stage.workspace.project.steps) == 1, "nothing but the run is left")
    before = _score(stage)
    check(all(before[i] < after[i] for i in (DIVIDING, LARGE)), "the correction was worth it")
    for _ in range(3):
        stage.correct.redo_button.click()
        settle()
    check(_same(_score(stage), after), "and redo brings it back")

    stage.timeline.show_plot()
    stage.timeline.set_curve(text.says("J&F"))
    check(stage.timeline.curve == "J&F", "the plot offers J&F")
    stage.timeline.object_chosen.emit(DIVIDING)
    _scroll(stage, to_end=True)
    stage.take("tutorial-scores.png")


def lock(stage: Stage, text: Text) -> None:
    """Section 7."""
    stage.viewer.theme = "dark"
    stage.timeline.header.lanes_button.click()
    stage.show_tab("Correct")
    panel, workspace = stage.correct, stage.workspace
    stage.choose("dividing", "large")
    panel.range_lock_button.click()
    settle()
    locked = [len(workspace.project.state.frames_where(i, locked=True)) for i in (1, 2)]
    check(locked == [CARRY_TO + 1] * 2, f"both are locked on the range, not {locked}")
    stage.go_to(3)
    layer: Any = workspace.layer
    y, x = np.argwhere(workspace.project.state.mask(LARGE, 3)).mean(axis=0).astype(int)
    layer.paint((3, y, x), DIVIDING)
    wait(lambda: "is locked on frame 3" in stage.dock.panel.message.text())
    stage.dock.panel.message.hide()
    panel.range_unlock_button.click()
    settle()
    layer.mode = "pan_zoom"


def divide(stage: Stage, text: Text) -> None:
    """Section 8."""
    stage.go_to(APART)
    stage.choose("dividing")
    choose_of(stage.correct.more_button.menu(), "It divides into its parts on this frame")
    settle()
    check(not stage.dock.panel.message.text(), stage.dock.panel.message.text())
    state = stage.workspace.project.state
    daughter = max(state.cards)
    check(state.card(daughter).name == text.says("dividing 2"), "the new object is named so")
    check(state.card(daughter).parents == (DIVIDING,), "it is linked to its mother")
    frames = state.masklet(daughter).frames_present
    check(0 < frames[0] < APART, f"it begins where the parts come apart, on frame {frames[0]}")
    tree = stage.correct.objects
    rows = [tree.topLevelItem(row) for row in range(tree.topLevelItemCount())]
    new = next(row for row in rows if row is not None and row.text(0) == "dividing 2")
    new.setText(0, text.says("daughter"))
    settle()
    check(state.card(daughter).name == "daughter", "a double click renames")
    stage.press_key(Qt.Key.Key_N, shift=True)
    check(stage.frame == frames[0], "the timeline finds it doubtful that an object appears")
    check("appears" in stage.timeline.header.words.text(), "an object appears")
    stage.press_key(Qt.Key.Key_R)
    check(state.reviewed == {frames[0]}, "R marks the frame as reviewed")
    stage.go_to(APART)
    stage.choose("daughter")
    stage.take("tutorial-division.png")


def measure(stage: Stage) -> None:
    """Section 9."""
    stage.show_tab("Measure")
    stage.measure.work.start_button.click()
    wait(lambda: not stage.measure.measurer.running)
    settle()
    rows = stage.measure.table.tree.texts
    names = [row[0] for row in rows]
    check(names == ["dividing", "large", "moving", "daughter"], f"objects in view, not {names}")
    layer: Any = stage.workspace.layer
    check("area_px" in layer.features, "the numbers are in the layer's features")
    stage.measure.tracks_button.click()
    settle()
    tracks: Any = stage.layer("Generated movie – tracks")
    daughter = max(stage.workspace.project.state.cards)
    links = {int(child): [int(i) for i in np.ravel(of)] for child, of in tracks.graph.items()}
    check(links == {daughter: [DIVIDING]}, f"the daughter's way begins at her mother's: {links}")
    view = stage.timeline
    view.show_plot()
    titles = [view.header.curve_box.itemText(i) for i in range(view.header.curve_box.count())]
    check(any(title.startswith("Speed") for title in titles), f"the plot offers a speed: {titles}")
    view.set_curve("Area (px)")
    stage.timeline.object_chosen.emit(DIVIDING)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measurements.csv"
        stage.measure.measurer.save(stage.workspace, path)
        wait(path.exists)
        wait(lambda: not stage.measure.measurer.running)
        with path.open(encoding="utf-8", newline="") as file:
            names = {row["name"] for row in csv.DictReader(file)}
    check("daughter" in names, f"the file holds all objects: {names}")
    stage.go_to(APART)
    _scroll(stage, to_end=False)
    stage.take("tutorial-measured.png")


def keep(stage: Stage, text: Text) -> None:
    """Section 10."""
    from qtpy.QtWidgets import QApplication

    stage.timeline.header.lanes_button.click()
    stage.show_tab("Keep")
    panel, workspace = stage.dock.keep, stage.workspace
    check(panel.steps.count() == len(workspace.project.steps), "every step is listed")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "cells-project"
        panel.save_to(folder)
        wait(lambda: panel._work is None)
        settle()
        panel.command_button.click()
        command = QApplication.clipboard().text()
        check(command == shlex.join(["napari-sa2va", "replay", str(folder)]), command)
        text.says(f"$ napari-sa2va replay {folder.name}")
        panel.python_button.click()
        compile(QApplication.clipboard().text(), "script.py", "exec")
        panel.place.setText(f"Kept in {Path('/home/you') / folder.name}")
        stage.dock.panel.message.hide()
        stage.take_part(stage.dock, "tutorial-kept.png")
        replay(folder, text)
        open_again(stage, folder)


def replay(folder: Path, text: Text) -> None:
    """Do everything again on the command line."""
    done = subprocess.run(
        ["napari-sa2va", "replay", str(folder)], capture_output=True, text=True, check=False
    )
    check(done.returncode == 0, f"a replay gives the same masks: {done.stdout}{done.stderr}")
    last = done.stdout.strip().splitlines()[-1]
    check(text.block("The same") == last, f"the last line of a replay is {last!r}")


def open_again(before: Stage, folder: Path) -> None:
    """Open the project in another viewer, in which there is nothing."""
    stage = Stage()
    stage.dock.keep.open_from(folder)
    wait(lambda: stage.dock.keep._work is None)
    settle()
    cards = stage.workspace.project.state.cards
    names = [card.name for card in cards.values()]
    check(names == [*NAMES, "daughter"], f"the names are back: {names}")
    for object_id in cards:
        same = masks_of(stage, object_id) == masks_of(before, object_id)
        check(bool(same.all()), "the masks are back")
    check(stage.correct.undo_button.isEnabled(), "what was done can be undone")


def masks_of(stage: Stage, object_id: int) -> np.ndarray:
    """All masks of an object, bool (T, Y, X)."""
    state = stage.workspace.project.state
    return np.stack([state.mask(object_id, t) for t in range(state.num_frames)])


def choose_of(menu: Any, title: str) -> None:
    """Choose an entry of a menu."""
    found = [action for action in menu.actions() if action.text() == title]
    check(len(found) == 1, f"there is an entry {title!r}")
    found[0].trigger()


def _score(stage: Stage) -> dict[int, float]:
    """Press Score; mean J of every object."""
    from napari_sa2va.gui.scorer import scored_of

    panel = stage.measure.scores
    panel.work.start_button.click()
    wait(lambda: not panel.scorer.running)
    settle()
    check(not stage.measure.message.text(), stage.measure.message.text())
    scored = scored_of(stage.workspace)
    assert scored is not None
    return {object_id: scores.j for object_id, _, scores in scored.rows()}


def _same(one: dict[int, float], two: dict[int, float]) -> bool:
    return one.keys() == two.keys() and np.allclose(
        list(one.values()), list(two.values()), equal_nan=True
    )


def _scroll(stage: Stage, *, to_end: bool) -> None:
    area: Any = stage.dock.tabs.currentWidget()
    bar = area.verticalScrollBar()
    bar.setValue(bar.maximum() if to_end else 0)
    settle()
