"""Packages that only some formats need: imported when they are used, and named if they are absent."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from napari_sa2va.core.errors import MissingPackage


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """Import a package that does not come with this one.

    Parameters
    ----------
    module : str
        Name to import, such as "nd2" or "nibabel".
    extra : str
        The extra of this package that brings it.
    purpose : str
        What it is for, to go on "To ...": "read ND2 files".

    Raises
    ------
    MissingPackage
        If it is not there.
    """
    if not is_there(module):
        raise MissingPackage(
            f"To {purpose}, the package {module.partition('.')[0]} is needed, and it is not here.",
            f'Install it: pip install "napari-sa2va[{extra}]"',
        )
    return import_module(module)


def is_there(module: str) -> bool:
    """Whether a package could be imported; does not import it."""
    return find_spec(module.partition(".")[0]) is not None
