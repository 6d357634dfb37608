"""All choices of a run in one frozen object, JSON both ways."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sa2va.core.params import Params
from napari_sa2va.propagation import AnyPropagation
from napari_sa2va.propagation.forward import Forward
from napari_sa2va.sampling import AnySampling
from napari_sa2va.sampling.uniform import Uniform


class ModelSettings(Params):
    """Which network runs, and where."""

    name: str = Field(
        "nano",
        min_length=1,
        title="Model",
        description="A known model's name or hub id, or the folder of a checkpoint.",
    )
    device: str = Field(
        "auto", title="Device", description="auto, cpu, cuda, cuda:1, mps. auto takes the fastest."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", title="Number format", description="auto is bfloat16 on CUDA and float32 elsewhere."
    )
    vision_dtype: Literal["same", "float32", "bfloat16", "float16"] = Field(
        "same",
        title="Number format of the vision tower",
        description="Of what looks at the key frames; same is that of the language model.",
    )
    quantise_language: Literal["none", "int8", "int4"] = Field(
        "none",
        title="Quantise the language model",
        description="Keep the matrices in its layers in 8 or 4 bits. int4 needs the extra int4. "
        "SAM 2, the projector and the [SEG] layers are never quantised.",
    )
    quantise_vision: Literal["none", "int8", "int4"] = Field(
        "none",
        title="Quantise the vision tower",
        description="Keep the matrices in its layers in 8 or 4 bits. int4 needs the extra int4.",
    )
    sam2_decoder: str = Field(
        "",
        title="SAM 2 decoder",
        description="File or folder with the original SAM 2.0 mask decoder, to run a plain Sa2VA "
        "checkpoint the Sa2VA-i way. Empty: as the checkpoint has it.",
    )
    reading: Literal["published", "trained"] = Field(
        "published",
        title="Reading (Qwen-VL)",
        description="How a Qwen-VL checkpoint is shown pictures and text. published: as its "
        "authors' inference code does. trained: as in its training, with smaller frames of a movie "
        "and no system turn. Other families read the same either way.",
    )


class MemorySettings(Params):
    """How a run spends memory; no choice here but the number format changes a mask."""

    pictures_at_once: int = Field(
        8,
        ge=1,
        le=64,
        title="Pictures at once",
        description="Key frames that go through the vision tower together.",
    )
    objects_at_once: int = Field(
        16,
        ge=1,
        le=256,
        title="Objects at once",
        description="Objects that are drawn and tracked together.",
    )
    sam2_dtype: Literal["same", "float32", "bfloat16", "float16"] = Field(
        "same",
        title="Number format of SAM 2",
        description="What it computes in; same is the format of the language model. Its weights "
        "stay in float32.",
    )
    offload_language: bool = Field(
        False,
        title="Offload the language model",
        description="Once it has answered, keep it in the computer's main memory until it is "
        "asked again. Of no use on the CPU.",
    )
    offload_frames: bool = Field(
        False,
        title="Offload frames",
        description="Keep frames that have to wait, and masks of prompted frames, in the "
        "computer's main memory. Of no use on the CPU.",
    )
    step_down: bool = Field(
        True,
        title="Step down when memory runs out",
        description="Go on with smaller batches, then with offloading, then in bfloat16, then on "
        "the CPU. Each step is shown and recorded. Off: the run fails.",
    )


class TrackingSettings(Params):
    """How the masks of the key frames reach every other frame."""

    prompt_with: Literal["language", "masks"] = Field(
        "masks",
        title="Prompt the tracker with",
        description="language: the [SEG] embedding conditions the tracker (Sa2VA). masks: key "
        "frames are drawn first, each on its own, and the masks prompt the tracker (Sa2VA-i).",
    )
    num_prompt_frames: int = Field(
        0,
        ge=0,
        le=100,
        title="Prompting key frames",
        description="How many of the key frames, from the first, prompt the tracker; 0 is all.",
    )
    max_conditioning: int = Field(
        0,
        ge=0,
        le=1000,
        title="Prompted frames attended",
        description="How many prompted frames of an object the tracker looks back at, the nearest "
        "ones; 0 is all, as published. With many corrected frames, a limit saves time and memory.",
    )
    decoder: Literal["tuned", "original"] = Field(
        "original",
        title="Mask decoder for tracking",
        description="tuned: the one Sa2VA fine-tuned. original: the one SAM 2.0 came with.",
    )
    hide_absent: bool = Field(
        True,
        title="Hide absent objects",
        description="Leave the mask of a tracked frame empty where the object score is not positive.",
    )
    propagation: AnyPropagation = Field(
        Forward(), title="Direction", description="The order in which frames are tracked."
    )


class OutputSettings(Params):
    """How masklets become label images."""

    overlap: Literal["last", "first"] = Field(
        "last",
        title="Overlap",
        description="Which of two overlapping objects keeps a pixel of the label image.",
    )
    several_masks: Literal["auto", "first", "union"] = Field(
        "auto",
        title="Several [SEG]",
        description="What to draw when one answer holds several [SEG]: the first, or the union of "
        "all. auto does as the published evaluations: the first in a movie, all in a picture.",
    )
    patient_data: bool = Field(
        False,
        title="Patient data in records",
        description="Write into records and projects what a DICOM file says of the patient, and "
        "its path if that names them. Off: both are left out, and the record says so.",
    )


class RunSettings(Params):
    """Every choice of a run."""

    preset: str = Field("sa2va-i", title="Preset", description="The preset this started from.")
    model: ModelSettings = ModelSettings()
    sampling: AnySampling = Field(
        Uniform(), title="Key frames", description="Which frames the language model sees."
    )
    view: Literal["auto", "movie", "picture"] = Field(
        "auto",
        title="Shown as",
        description="How the language model is shown key frames. movie: each as one small picture. "
        "picture: a single key frame, cut into tiles that show more detail. auto: a picture if "
        "there is one frame in all.",
    )
    tracking: TrackingSettings = TrackingSettings()
    memory: MemorySettings = MemorySettings()
    output: OutputSettings = OutputSettings()
