"""Pure numbers on masklets and clips: what a person needs to trust a result, and to report it.

What lives here works on run-length codes and frames, on any thread, without a window:

* `timeline`: what is known of every object and frame, and `doubt`: which frames to look at, and why
* `measure`: the table of measurements; `curves`: lines over time out of it
* `tracks`: centroids and parents for napari's Tracks layer
* `agreement`: scores against label images
* `outlines`: polygons along the edges of masks

`runs`, `shape` and `numbers` are what these are made of: areas, overlaps and moments of many
run-length codes at once.
"""

from napari_sa2va.analysis.agreement import (
    Agreement,
    FrameAgreement,
    Looked,
    Pairing,
    Scores,
    agreement,
)
from napari_sa2va.analysis.curves import curve, curves_of, title_of
from napari_sa2va.analysis.doubt import Doubt, Reason, Thresholds
from napari_sa2va.analysis.measure import Measurements, collect, measure
from napari_sa2va.analysis.timeline import Lane, Timeline, TimelineBuilder, timeline_of
from napari_sa2va.analysis.tracks import Tracks, tracks_of

__all__ = [
    "Agreement",
    "Doubt",
    "FrameAgreement",
    "Lane",
    "Looked",
    "Measurements",
    "Pairing",
    "Reason",
    "Scores",
    "Thresholds",
    "Timeline",
    "TimelineBuilder",
    "Tracks",
    "agreement",
    "collect",
    "curve",
    "curves_of",
    "measure",
    "timeline_of",
    "title_of",
    "tracks_of",
]
