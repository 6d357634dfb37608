"""The sample movies open in a viewer and can be run on."""

import numpy as np
import pytest
from napari.layers import Layer

from napari_sa2va.gui.layer_axes import first_choice, read_axes
from napari_sa2va.gui.layer_words import describe_layer
from napari_sa2va.plugin.samples import cardiac_ultrasound, generated_movie


@pytest.fixture(scope="module")
def generated():
    return generated_movie()


def test_the_generated_movie_comes_with_its_truth(generated) -> None:
    movie, truth = (Layer.create(*data) for data in generated)
    assert movie.rgb
    assert truth.data.shape == movie.data.shape[:3]
    names = truth.features.set_index("index")["name"]
    present = [i for i in np.unique(truth.data) if i]
    assert len(present) >= 3
    assert set(present) <= set(names.index)
    assert names.is_unique
    # The masks are where something is drawn, not beside it.
    inside = movie.data.max(axis=-1)[truth.data > 0].mean()
    outside = movie.data.max(axis=-1)[truth.data == 0].mean()
    assert inside > outside + 20


def test_truth_has_the_colours_of_the_objects(generated) -> None:
    truth = Layer.create(*generated[1])
    from napari_sa2va.core.palette import color_of

    drawn = np.asarray(truth.colormap.map(2)).ravel()[:3] * 255
    np.testing.assert_allclose(drawn, color_of(2), atol=1)


def test_the_cardiac_ultrasound_is_a_lazy_movie() -> None:
    ((data, meta, kind),) = cardiac_ultrasound()
    layer = Layer.create(data, meta, kind)
    axes = read_axes(layer)
    words = describe_layer(layer, axes, first_choice(axes))
    assert words == "30 frames of 240 × 320 px, RGB. 510 µm per px, 33.3 ms per frame."
    assert hasattr(layer.data, "dask")
