"""Names that files may have on every system."""

from __future__ import annotations

import re


def file_safe(name: str) -> str:
    """A name with "-" for all that is no letter, digit, "_", "." or "-".

    Examples
    --------
    >>> file_safe("tcp://gpu-1:8786")
    'tcp-gpu-1-8786'
    """
    return re.sub(r"[^\w.\-]+", "-", name)
