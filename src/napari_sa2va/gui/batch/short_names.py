"""What the names of movies have in common, so that a narrow column can leave it out. No Qt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile

# Of what all names have in common, fewer letters are not worth the mark in their place.
_FEWEST = 4


@dataclass(frozen=True)
class Common:
    """How many letters all names begin and end with alike; 0 if they are few.

    Parts of names are never cut: letters and figures that belong together stay together.
    """

    first: int = 0
    last: int = 0

    @classmethod
    def of(cls, names: Collection[str]) -> Common:
        """What some names have in common.

        Examples
        --------
        >>> Common.of(["day1-well-A07-488nm", "day1-well-A12-488nm"])
        Common(first=10, last=6)
        """
        if len(names) < 2:
            return cls()
        first = len(_begin(names))
        rest = [name[first:][::-1] for name in names]
        last = len(_begin(rest))
        return cls(*(number if number >= _FEWEST else 0 for number in (first, last)))

    def without(self, name: str) -> str:
        """A name without what it has in common with all others.

        Examples
        --------
        >>> Common(10, 6).without("day1-well-A07-488nm")
        '…A07…'
        """
        end = len(name) - self.last
        return f"{'…' * bool(self.first)}{name[self.first : end]}{'…' * bool(self.last)}"


def _begin(names: Collection[str]) -> str:
    """What all names begin with, up to the last letter that is no part of a word or number."""
    # What the first and the last in the alphabet have in common, all have.
    pairs = zip(min(names), max(names), strict=False)
    common = "".join(one for one, other in takewhile(lambda pair: pair[0] == pair[1], pairs))
    while common and common[-1].isalnum():
        common = common[:-1]
    return common
