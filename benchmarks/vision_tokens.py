"""How many vision tokens five frames cost a Qwen-VL checkpoint, by frame size and reading.

    python benchmarks/vision_tokens.py

Counted and not measured: the sizes are those that the reader resizes frames to, with the steps of
Qwen2.5-VL. No weights are needed.
"""

from __future__ import annotations

from napari_sa2va.models.sa2va.qwen_pictures import fitted_size
from napari_sa2va.models.sa2va.qwen_prompt import READINGS

STEP = 28  # px along one side of a token
FRAMES = 5
SIZES = ((100, 100), (480, 640), (1080, 1920))  # height and width in px


def tokens(height: int, width: int, reading: str) -> int:
    """Tokens of one of several frames."""
    way = READINGS[reading]
    if way.resized_before is not None:
        step, limits = way.resized_before
        height, width = fitted_size(height, width, step, limits)
    height, width = fitted_size(height, width, STEP, way.limits(FRAMES))
    return (height // STEP) * (width // STEP)


def main() -> None:
    print(f"{f'{FRAMES} frames of':<16}" + "".join(f"{name:>12}" for name in READINGS))
    for height, width in SIZES:
        counts = "".join(f"{FRAMES * tokens(height, width, name):>12}" for name in READINGS)
        print(f"{f'{width} x {height}':<16}{counts}")


if __name__ == "__main__":
    main()
