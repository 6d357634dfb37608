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
_LEAST_CONTRAST = 2.0  # more would make orange brown


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


def mix(one: Color, other: Color, share: float) -> Color:
    """Mix two colours: 0 is all of the first one, 1 all of the other."""
    red, green, blue = (round((1 - share) * a + share * b) for a, b in zip(one, other, strict=True))
    return red, green, blue


def standing_out(color: Color, *, ink: Color, ground: Color) -> Color:
    """A colour moved towards that of the text as far as a thin line of it on a ground needs."""
    share = 0.0
    while contrast(mix(color, ink, share), ground) < _LEAST_CONTRAST and share < 1:
        share += 0.1
    return mix(color, ink, share)


def contrast(one: Color, other: Color) -> float:
    """Contrast of two colours as the WCAG defines it: from 1, alike, to 21, black on white."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: Color) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
