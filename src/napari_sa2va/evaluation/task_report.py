"""Scores of the tasks, as a table with a bar for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Row -> what is averaged, and what the shipped checkpoint must reach on scenes it was not trained
# on. Set before there was anything to measure.
TASK_BARS: dict[str, tuple[tuple[str, float], ...]] = {
    "referring": (("J&F of the mask in a picture", 0.75),),
    "not there": (("recognised, in pictures and later turns", 0.85),),
    "caption": (("phrases that are true", 0.75), ("J of the phrases' masks", 0.60)),
    "counting": (("numbers that are right", 0.70),),
    "question": (("answers that are right", 0.75),),
    "region": (("regions whose look is told right", 0.75),),
    "follow-up": (("J&F of later turns' masks", 0.60),),
}


@dataclass(frozen=True)
class TaskScore:
    """How one turn went.

    Attributes
    ----------
    task : str
        A row of `TASK_BARS`.
    scenery, question, answer : str
    expected : str
        A right answer.
    values : tuple of float
        One for each of the row's columns, from 0 to 1.
    """

    task: str
    scenery: str
    question: str
    answer: str
    expected: str
    values: tuple[float, ...]


@dataclass
class TaskReport:
    """The scores of all tasks.

    Attributes
    ----------
    title : str
    scores : list of TaskScore
    """

    title: str
    scores: list[TaskScore] = field(default_factory=list)

    def of_task(self, task: str) -> list[TaskScore]:
        """The scores of one row."""
        return [s for s in self.scores if s.task == task]

    def mean(self, task: str, column: int = 0) -> float:
        """Mean of a row's column; NaN if nothing was asked."""
        values = [s.values[column] for s in self.of_task(task)]
        return float(np.mean(values)) if values else float("nan")

    @property
    def overall(self) -> float:
        """Mean of the first columns of all turns: whether it goes well, at a glance."""
        return float(np.mean([s.values[0] for s in self.scores])) if self.scores else float("nan")

    def to_json(self) -> dict[str, Any]:
        """The summary as plain JSON."""
        return {
            "title": self.title,
            "tasks": {
                task: {
                    "turns": len(self.of_task(task)),
                    **{what: {"score": self.mean(task, column), "bar": bar}
                       for column, (what, bar) in enumerate(columns)},
                }
                for task, columns in TASK_BARS.items()
                if self.of_task(task)
            },
        }  # fmt: skip

    def __str__(self) -> str:
        rows = [self.title, f"{'task':<10} {'n':>5} {'score':>6}   bar"]
        for task, columns in TASK_BARS.items():
            for column, (what, bar) in enumerate(columns):
                if self.of_task(task):
                    rows.append(
                        f"{task:<10} {len(self.of_task(task)):>5} {self.mean(task, column):>6.3f}   "
                        f"{bar:.2f}  {what}"
                    )
        return "\n".join(rows)
