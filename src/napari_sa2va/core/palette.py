"""One colour per object id, the same in the dock, in pictures and in movies.

The colours are those of Okabe and Ito (2008), which people with any kind of colour blindness can
tell apart, ordered so that neighbours differ and the first ones stand out from grey and from flesh.
Later rounds are lighter, then darker.
"""

from __future__ import annotations

Color = tuple[int, int, int]

_OKABE_ITO: tuple[Color, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
)
# Later rounds: the colour mixed with (share of it, grey level).
_ROUNDS = ((1.0, 0), (0.5, 255), (0.6, 0))


def color_of(object_id: int) -> Color:
    """Red, green and blue of an object, 0 to 255.

    Parameters
    ----------
    object_id : int
        From 1; after 21 objects the colours come again.

    Examples
    --------
    >>> color_of(1)
    (230, 159, 0)
    """
    turn, place = divmod(object_id - 1, len(_OKABE_ITO))
    share, level = _ROUNDS[turn % len(_ROUNDS)]
    red, green, blue = (round(share * c + (1 - share) * level) for c in _OKABE_ITO[place])
    return red, green, blue
