"""Movies to try the dock on, under File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.plugin.reader import LayerData, layer_data

if TYPE_CHECKING:
    from napari_sa2va.training.synth import SynthMovie

# Three cells: one moves, one stays, one divides. Chosen by looking at it, and because on its first
# frames nano takes parts of one cell for another: there is something to correct (docs/tutorial.md).
_SEED, _STYLE = 125, "colour"
_NUM_FRAMES, _HEIGHT, _WIDTH = 24, 256, 256


def generated_movie() -> list[LayerData]:
    """A generated movie, and the true masks of its objects as labels with names."""
    from napari_sa2va.core.palette import color_of
    from napari_sa2va.training.synth import generate_movie

    movie = generate_movie(
        _SEED,
        num_frames=_NUM_FRAMES,
        height=_HEIGHT,
        width=_WIDTH,
        style=_STYLE,
        max_expressions=40,
    )
    names = _names(movie)
    labels = np.zeros(movie.frames.shape[:3], np.uint8)
    colors: dict[int | None, tuple[float, ...]] = {None: (0.0, 0.0, 0.0, 0.0)}
    for object_id, mask in enumerate(movie.masks, start=1):
        labels[mask] = object_id
        colors[object_id] = (*(level / 255 for level in color_of(object_id)), 1.0)
    axes = {"axis_labels": ["t", "y", "x"]}
    sentences = [expression.text for expression in movie.expressions]
    return [
        (
            movie.frames,
            {
                "name": "Generated movie",
                "rgb": True,
                "metadata": {"napari_sa2va_sentences": sentences},
                **axes,
            },
            "image",
        ),
        (
            labels,
            {
                "name": "Ground truth",
                "features": {"index": list(range(1, len(names) + 1)), "name": names},
                "colormap": colors,
                "opacity": 0.4,
                "visible": False,
                **axes,
            },
            "labels",
        ),
    ]


def cardiac_ultrasound() -> list[LayerData]:
    """A real echocardiogram of 30 frames, which comes with pydicom."""
    from pydicom.examples import get_path

    from napari_sa2va.readers import dicom

    data, meta, kind = layer_data(dicom.read(get_path("ybr_color")))
    return [(data, meta | {"name": "Cardiac ultrasound"}, kind)]


def _names(movie: SynthMovie) -> list[str]:
    """The shortest sentence that means each object alone."""
    names = []
    for object_id in range(1, len(movie.masks) + 1):
        texts = [e.text.rstrip(".?") for e in movie.expressions if e.object_ids == (object_id,)]
        names.append(min(texts, key=len) if texts else f"object {object_id}")
    return names
