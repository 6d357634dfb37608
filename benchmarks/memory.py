"""Predicted against measured memory, on architectures with random weights; peak RSS on the CPU.

    python benchmarks/memory.py [--only small] [--keep FOLDER]

Each line is a process of its own: it writes a checkpoint of random weights, runs the small network
that ships once, so that all libraries are in memory, and then loads the checkpoint, looks at key
frames, grounds a sentence and tracks. The highest resident size of each of these steps, less what
the process had before, stands beside what `footprint.predict` says. Sa2VA-1B is at its full size:
InternViT-300M, Qwen2.5-0.5B, and SAM 2 Hiera-L at 1024 px. Linux only.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

# So much more or less than predicted is still called right.
LEAST, MOST = 0.85, 1.15

TOWER = {"patch_size": 14, "norm_type": "layer_norm", "qkv_bias": True, "qk_normalization": False}
SMALL = {
    "model_type": "sa2va_chat", "template": "qwen_chat", "force_image_size": 224,
    "downsample_ratio": 0.5, "ps_version": "v2",
    "vision_config": TOWER | {
        "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12,
        "num_attention_heads": 6, "image_size": 224,
    },
    "llm_config": {
        "architectures": ["Qwen2ForCausalLM"], "vocab_size": 32_000, "hidden_size": 768,
        "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
        "num_key_value_heads": 4,
    },
    "sam2_config": {
        "image_size": 512, "embed_dim": 96, "num_heads": 1, "stages": [1, 2, 7, 2],
        "global_att_blocks": [5, 7, 9], "window_spec": [8, 4, 14, 7],
        "window_pos_embed_bkg_spatial_size": [7, 7],
    },
}  # fmt: skip
SA2VA_1B = {
    "model_type": "sa2va_chat", "template": "qwen_chat", "force_image_size": 448,
    "downsample_ratio": 0.5, "ps_version": "v2",
    "vision_config": TOWER | {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
        "num_attention_heads": 16, "image_size": 448,
    },
    "llm_config": {
        "architectures": ["Qwen2ForCausalLM"], "vocab_size": 151_679, "hidden_size": 896,
        "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
}  # fmt: skip
ARCHITECTURES: dict[str, dict[str, Any]] = {"small": SMALL, "1B": SA2VA_1B}


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    architecture: str
    dtype: str = "float32"
    quantise: str = "none"
    num_key_frames: int = 5
    num_objects: int = 1
    height: int = 480
    width: int = 640

    @property
    def title(self) -> str:
        kind = self.dtype if self.quantise == "none" else f"{self.dtype}, {self.quantise}"
        return f"{self.architecture}, {kind}, {self.num_key_frames} x {self.num_objects}"


CASES = (
    Case("small"),
    Case("small", num_objects=6),
    Case("small", num_key_frames=12, height=1080, width=1920),
    Case("small", dtype="bfloat16"),
    Case("small", dtype="bfloat16", quantise="int8"),
    Case("small", dtype="bfloat16", quantise="int4"),
    Case("1B"),
    Case("1B", dtype="bfloat16", num_objects=3),
    Case("1B", dtype="bfloat16", quantise="int8"),
    Case("1B", dtype="bfloat16", quantise="int4"),
)
STEPS = ("loading", "looking", "grounding", "tracking")


@dataclass
class Measured:
    """Bytes, without those that were there before."""

    predicted_weights: int
    weights: int
    predicted: dict[str, int]
    steps: dict[str, int] = field(default_factory=dict)


# -- in a process of its own ----------------------------------------------------------------------


def resident(kind: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {kind}")


def forget_peak() -> None:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def write_checkpoint(folder: Path, config: dict[str, Any]) -> Path:
    """A checkpoint of random bfloat16 weights, written without ever holding it."""
    import napari_sa2va
    from napari_sa2va.models.sa2va.loading import Hollow
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    nano = Path(napari_sa2va.__file__).parent / "models" / "nano"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(nano / name, folder / name)
    (folder / "config.json").write_text(json.dumps(config))
    with Hollow():
        hollow = Sa2VA(config, Tokenizer.load(folder), original_decoder=False)
    native = {name: tuple(tensor.shape) for name, tensor in hollow.tensors().items()}
    shapes = hollow.key_map.published_shapes(native)
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    noise = np.random.default_rng(0).standard_normal(2**20, np.float32) / 50
    block = (noise.view(np.uint32) >> 16).astype("<u2").tobytes()  # the upper half is bfloat16
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        while end > 0:
            file.write(block[: min(end, len(block))])
            end -= len(block)
    return folder


def frame(case: Case, t: int) -> np.ndarray:
    """Noise, made when asked for, as a clip hands out its frames."""
    size = (case.height, case.width, 3)
    return np.random.default_rng(t).integers(0, 256, size, np.uint8)


def play(case: Case, folder: Path, settings: dict[str, Any], peaks: dict[str, int]) -> int:
    """Load and run; put the peak of each step into `peaks`, and return the size after loading."""
    from napari_sa2va.models.sa2va.model import Sa2VA

    def step(name: str) -> None:
        peaks[name] = resident("VmHWM")
        forget_peak()

    forget_peak()
    model = Sa2VA.load(folder, device="cpu", **settings)
    step("loading")
    loaded = resident("VmRSS")
    seen = model.look([frame(case, t) for t in range(case.num_key_frames)])
    step("looking")
    answer = "Sure, " + " and ".join(["it is [SEG]"] * case.num_objects) + "."
    grounding = model.ground_seen(seen, "Please segment it.", answer=answer)
    step("grounding")
    tracker = model.new_tracker(decoder="tuned", hide_absent=False)
    ids = list(range(1, case.num_objects + 1))
    for t in range(case.num_key_frames):
        features = tracker.encode(frame(case, t))
        tracker.prompt_language(t, features, ids, grounding.embeddings).to_masks(
            case.height, case.width
        )
        del features
    # Until all slots of the memory are taken.
    for t in range(case.num_key_frames, case.num_key_frames + 6):
        features = tracker.encode(frame(case, t))
        tracker.track(t, features, ids).to_masks(case.height, case.width)
        del features
    step("tracking")
    return loaded


def measure(case: Case, folder: Path) -> Measured:
    import napari_sa2va
    from napari_sa2va.models.device import pick_device, pick_formats
    from napari_sa2va.models.sa2va.checkpoint import Checkpoint
    from napari_sa2va.models.sa2va.footprint import Ask, predict

    if not (folder / "model.safetensors").exists():
        write_checkpoint(folder, ARCHITECTURES[case.architecture])
    settings = {
        "dtype": case.dtype, "quantise_language": case.quantise, "quantise_vision": case.quantise,
    }  # fmt: skip
    checkpoint = Checkpoint.open(folder)
    formats = pick_formats(
        case.dtype, pick_device("cpu"), quantise_language=case.quantise,  # type: ignore[arg-type]
        quantise_vision=case.quantise,  # type: ignore[arg-type]
    )  # fmt: skip
    ask = Ask(
        num_key_frames=case.num_key_frames, num_objects=case.num_objects,
        height=case.height, width=case.width,
    )  # fmt: skip
    foretold = predict(checkpoint.config, checkpoint.tensors, formats, ask)

    nano = Path(napari_sa2va.__file__).parent / "models" / "nano"
    play(Case("nano", num_key_frames=2), nano, settings, {})
    forget_peak()
    before = resident("VmRSS")
    peaks: dict[str, int] = {}
    loaded = play(case, folder, settings, peaks)
    return Measured(
        foretold.weights,
        loaded - before,
        foretold.steps,
        {name: peak - before for name, peak in peaks.items()},
    )


# -- the table ------------------------------------------------------------------------------------


def cell(predicted: int, measured: int) -> str:
    return f"{predicted / 1e9:5.2f} {measured / 1e9:5.2f} {measured / predicted:5.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(ARCHITECTURES), help="One of the architectures.")
    parser.add_argument("--keep", type=Path, help="Keep the checkpoints here, for another run.")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(asdict(measure(Case(**json.loads(options.case)), options.keep))))
        return 0

    print("GB predicted, measured, and measured / predicted; key frames x objects")
    columns = ("weights", *STEPS, "peak")
    print(f"{'':34}" + "".join(f"{name:^20}" for name in columns))
    right = True
    with tempfile.TemporaryDirectory() as made:
        root = options.keep or Path(made)
        for case in CASES:
            if options.only not in (None, case.architecture):
                continue
            command = [
                sys.executable, __file__, "--case", json.dumps(asdict(case)),
                "--keep", str(root / case.architecture),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{case.title} ended with {done.returncode}:\n{done.stderr[-3000:]}")
            found = Measured(**json.loads(done.stdout.splitlines()[-1]))
            peak = max(found.predicted.values()), max(found.steps.values())
            cells = [cell(found.predicted_weights, found.weights)]
            cells += [cell(found.predicted[name], found.steps[name]) for name in STEPS]
            cells.append(cell(*peak))
            holds = LEAST <= peak[1] / peak[0] <= MOST
            right = right and holds
            print(f"{case.title:34}" + "".join(f"{text:^20}" for text in cells)
                  + ("" if holds else "  BROKEN"), flush=True)  # fmt: skip
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
