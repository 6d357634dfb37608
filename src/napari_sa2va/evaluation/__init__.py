"""How good a model is on movies with known masks: runs the pipeline, scores, reports."""

from napari_sa2va.evaluation.benchmark import Example, Question, evaluate, evaluate_generated
from napari_sa2va.evaluation.report import BARS, NOT_THERE_FLOOR, SWAP_CEILING, Report
from napari_sa2va.evaluation.task_report import TASK_BARS, TaskReport
from napari_sa2va.evaluation.tasks import evaluate_tasks

__all__ = [
    "BARS",
    "NOT_THERE_FLOOR",
    "SWAP_CEILING",
    "TASK_BARS",
    "Example",
    "Question",
    "Report",
    "TaskReport",
    "evaluate",
    "evaluate_generated",
    "evaluate_tasks",
]
