"""What a person can do to a project. One step, one file, one line below."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from napari_sa2va.project.steps.absent import Absent
from napari_sa2va.project.steps.add import Add
from napari_sa2va.project.steps.base import EditStep, ModelStep, Step
from napari_sa2va.project.steps.carry import Carry
from napari_sa2va.project.steps.click import Click
from napari_sa2va.project.steps.divide import Divide
from napari_sa2va.project.steps.given import Given
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.merge import Merge
from napari_sa2va.project.steps.name import Recolor, Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.review import Review
from napari_sa2va.project.steps.reword import Reword
from napari_sa2va.project.steps.run import Run
from napari_sa2va.project.steps.split import Split
from napari_sa2va.project.steps.strokes import Strokes

STEPS: tuple[type[Step], ...] = (
    Run, Carry, Click, Reword, Paint, Strokes, Absent, Lock, Review,
    Add, Rename, Recolor, Merge, Split, Divide, Remove, Given,
)  # fmt: skip

AnyStep = Annotated[
    Run | Carry | Click | Reword | Paint | Strokes | Absent | Lock | Review
    | Add | Rename | Recolor | Merge | Split | Divide | Remove | Given,
    Field(discriminator="kind"),
]  # fmt: skip

read_step: TypeAdapter[AnyStep] = TypeAdapter(AnyStep)
"""Reads a step from JSON, `read_step.validate_python(...)`."""

__all__ = ["STEPS", "AnyStep", "EditStep", "ModelStep", "Step", "read_step"]
