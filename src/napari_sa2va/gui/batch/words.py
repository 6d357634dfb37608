"""What is seen in a batch folder, in sentences. No Qt."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from napari_sa2va.batch.runs import STALE_S
from napari_sa2va.gui.batch.rows import WORDS
from napari_sa2va.pipeline.estimate import about, duration

if TYPE_CHECKING:
    from napari_sa2va.gui.batch.reader import AtWork, Seen

_MOST_NAMED = 2
# Hearts beat, and cards are put up anew, three times in this time; after it, something is wrong.
_LATE_S = STALE_S / 2


def summary(seen: Seen) -> str:
    """How far the batch is.

    Examples
    --------
    >>> summary(Seen(Path("night"), (), {"done": 2, "failed": 1, "waiting": 3}))
    '3 of 6 movies finished: 2 done, 1 failed.'
    """
    if not seen.total:
        return "There are no movies in it yet."
    ends = [
        f"{seen.counts[state]} {WORDS[state]}"
        for state in ("done", "nothing", "failed", "unfit")
        if seen.counts.get(state)
    ]
    movies = "1 movie" if seen.total == 1 else f"{seen.total} movies"
    words = (
        f"{seen.ended} of {movies} finished" if seen.ended < seen.total else f"{movies} finished"
    )
    words += f": {', '.join(ends)}." if ends else "."
    is_going = any(one.state == "working" for one in seen.workers)
    if seen.left_s and is_going and seen.ended < seen.total:
        words += f" About {about(seen.left_s)} left."
    return words


def who_works(seen: Seen | None, *, silent_s: float = 0.0, is_here: bool = False) -> str:
    """Which workers there are, and when they were last heard of, if that is long ago.

    Parameters
    ----------
    seen : Seen or None
        None if no folder was looked at.
    silent_s : float
        For how long the folder itself has not answered; 0 if it answers.
    is_here : bool
        Whether a program that was started here is there.
    """
    if silent_s:
        return f"The folder has not answered for {duration(silent_s)}. Is its disk there?"
    if seen is None:
        return ""
    if not seen.workers:
        return _while_nobody_works(seen, is_here)
    working = [one for one in seen.workers if one.state == "working"]
    machines = Counter(_place(one) for one in working or seen.workers)
    named = [
        name if count == 1 else f"{name} ({count} workers)"
        for name, count in machines.most_common()
    ]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    doing = "At work" if working else ("Paused" if seen.is_paused else "Waiting for work")
    if seen.is_cancelled:
        doing = "Stopping after the frame in work"
    elif seen.is_paused and working:
        doing = "Pausing after the frame in work"
    heard_s = min(one.heard_s for one in working or seen.workers)
    late = f"; last heard of {duration(heard_s)} ago" if heard_s > _LATE_S else ""
    return f"{doing}: {', '.join(named[:_MOST_NAMED])}{more}{late}."


def _while_nobody_works(seen: Seen, is_here: bool) -> str:
    if seen.ended == seen.total:
        return "Writing the table and the report …" if is_here and seen.total else ""
    if seen.is_cancelled:
        stopped = "Cancelled. What is done is kept; Start goes on with it."
        return "Stopping …" if is_here else stopped
    if seen.is_paused:
        waits = "Paused, and nobody works on it. Start goes on with it here."
        return "Paused." if is_here else waits
    if is_here:
        return "Starting here: a program of its own loads the network …"
    if seen.refused:
        return f"A worker was refused: {seen.refused[0]}"
    return "Nobody works on it. Start works here; any machine that sees the folder may join in."


def _place(one: AtWork) -> str:
    return f"{one.host}, {one.device}" if one.device else one.host
