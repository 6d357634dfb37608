"""What the choices of a run are called on the command line.

The command line makes its flags of the settings' fields; whoever writes a command line for somebody
to paste needs the same names.
"""

from __future__ import annotations

# Flags whose field name alone would say too little on a command line.
_NAMES = {
    "model.name": "model",
    "tracking.decoder": "tracking-decoder",
    "sampling.start": "first-frame",
    "sampling.stop": "last-frame",
    "sampling.frames": "frames",
    "tracking.propagation.first_frame": "from-frame",
    "tracking.propagation.last_frame": "to-frame",
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
