"""How good a model is on movies with known masks: runs the pipeline, scores, reports."""

from napari_sa2va.evaluation.benchmark import Example, Question, evaluate, evaluate_generated
from napari_sa2va.evaluation.report import BARS, NOT_THERE_FLOOR, SWAP_CEILING, Report

__all__ = [
    "BARS",
    "NOT_THERE_FLOOR",
    "SWAP_CEILING",
    "Example",
    "Question",
    "Report",
    "evaluate",
    "evaluate_generated",
]
