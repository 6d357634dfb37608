"""Compares the masks of a workspace with a Labels layer that is taken for the truth. No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_sa2va.analysis.agreement import (
    Agreement,
    FrameAgreement,
    Looked,
    Pairing,
    PairingRule,
    Scores,
    agreement,
)
from napari_sa2va.core.errors import RequestError, Sa2vaError
from napari_sa2va.gui.errand import Errand, Start, View
from napari_sa2va.gui.layer_frames import LayerFrames, truth_under
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.traces import Trace, changed_masks, traces_of

if TYPE_CHECKING:
    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.core.masklet import Masklet
    from napari_sa2va.gui.workspace import Workspace

TITLES = ("J", "F", "J&F", "Dice")
_TELL_EVERY_S = 0.1


@dataclass(frozen=True, eq=False)
class Scored:
    """How well the masks of a workspace agreed with a truth.

    Attributes
    ----------
    truth : str
        Name of the layer.
    agreement : Agreement
        Its frames are those of the stack.
    num_wanted : int
        Number of frames that have a truth; fewer were compared if it was stopped.
    traces : mapping of int to Trace
        The masks that were compared.
    """

    truth: str
    agreement: Agreement
    num_wanted: int
    traces: Mapping[int, Trace]

    def num_changed(self, workspace: Workspace) -> int:
        """How many of the frames compared have other masks now; all, if objects came or went."""
        now = traces_of(workspace.project.state)
        if set(now) != set(self.traces):
            return len(self.agreement.frames)
        return int(changed_masks(now, self.traces)[list(self.agreement.frames)].sum())

    def rows(self) -> list[tuple[int, int | None, Scores]]:
        """Per object its id, the label that stands for it, and its mean scores."""
        label_of = self.agreement.pairing.label_of
        return [(i, label_of[i], self.agreement.mean_of(i)) for i in sorted(label_of)]


_known: WeakKeyDictionary[Workspace, Scored] = WeakKeyDictionary()


def scored_of(workspace: Workspace) -> Scored | None:
    """The last scores of a workspace."""
    return _known.get(workspace)


@dataclass(frozen=True, eq=False)
class ScoreRequest:
    """What is to be compared, as it was when the button was pressed."""

    masklets: tuple[Masklet, ...]
    truth: LayerFrames
    frames: tuple[int, ...]
    pairing: PairingRule


@dataclass(frozen=True)
class Progress:
    """Frames that were looked at; each is looked at twice."""

    done: int


@dataclass(frozen=True, eq=False)
class Compared:
    """It is done, or was stopped; None if that was before any frame was compared."""

    agreement: Agreement | None


class Scorer:
    """Does one comparison at a time.

    Parameters
    ----------
    view : View
    start : callable
        Starts work on another thread.
    """

    def __init__(self, view: View, start: Start) -> None:
        self._view = view
        self._errand = Errand(start)

    @property
    def running(self) -> bool:
        """Whether a comparison is on its way."""
        return self._errand.running

    def score(self, workspace: Workspace, layer: Any, pairing: PairingRule = "overlap") -> None:
        """Compare the masks with the labels of a layer.

        Parameters
        ----------
        workspace : Workspace
        layer : napari.layers.Labels or None
        pairing : {"overlap", "id"}
            See `analysis.agreement`.
        """
        if self.running:
            return
        try:
            request = _request(workspace, layer, pairing)
        except Sa2vaError as error:
            self._view.show_error(error.message, error.hint)
            return
        traces, wanted = traces_of(workspace.project.state), len(request.frames)

        def hear(message: Progress | Compared | Failed) -> None:
            if isinstance(message, Progress):
                self._view.show_progress(message.done, 2 * wanted)
                return
            self._errand.end()
            self._view.set_running(False)
            if isinstance(message, Failed):
                self._view.show_error(message.message, message.hint, message.details)
            elif message.agreement is None:
                self._view.show_outcome("Stopped before any frame was compared.")
            else:
                _known[workspace] = Scored(request.truth.name, message.agreement, wanted, traces)
                _show_curves(workspace, message.agreement)
                self._view.show_outcome("")
            self._view.refresh()

        self._view.set_running(True)
        self._view.show_progress(0, 2 * wanted)
        self._errand.begin(request, hear, compared)

    def cancel(self) -> None:
        """Ask it to stop after the frame in work; what was compared stays."""
        self._errand.cancel()

    def stop(self) -> None:
        """Stop it and hear nothing more of it. The view is not touched: it may be gone."""
        self._errand.stop()


def compared(request: ScoreRequest, cancel: CancelToken) -> Iterator[Progress | Compared]:
    """Compare frame by frame.

    Parameters
    ----------
    request : ScoreRequest
    cancel : CancelToken
        Is looked at between frames.

    Raises
    ------
    RequestError
        If the truth holds no labels.
    """
    events: list[Looked | Pairing | FrameAgreement] = []
    done, since = 0, perf_counter()
    for event in agreement(
        request.masklets, request.truth.read, request.frames, pairing=request.pairing
    ):
        events.append(event)
        done += not isinstance(event, Pairing)
        if perf_counter() - since > _TELL_EVERY_S:
            since = perf_counter()
            yield Progress(done)
        if cancel.cancelled:
            break
    is_compared = any(isinstance(event, FrameAgreement) for event in events)
    yield Compared(Agreement.of(events) if is_compared else None)


def _request(workspace: Workspace, layer: Any, pairing: PairingRule) -> ScoreRequest:
    if layer is None:
        raise RequestError(
            "No layer is chosen as the truth.", "Open labels that are right, and choose them."
        )
    if workspace.layer is not None and layer == workspace.layer:
        raise RequestError(
            "Masks cannot be compared with themselves.", "Choose another Labels layer."
        )
    masklets = tuple(workspace.project.masklets)
    truth = truth_under(workspace, layer)
    # Frames that nobody segmented are not counted as misses.
    known = {f for m in masklets for f, code in enumerate(m.codes) if code is not None}
    frames = tuple(f for f in truth.frames if f in known)
    if not frames:
        raise RequestError(
            "There is no mask to compare with the truth.", "Run a sentence, or paint one."
        )
    return ScoreRequest(masklets, truth, frames, pairing)


def _show_curves(workspace: Workspace, scores: Agreement) -> None:
    """Let the timeline offer the scores, before all else."""
    curves = scores.curves(workspace.project.state.num_frames)
    others = {t: by_id for t, by_id in workspace.curves.items() if t not in TITLES}
    workspace.curves = {**{t: curves[t] for t in TITLES}, **others}
    workspace.frames_changed.emit(None)
