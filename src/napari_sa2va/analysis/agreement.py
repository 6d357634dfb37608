"""How well objects agree with label images that are taken for the truth.

Scoring goes over the frames twice: first to find out which label stands for which object, then to
compare them. Both passes are one generator, so that it can run on a worker thread, tell how far it
is, and be stopped by closing it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from napari_sa2va.analysis.checks import check_frames, check_masklets
from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.core.rle import Rle
from napari_sa2va.metrics import boundary_f, dice, region_j
from napari_sa2va.metrics.boundary import TOLERANCE

PairingRule = Literal["overlap", "id"]
TruthFrame = Callable[[int], np.ndarray]
"""Frame index -> label image, integers (Y, X), 0 for background."""


class Scores(NamedTuple):
    """Scores of one object on one frame, each in [0, 1]; two empty masks score 1."""

    j: float
    f: float
    dice: float

    @property
    def j_and_f(self) -> float:
        """J&F, the mean of J and F."""
        return (self.j + self.f) / 2


@dataclass(frozen=True)
class Looked:
    """A frame of the truth was looked at to find out which label is which object."""

    frame: int


@dataclass(frozen=True)
class Pairing:
    """Which label of the truth stands for which object.

    Attributes
    ----------
    label_of : mapping of int to (int or None)
        Object id -> label; None for an object that is compared with nothing.
    missed : tuple of int
        Labels that no object stands for; sorted.
    """

    label_of: Mapping[int, int | None]
    missed: tuple[int, ...]


@dataclass(frozen=True)
class FrameAgreement:
    """Scores of one frame, by object id; objects of which nothing is known there are left out."""

    frame: int
    scores: Mapping[int, Scores]


def agreement(
    masklets: Sequence[Masklet],
    truth_frame: TruthFrame,
    frames: Iterable[int],
    *,
    pairing: PairingRule = "overlap",
    tolerance: float = TOLERANCE,
) -> Generator[Looked | Pairing | FrameAgreement, None, None]:
    """Compare objects with the truth, frame by frame.

    Parameters
    ----------
    masklets : sequence of Masklet
        Taken as they are at the call: what changes afterwards is not seen.
    truth_frame : callable
        Frame index -> label image: integers or bool, (Y, X), 0 for background. Asked twice for
        every frame.
    frames : iterable of int
        Frames that have a truth.
    pairing : {"overlap", "id"}
        "overlap": each object takes at most one label and each label one object, so that as many
        pixels as possible are shared over all frames; a pair shares at least one. "id": the label
        with the object's id.
    tolerance : float
        See `metrics.boundary_f`.

    Yields
    ------
    Looked
        One per frame, while labels are paired with objects.
    Pairing
        Once.
    FrameAgreement
        One per frame, in rising order. An object without a label is compared with an empty truth.

    Raises
    ------
    RequestError
        At the call: two objects share an id, there is no such frame, no frame at all, or an unknown
        `pairing`. On the way: a truth that holds no labels (of a dtype that is no integer).
    ShapeMismatch
        At the call: the masklets are not of one clip. On the way: a truth of another size.

    Notes
    -----
    Frames that were not reached are not scored, so a run that was stopped is judged by what it did.
    Labels that no object stands for lower no score: they are listed as missed.
    """
    check_masklets(masklets)
    if not masklets:
        raise RequestError("There is no object to score.", "Segment something first.")
    chosen = check_frames(frames, masklets[0].num_frames)
    if not chosen:
        raise RequestError("No frame has a truth to compare with.", "Name at least one frame.")
    if pairing not in ("overlap", "id"):
        raise RequestError(f"Objects cannot be paired by {pairing!r}.", "Choose overlap or id.")
    size = (masklets[0].height, masklets[0].width)

    def truth(t: int) -> np.ndarray:
        return _checked(truth_frame(t), t, size)

    masks = {m.object_id: list(m.codes) for m in masklets}
    return _compare(masks, truth, chosen, pairing, tolerance)


def _compare(
    masks: Mapping[int, Sequence[Rle | None]],
    truth: TruthFrame,
    frames: Sequence[int],
    pairing: PairingRule,
    tolerance: float,
) -> Generator[Looked | Pairing | FrameAgreement, None, None]:
    shared: Counter[tuple[int, int]] = Counter()  # (object id, label) -> px in both, all frames
    labels: set[int] = set()
    for t in frames:
        image = truth(t)
        labels.update(np.unique(image[image != 0]).tolist())
        if pairing == "overlap":
            for object_id, codes in masks.items():
                shared.update(_shared(object_id, codes[t], image))
        yield Looked(t)
    if pairing == "overlap":
        label_of = _best_pairs(list(masks), shared)
    else:
        label_of = {i: i if i in labels else None for i in masks}
    missed = labels - set(label_of.values())
    yield Pairing(label_of, tuple(sorted(missed)))
    for t in frames:
        image = truth(t)
        scores = {
            i: _score(code, image, label_of[i], tolerance)
            for i, codes in masks.items()
            if (code := codes[t]) is not None
        }
        yield FrameAgreement(t, scores)


def _shared(object_id: int, code: Rle | None, image: np.ndarray) -> dict[tuple[int, int], int]:
    """Label -> px under the mask, background left out."""
    if code is None:
        return {}
    labels, px = np.unique(image[rle.decode(code)], return_counts=True)
    return {
        (object_id, label): number
        for label, number in zip(labels.tolist(), px.tolist(), strict=True)
        if label
    }


def _best_pairs(
    object_ids: Sequence[int], shared: Mapping[tuple[int, int], int]
) -> dict[int, int | None]:
    """Pair one to one so that the pixels shared by all pairs are as many as can be."""
    from scipy.optimize import linear_sum_assignment

    labels = sorted({label for _, label in shared})
    table = np.array([[shared.get((i, label), 0) for label in labels] for i in object_ids])
    label_of: dict[int, int | None] = dict.fromkeys(object_ids)
    if labels:
        for row, column in zip(*linear_sum_assignment(table, maximize=True), strict=True):
            if table[row, column]:  # whoever is left over is paired with anything
                label_of[object_ids[row]] = labels[column]
    return label_of


def _score(code: Rle, image: np.ndarray, label: int | None, tolerance: float) -> Scores:
    pred = rle.decode(code)
    true = np.zeros(image.shape, bool) if label is None else image == label
    return Scores(
        region_j(pred, true), boundary_f(pred, true, tolerance=tolerance), dice(pred, true)
    )


def _checked(image: np.ndarray, t: int, size: tuple[int, int]) -> np.ndarray:
    image = np.asarray(image)
    if image.shape != size:
        raise ShapeMismatch(
            f"The truth of frame {t} has the shape {image.shape}, the masks have {size} (Y, X).",
            "Choose a Labels layer of the clip that was segmented, with the same plane and size.",
        )
    if image.dtype.kind not in "iub":
        raise RequestError(
            f"The truth of frame {t} holds {image.dtype} values and no labels.",
            "Choose a Labels layer, or round the values to integers first.",
        )
    return image.astype(np.uint8) if image.dtype.kind == "b" else image


@dataclass(frozen=True, eq=False)
class Agreement:
    """Scores of all objects over the frames compared. Make one with `Agreement.of`.

    Attributes
    ----------
    pairing : Pairing
    frames : tuple of int
        Frames compared, rising.
    j, f, dice : dict of int to ndarray of float, shape (F,)
        By object id, one value per frame compared; NaN where nothing was known of the object.
    """

    pairing: Pairing
    frames: tuple[int, ...]
    j: dict[int, np.ndarray]
    f: dict[int, np.ndarray]
    dice: dict[int, np.ndarray]

    @classmethod
    def of(cls, events: Iterable[Looked | Pairing | FrameAgreement]) -> Agreement:
        """Gather what `agreement` yields; runs it to its end if it is handed over directly.

        Raises
        ------
        RequestError
            If it was stopped before labels were paired with objects.
        """
        pairing: Pairing | None = None
        compared: dict[int, Mapping[int, Scores]] = {}
        for event in events:
            if isinstance(event, Pairing):
                pairing = event
            elif isinstance(event, FrameAgreement):
                compared[event.frame] = event.scores
        if pairing is None:
            raise RequestError("Scoring was stopped before any frame was compared.", "Score again.")
        nothing = Scores(np.nan, np.nan, np.nan)
        by_id = {
            i: np.array([scores.get(i, nothing) for scores in compared.values()]).reshape(-1, 3).T
            for i in pairing.label_of
        }
        j, f, dice_ = ({i: values[k] for i, values in by_id.items()} for k in range(3))
        return cls(pairing, tuple(compared), j, f, dice_)

    @property
    def j_and_f(self) -> dict[int, np.ndarray]:
        """J&F by object id, float (F,)."""
        return {i: (self.j[i] + self.f[i]) / 2 for i in self.j}

    def mean_of(self, object_id: int) -> Scores:
        """Mean of an object over the frames compared; NaN if nothing was known on any of them."""
        return Scores(*(_mean(by_id[object_id]) for by_id in (self.j, self.f, self.dice)))

    @property
    def mean(self) -> Scores:
        """Mean over the objects, each counting once, however many frames of it were compared."""
        means = np.array([self.mean_of(i) for i in self.j])
        return Scores(*(_mean(column) for column in means.T))

    def curves(self, num_frames: int) -> dict[str, dict[int, np.ndarray]]:
        """The scores as `Timeline.curves` takes them: title -> object id -> float (T,)."""
        at = list(self.frames)
        check_frames(at, num_frames)
        curves: dict[str, dict[int, np.ndarray]] = {}
        titled = {"J&F": self.j_and_f, "J": self.j, "F": self.f, "Dice": self.dice}
        for title, by_id in titled.items():
            curves[title] = {}
            for object_id, values in by_id.items():
                line = np.full(num_frames, np.nan)
                line[at] = values
                curves[title][object_id] = line
        return curves


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
