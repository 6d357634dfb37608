"""Does what the how-tos in docs/tutorial.md say, and takes their pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from screenshots.stage import Stage, check, settle, wait
from screenshots.tutorial import Text

_LARGE, _BLUE, _DIVIDING = 2, 1, 3  # labels of the ground truth
_PLANE_BRIGHTNESS = (0.8, 1.0, 0.9)
_INSIDE = (130, 130, 250, 256)  # y0, x0, y1, x1: the surroundings of the cell that divides
_GOOD, _NOT_BAD = 0.75, 0.65  # J on the mean, and of every frame


def main() -> None:
    """Take all pictures, each in a viewer of its own."""
    text = Text()
    from napari_sa2va.plugin.samples import generated_movie

    (movie, _, _), (labels, _, _) = generated_movie()
    take_stack(text, movie, labels)
    take_region(text, movie, labels)
    take_channels(text, movie, labels)
    keep_on_disk(text, movie)


def take_stack(text: Text, movie: np.ndarray, truth: np.ndarray) -> None:
    """Every plane of a stack with time and z."""
    stage = Stage()
    planes = [np.rint(movie[::3] * brightness) for brightness in _PLANE_BRIGHTNESS]
    stage.viewer.add_image(
        np.stack(planes, axis=1).astype(np.uint8),  # (T, Z, Y, X, 3)
        name="stack",
        rgb=True,
        axis_labels=("t", "z", "y", "x"),
        scale=(300, 2, 0.5, 0.5),
        units=("s", "um", "um", "um"),
    )
    settle()
    picker = stage.dock.picker
    row = picker.row_of(1)
    offered = [row.combo.itemText(i) for i in range(row.combo.count())]
    for words in ("the plane in view", "every plane on its own"):
        check(text.says(words) in offered, f"{words!r} is offered, beside {offered}")
    row.choose("every")
    stage.take_part(picker, "dock-stack.png")
    stage.dock.sentences.setPlainText("large: the large yellow cell\nthe blue cell")
    _find(stage)
    layer: Any = stage.workspace.layer
    data = np.asarray(layer.data)
    check(data.shape == (8, 3, 256, 256), f"masks are on all planes, not {data.shape}")
    text.says("is label 2 everywhere")
    for plane in range(len(planes)):
        for label, of in ((1, _LARGE), (2, _BLUE)):
            overlap = _overlap(data[:, plane] == label, truth[::3] == of)
            check(overlap > _GOOD, f"plane {plane}, label {label}: J {overlap:.2f}")
    stage.viewer.dims.set_current_step((0, 1), (4, 2))
    stage.take("tutorial-stack.png")


def take_region(text: Text, movie: np.ndarray, truth: np.ndarray) -> None:
    """The inside of a rectangle."""
    stage = Stage()
    stage.viewer.add_image(movie, name="movie", rgb=True, axis_labels=("t", "y", "x"))
    y0, x0, y1, x1 = _INSIDE
    corners = np.array([[y0, x0], [y0, x1 - 1], [y1 - 1, x1 - 1], [y1 - 1, x0]])
    stage.viewer.add_shapes(
        [corners], shape_type="rectangle", name="around it", edge_color="white",
        face_color="transparent",
    )  # fmt: skip
    settle()
    picker = stage.dock.picker
    check(picker.inside.isVisible(), "Only inside is there as soon as there is a rectangle")
    picker.inside.setCurrentIndex(1)
    stage.dock.sentences.setPlainText(text.says("the small bright cell"))
    stage.dock.panel.run_button.click()
    wait(lambda: not stage.dock.controller.running)
    settle()
    stage.dock.panel.message.hide()  # it says which part is looked at
    masks = np.asarray(stage.workspace.layer.data) == 1  # type: ignore[union-attr]
    for t in range(len(masks)):
        overlap = _overlap(masks[t : t + 1], truth[t : t + 1] == _DIVIDING)
        check(overlap > _NOT_BAD, f"it is found well on frame {t}: J {overlap:.2f}")
    overlap = _overlap(masks, truth == _DIVIDING)
    check(overlap > _GOOD, f"it is found well: J {overlap:.2f}")
    masks[:, y0:y1, x0:x1] = False
    check(not masks.any(), "masks outside stay as they are")
    stage.viewer.dims.set_current_step(0, 0)
    stage.take("tutorial-region.png")


def take_channels(text: Text, movie: np.ndarray, truth: np.ndarray) -> None:
    """Three layers that are one picture."""
    stage = Stage()
    for place, colour in enumerate(("red", "green", "blue")):
        stage.viewer.add_image(
            movie[..., place], name=colour, colormap=colour, blending="additive",
            contrast_limits=(0, 255), axis_labels=("t", "y", "x"),
        )  # fmt: skip
    settle()
    picker = stage.dock.picker
    check(picker.mixer.text() == text.says("+ layers"), f"+ layers, not {picker.mixer.text()}")
    offered = [layer for layer in stage.viewer.layers if layer is not picker.layer]
    picker.mixer.take(offered[::-1])
    stage.dock.sentences.setPlainText("the blue cell\nthe large yellow cell")
    settle()
    stage.take("tutorial-channels.png")
    _find(stage)
    data = np.asarray(stage.workspace.layer.data)  # type: ignore[union-attr]
    for label, of in ((1, _BLUE), (2, _LARGE)):
        overlap = _overlap(data == label, truth == of)
        check(overlap > _GOOD, f"label {label} is found in the mixture: J {overlap:.2f}")


def keep_on_disk(text: Text, movie: np.ndarray) -> None:
    """Masks that take more than is wanted in memory; no picture."""
    from napari_sa2va.gui.preferences import Preferences, change_preferences

    text.says(str(Preferences.model_fields["disk_above_mb"].title))
    change_preferences(disk_above_mb=1)  # the sample takes more
    stage = Stage()
    stage.viewer.add_image(movie, name="movie", rgb=True, axis_labels=("t", "y", "x"))
    stage.dock.sentences.setPlainText("the blue cell")
    _find(stage)
    layer: Any = stage.workspace.layer
    check(hasattr(layer.data, "store"), f"masks lie on disk, not in {type(layer.data)}")
    steps = len(stage.workspace.project.steps)
    stage.go_to(0)
    layer.paint((0, 3, 3), 1)
    wait(lambda: len(stage.workspace.project.steps) > steps)
    check(bool(np.asarray(layer.data[0])[3, 3] == 1), "and can be painted all the same")


def _find(stage: Stage) -> None:
    """Press Run, and wait for its end."""
    preview = stage.dock.finder.preview
    wait(lambda: preview.strip.pictures.count() > 0)
    stage.dock.panel.run_button.click()
    stage.wait_for_run()


def _overlap(masks: np.ndarray, truth: np.ndarray) -> float:
    """Mean J over the frames."""
    inter = (masks & truth).sum(axis=(1, 2))
    union = (masks | truth).sum(axis=(1, 2))
    return float((inter / np.maximum(union, 1)).mean())
