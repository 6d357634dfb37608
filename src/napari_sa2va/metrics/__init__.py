"""How good masks are: region similarity J, contour accuracy F, Dice, and their summaries."""

from napari_sa2va.metrics.boundary import boundary_f, contour
from napari_sa2va.metrics.dice import dice
from napari_sa2va.metrics.region import region_j
from napari_sa2va.metrics.summary import VideoScore, decay, recall, score_video

__all__ = [
    "VideoScore",
    "boundary_f",
    "contour",
    "decay",
    "dice",
    "recall",
    "region_j",
    "score_video",
]
