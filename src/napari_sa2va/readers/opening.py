"""How a movie is opened: the arguments of `open_clip`, as values that can be written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params

_Pair = tuple[float, float]


class OpenArguments(Params):
    """Arguments of `open_clip`; those that are None are left out."""

    axes: str | None = None
    time: str | None = None
    z: int | str | None = None
    channels: tuple[int | str, ...] | None = None
    limits: _Pair | tuple[_Pair, ...] | None = None
    colors: str | tuple[str, ...] | None = None
    box: tuple[int, int, int, int] | None = None
    rgb: bool | None = None
    series: int | str | None = None
    growing: bool | None = None
    name: str | None = None

    @property
    def limit_pairs(self) -> tuple[_Pair, ...]:
        """The limits, one pair per channel or one for all; empty if none were given."""
        pairs = [pair for pair in self.limits or () if isinstance(pair, tuple)]
        return tuple(pairs) if pairs or not self.limits else (cast("_Pair", self.limits),)

    def as_keywords(self) -> dict[str, Any]:
        """The arguments that were given."""
        return self.model_dump(exclude_none=True)

    @classmethod
    def from_texts(cls, texts: Mapping[str, str], *, said: str = "{}") -> OpenArguments:
        """Read what people write on a command line or into a table.

        Parameters
        ----------
        texts : mapping of str to str
            By field. What is several is separated by commas, pairs of limits by semicolons.
        said : str
            What a field is called there, for the message: "--{}" on a command line.

        Raises
        ------
        RequestError
            If a text makes no sense.

        Examples
        --------
        >>> OpenArguments.from_texts({"z": "max", "limits": "100,4000"}).as_keywords()
        {'z': 'max', 'limits': (100.0, 4000.0)}
        """
        read = {}
        for field, text in texts.items():
            parse, expected = _TEXTS[field]
            try:
                read[field] = parse(text)
            except ValueError:
                raise RequestError(
                    f"{said.format(field)} {text!r} is not {expected[0]}.", expected[1]
                ) from None
        return cls(**read)

    def as_texts(self) -> dict[str, str]:
        """What was given, as `from_texts` reads it.

        Examples
        --------
        >>> OpenArguments(z="max", limits=(100, 4000)).as_texts()
        {'z': 'max', 'limits': '100.0,4000.0'}
        """
        return {field: _text(value) for field, value in self.as_keywords().items()}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        between = ";" if value and isinstance(value[0], tuple) else ","
        return between.join(map(_text, value))
    return str(value)


def number_or_name(text: str) -> int | str:
    """A number where the text is one."""
    return int(text) if text.strip().isdecimal() else text.strip()


def _colors(text: str) -> str | tuple[str, ...]:
    colors = tuple(part.strip() for part in text.split(","))
    return colors[0] if len(colors) == 1 else colors


def _limits(text: str) -> _Pair | tuple[_Pair, ...]:
    pairs = [tuple(float(part) for part in pair.split(",")) for pair in text.split(";")]
    limits = tuple((low, high) for low, high in pairs)
    return limits[0] if len(limits) == 1 else limits


def _box(text: str) -> tuple[int, int, int, int]:
    y0, x0, y1, x1 = (int(part) for part in text.split(","))
    return y0, x0, y1, x1


def _yes(text: str) -> bool:
    answers = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.strip().lower() not in answers:
        raise ValueError(text)
    return answers[text.strip().lower()]


_ANYTHING = ("a text", "")
_YES = (_yes, ("yes or no", "Write yes or no."))
# Field -> how its text is read, and what it is to be and what to do where it is not.
_TEXTS: dict[str, tuple[Callable[[str], object], tuple[str, str]]] = {
    "axes": (str.strip, _ANYTHING),
    "time": (str.strip, _ANYTHING),
    "z": (number_or_name, _ANYTHING),
    "channels": (lambda text: tuple(map(number_or_name, text.split(","))), _ANYTHING),
    "limits": (
        _limits,
        (
            "two numbers, or two for each channel",
            "Write them as low,high, such as 100,4000, or as low,high;low,high.",
        ),
    ),
    "colors": (_colors, _ANYTHING),
    "box": (
        _box,
        (
            "four whole numbers",
            "Write rows and columns as y0,x0,y1,x1; the last ones are not included.",
        ),
    ),
    "rgb": _YES,
    "series": (number_or_name, _ANYTHING),
    "growing": _YES,
    "name": (str.strip, _ANYTHING),
}
