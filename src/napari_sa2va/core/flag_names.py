"""What the choices of a person are called on the command line, and in a window, which has no flags.

The command line makes its flags of the settings' fields; whoever writes a command line for somebody
to paste needs the same names.
"""

from __future__ import annotations

import re
import shlex

# What a message says to people at a command line stands in parentheses, the flag or command first.
_ASIDE = re.compile(r" \((?:-|`)[^()]*\)")
# What `asked` gives.
_ASKED = re.compile(r"""--(\w+)(?: .+?)? / \1=(?:True|"([^"]*)"|(\d+))""")
# Flags whose field name alone would say too little on a command line.
_NAMES = {
    "model.name": "model",
    "tracking.decoder": "tracking-decoder",
    "sampling.start": "first-frame",
    "sampling.stop": "last-frame",
    "sampling.frames": "frames",
    "tracking.propagation.first_frame": "from-frame",
    "tracking.propagation.last_frame": "to-frame",
    "tracking.propagation.start_frame": "begin-frame",
}


def flag_name(path: str) -> str:
    """The flag of a field of `RunSettings`, without the dashes before it.

    Parameters
    ----------
    path : str
        Where the field is, such as "sampling.interval".

    Examples
    --------
    >>> flag_name("sampling.num_key_frames")
    'num-key-frames'
    >>> flag_name("sampling.start")
    'first-frame'
    """
    return _NAMES.get(path, path.rsplit(".", 1)[-1].replace("_", "-"))


def asked(argument: str, value: int | str | bool) -> str:
    """An argument of `open_clip` for a message, as it is typed in a shell and in Python.

    Examples
    --------
    >>> asked("z", 3)
    '--z 3 / z=3'
    >>> asked("time", "Z")
    '--time Z / time="Z"'
    >>> asked("growing", True)
    '--growing / growing=True'
    >>> print(asked("series", "left eye"))
    --series 'left eye' / series="left eye"
    """
    typed = f"--{argument}" if value is True else f"--{argument} {shlex.quote(str(value))}"
    return f"{typed} / {argument}=" + (f'"{value}"' if isinstance(value, str) else str(value))


def without_flags(message: str) -> str:
    """A message of ours as a window shows it.

    Examples
    --------
    >>> without_flags("Make room, or write to another disk (--into, -o).")
    'Make room, or write to another disk.'
    >>> without_flags("Name the movies only (`napari-sa2va formats` lists what is read).")
    'Name the movies only.'
    >>> without_flags(f"Choose a plane, for example {asked('z', 3)}, or {asked('z', 'max')}.")
    'Choose a plane, for example z 3, or z max.'
    """
    return _ASKED.sub(_as_words, _ASIDE.sub("", message))


def _as_words(said: re.Match[str]) -> str:
    return " ".join(filter(None, said.groups()))
