"""What is true of each object of a scene: yes, no, or too close to call.

Sentences are built from these predicates. `None` (too close to call) keeps a predicate out of every
sentence in which it could matter, which is what makes the sentences unambiguous.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_sa2va.training.scene import Scene

Truth = bool | None
Table = dict[tuple[str, str], list[Truth]]
Words = list[dict[str, str]]
Tracks = list[tuple[np.ndarray, np.ndarray]]  # what `Scene.positions` says of every object

KINDS = {
    "level": "appearance", "size": "appearance", "shape": "appearance", "colour": "appearance",
    "place": "place", "rank": "place", "beside": "place", "motion": "motion", "event": "event",
}  # fmt: skip
_UNSURE = 0.04  # so near to the border between two places, either word will do
PLACES = {
    "left": (None, -1), "right": (None, 1), "top": (-1, None), "bottom": (1, None),
    "top left": (-1, -1), "top right": (-1, 1), "bottom left": (1, -1), "bottom right": (1, 1),
    "centre": (0, 0),
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """The predicates of a scene.

    Attributes
    ----------
    table : dict
        From (family, value), such as ("colour", "red"), to one truth per object.
    words : list of dict
        Per object the values that describe it, by family, as used in answers.
    """

    table: Table
    words: Words


def facts_of(scene: Scene) -> Facts:
    """Work out every predicate of a scene."""
    tracks = [scene.positions(i) for i in range(len(scene.objects))]
    table: Table = {}
    words: Words = [{} for _ in scene.objects]
    _appearance(scene, table, words)
    _neighbours(tracks, table)
    _places(tracks, table)
    _motions(scene, tracks, table, words)
    for name in ("enters", "leaves", "appears", "disappears", "divides"):
        table["event", name] = [_event(o.event, name) for o in scene.objects]
    for i, thing in enumerate(scene.objects):
        words[i]["noun"] = thing.noun
        centres, visible = tracks[i]
        seen = centres[visible]
        if len(seen):
            where = seen[-1] if thing.event in ("enters", "appears") else seen[0]
            words[i]["place"] = region(where)
        if thing.event:
            words[i]["event"] = thing.event
    return Facts(table, words)


def _appearance(scene: Scene, table: Table, words: Words) -> None:
    for family, field in (("size", "size"), ("shape", "shape"), ("level", "contrast")):
        values = [getattr(o, field) for o in scene.objects]
        if field == "contrast":
            values = [v and _level_name(scene, v) for v in values]
        for i, value in enumerate(values):
            if value:
                words[i][family] = value
        if len(set(values)) > 1 and None not in values:  # it tells the objects apart
            for value in dict.fromkeys(values):
                table[family, value] = [v == value for v in values]
    if ("shape", "elongated") not in table:
        elongated = [o.shape == "elongated" for o in scene.objects]
        table["shape", "elongated"] = [False if not e else None for e in elongated]
    for colour in ("red", "green", "blue", "yellow"):
        table["colour", colour] = [o.colour == colour for o in scene.objects]
    for i, thing in enumerate(scene.objects):
        if thing.colour:
            words[i]["colour"] = thing.colour


def _level_name(scene: Scene, contrast: str) -> str:
    """Strong contrast is bright on a dark ground and dark on a bright one."""
    if scene.dark_objects:
        return "dark" if contrast == "strong" else "bright"
    return "bright" if contrast == "strong" else "dim"


def _event(actual: str | None, name: str) -> Truth:
    if actual == name:
        return True
    alike = {"enters": "appears", "appears": "enters", "leaves": "disappears",
             "disappears": "leaves"}  # fmt: skip
    return None if actual is not None and alike.get(name) == actual else False


def _places(tracks: Tracks, table: Table) -> None:
    for place, (row, column) in PLACES.items():
        table["place", place] = [_in_place(c[v], row, column) for c, v in tracks]
    for rank, (axis, sign) in {
        "leftmost": (1, -1), "rightmost": (1, 1), "topmost": (0, -1), "lowest": (0, 1)
    }.items():  # fmt: skip
        table["rank", rank] = _ranked(tracks, axis, sign)


def _neighbours(tracks: Tracks, table: Table) -> None:
    """Which object lies next to the one that looks like no other, all the time, by a margin."""
    if len(tracks) < 3:
        return
    for (_, look), truths in list(table.items()):
        if truths.count(True) != 1 or None in truths:
            continue
        anchor = truths.index(True)
        centres, visible = tracks[anchor]
        far = []  # nearest and farthest distance over the frames that show both
        for other, seen in tracks:
            both = visible & seen
            gap = np.linalg.norm(other - centres, axis=1)[both]
            far.append((gap.min(), gap.max()) if both.any() else (0.0, np.inf))
        others = [i for i in range(len(tracks)) if i != anchor]
        nearest = min(others, key=lambda i: far[i][1])
        rest = min(far[i][0] for i in others if i != nearest)
        if far[nearest][1] < 0.45 and rest > far[nearest][1] + 0.06:
            table["beside", look] = [i == nearest for i in range(len(tracks))]


def _in_place(seen: np.ndarray, row: int | None, column: int | None) -> Truth:
    """Whether an object is in a part of the frame for as long as it is seen."""
    if not len(seen):
        return False
    if (row, column) == (0, 0):
        far = np.abs(seen - 0.5).max(1)
        return True if (far < 0.13).all() else (False if (far > 0.24).all() else None)
    inside, outside = [], []
    for axis, sign in ((0, row), (1, column)):
        if sign is not None:
            towards = (seen[:, axis] - 0.5) * sign
            inside.append(towards > 0.12)
            outside.append(towards < 0.02)
    if np.logical_and.reduce(inside).all():
        return True
    return False if np.logical_or.reduce(outside).all() else None


def _ranked(tracks: Tracks, axis: int, sign: int) -> list[Truth]:
    """Which object lies furthest one way at all times, by a margin."""
    if len(tracks) < 2 or not all(v.any() for _, v in tracks):
        return [None] * len(tracks)
    low = [float((c[v][:, axis] * sign).min()) for c, v in tracks]
    high = [float((c[v][:, axis] * sign).max()) for c, v in tracks]
    best = int(np.argmax(low))
    others = max(h for i, h in enumerate(high) if i != best)
    if low[best] < others + 0.08:
        return [None] * len(tracks)
    return [i == best for i in range(len(tracks))]


def _motions(scene: Scene, tracks: Tracks, table: Table, words: Words) -> None:
    ways = {"left": (1, -1), "right": (1, 1), "up": (0, -1), "down": (0, 1)}
    nets, paths = [], []
    for (centres, visible), thing in zip(tracks, scene.objects, strict=True):
        seen = centres[visible]
        net = seen[-1] - seen[0] if len(seen) else np.zeros(2)
        if thing.event in ("appears", "disappears", "divides"):
            net = net * 0
        nets.append(net)
        paths.append(float(np.abs(net).max()))
    for way, (axis, sign) in ways.items():
        truths: list[Truth] = []
        for net in nets:
            along, aside = float(net[axis] * sign), float(abs(net[1 - axis]))
            if along > 0.2 and along > 1.6 * aside:
                truths.append(True)
            else:
                truths.append(False if along < 0.07 or aside > 1.6 * along else None)
        table["motion", way] = truths
    table["motion", "moving"] = [p > 0.2 if (p > 0.2 or p < 0.05) else None for p in paths]
    table["motion", "still"] = [p < 0.05 if (p > 0.2 or p < 0.05) else None for p in paths]
    order = np.argsort(paths)[::-1]
    if len(paths) > 1 and paths[order[0]] > 0.25 and paths[order[0]] > 1.6 * paths[order[1]]:
        table["motion", "fastest"] = [i == order[0] for i in range(len(paths))]
    for i in range(len(paths)):
        for way in ("left", "right", "up", "down"):
            if table["motion", way][i]:
                words[i]["motion"] = way
        if "motion" not in words[i]:
            words[i]["motion"] = "moving" if paths[i] > 0.125 else "still"


def region(where: np.ndarray) -> str:
    """Name the ninth of the frame that a point (y, x), as shares of the frame, lies in."""
    row = "top" if where[0] < 0.36 else ("bottom" if where[0] > 0.64 else "")
    column = "left" if where[1] < 0.36 else ("right" if where[1] > 0.64 else "")
    return f"{row} {column}".strip() or "centre"


def places_near(where: np.ndarray) -> set[str]:
    """The words for where a point lies that nobody would call wrong, so near to their border."""
    steps = (-_UNSURE, 0.0, _UNSURE)
    return {region(where + np.array([y, x])) for y in steps for x in steps}
