"""Scores of many sentences, gathered by kind, and as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# What the shipped checkpoint must reach on generated movies it was not trained on.
BARS = {"appearance": 0.75, "place": 0.75, "motion": 0.60}
SWAP_CEILING = 0.25
NOT_THERE_FLOOR = 0.85


@dataclass(frozen=True)
class SentenceScore:
    """How one sentence about one movie went.

    Attributes
    ----------
    movie, text, kind, answer : str
    found : bool
        Whether the model answered with a mask.
    j, f : float
        Means over frames; for something that is not there they say whether nothing was drawn.
    swapped : tuple of float
        J&F of the masks of *other* sentences of the movie against this sentence's object.
    """

    movie: str
    text: str
    kind: str
    answer: str
    found: bool
    j: float
    f: float
    swapped: tuple[float, ...] = ()

    @property
    def j_and_f(self) -> float:
        """Mean of J and F."""
        return (self.j + self.f) / 2


@dataclass
class Report:
    """The scores of an evaluation.

    Attributes
    ----------
    title : str
        What was evaluated on what.
    scores : list of SentenceScore
    absent_kinds : tuple of str
        Kinds of sentences about things that are not there.
    """

    title: str
    scores: list[SentenceScore] = field(default_factory=list)
    absent_kinds: tuple[str, ...] = ("absent",)

    @property
    def kinds(self) -> list[str]:
        """Kinds of sentences about things that are there, in order of appearance."""
        return list(dict.fromkeys(s.kind for s in self.scores if s.kind not in self.absent_kinds))

    def of_kind(self, kind: str) -> list[SentenceScore]:
        """The scores of one kind."""
        return [s for s in self.scores if s.kind == kind]

    def mean(self, kind: str, what: str = "j_and_f") -> float:
        """Mean of "j", "f" or "j_and_f" over the sentences of a kind; NaN if there are none."""
        values = [getattr(s, what) for s in self.of_kind(kind)]
        return float(np.mean(values)) if values else float("nan")

    @property
    def overall(self) -> float:
        """Mean J&F over all sentences about things that are there."""
        values = [s.j_and_f for s in self.scores if s.kind not in self.absent_kinds]
        return float(np.mean(values)) if values else float("nan")

    @property
    def swapped(self) -> float:
        """Mean J&F when the sentence of another object is given; low if the model listens."""
        values = [v for s in self.scores for v in s.swapped]
        return float(np.mean(values)) if values else float("nan")

    @property
    def not_there_recognised(self) -> float:
        """Share of sentences about absent things that get no mask."""
        values = [not s.found for s in self.scores if s.kind in self.absent_kinds]
        return float(np.mean(values)) if values else float("nan")

    @property
    def falsely_not_there(self) -> float:
        """Share of sentences about present things that get no mask."""
        values = [not s.found for s in self.scores if s.kind not in self.absent_kinds]
        return float(np.mean(values)) if values else float("nan")

    def to_json(self) -> dict[str, Any]:
        """The summary as plain JSON."""
        return {
            "title": self.title,
            "kinds": {
                k: {
                    "sentences": len(self.of_kind(k)),
                    "J": self.mean(k, "j"),
                    "F": self.mean(k, "f"),
                    "J&F": self.mean(k),
                }
                for k in self.kinds
            },
            "J&F": self.overall,
            "swapped J&F": self.swapped,
            "not there recognised": self.not_there_recognised,
            "falsely not there": self.falsely_not_there,
        }

    def __str__(self) -> str:
        rows = [self.title, f"{'kind':<12} {'n':>5} {'J':>6} {'F':>6} {'J&F':>6}   bar"]
        for k in self.kinds:
            bar = f"{BARS[k]:.2f}" if k in BARS else ""
            rows.append(
                f"{k:<12} {len(self.of_kind(k)):>5} {self.mean(k, 'j'):>6.3f} "
                f"{self.mean(k, 'f'):>6.3f} {self.mean(k):>6.3f}   {bar}"
            )
        rows.append(f"{'all':<12} {'':>5} {'':>6} {'':>6} {self.overall:>6.3f}")
        if not np.isnan(self.swapped):
            rows.append(f"sentences swapped: J&F {self.swapped:.3f} (below {SWAP_CEILING})")
        if np.isnan(self.not_there_recognised):
            rows.append(f"wrongly claimed not to be there: {self.falsely_not_there:.1%}")
        else:
            rows.append(
                f"not there: recognised {self.not_there_recognised:.1%} (at least "
                f"{NOT_THERE_FLOOR:.0%}), wrongly claimed {self.falsely_not_there:.1%}"
            )
        return "\n".join(rows)
