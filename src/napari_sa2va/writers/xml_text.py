"""Texts that people gave, as XML can hold them."""

from __future__ import annotations

import re

# XML 1.0, section 2.2: most control characters, halves of surrogate pairs and two more are not text.
_NO_TEXT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """Put the replacement character where a text has one that may not stand in XML, even escaped.

    Examples
    --------
    >>> xml_text("a\\x00b")
    'a\ufffdb'
    """
    return _NO_TEXT.sub("\ufffd", text)
