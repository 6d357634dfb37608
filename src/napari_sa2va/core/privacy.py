"""What a source says of a person: known while it is open, and left out of all that is written.

A path is needed to find a source again, and paths of medical pictures bear names, birth dates and
numbers of patients. `Private` knows these words and takes them out of a text. In their place stands
what they were, in parentheses: ``/data/(PatientName)/(PatientID)_cine.dcm``. `as_glob` turns such a
text into a pattern, with which the file can be looked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from glob import escape
from itertools import permutations
from typing import Any

_LEAST = 2
# Shorter words are taken out only where they stand alone: "Li" is in "clip".
_ALONE_BELOW = 4
# Parts of a name that stand in any order without a gap.
_JOINED = 4
_BETWEEN = r"[\W_]*"
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_MARK = re.compile(r"\(([A-Z][A-Za-z]{2,63})\)")


@dataclass(frozen=True)
class Private:
    """What is known about a person, by the name of what says it.

    Attributes
    ----------
    values : mapping of str to str
        All that is said, such as {"PatientName": "Doe^Jane", "PatientSex": "F"}.
    words : mapping of str to tuple of str
        What is looked for, such as {"PatientName": ("Doe", "Jane")}. Letters are compared without
        case and accents, and whatever stands between letters and digits in a word may be anything
        else, or nothing: "12-345" is also found in "12_345" and "12345".

    Notes
    -----
    Is kept in memory only: nothing here is to be written, and `repr` does not show it.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @cached_property
    def _pattern(self) -> tuple[re.Pattern[str], list[str]] | None:
        forms = {
            form: (length, name)
            for name, words in self.words.items()
            for word in words
            for form, length in _forms(word)
        }
        if not forms:
            return None
        # Of two words that begin alike, the longer one.
        ordered = sorted(forms, key=lambda form: -forms[form][0])
        return re.compile("|".join(f"({f})" for f in ordered)), [forms[f][1] for f in ordered]

    def redact(self, text: str) -> str:
        """A text with what every word is, such as "(PatientName)", in place of the word."""
        if self._pattern is None:
            return text
        pattern, names = self._pattern
        composed = unicodedata.normalize("NFC", text)
        parts, at = [], 0
        for match in pattern.finditer(_folded(composed)):
            assert match.lastindex is not None  # every form is a group
            parts += [composed[at : match.start()], f"({names[match.lastindex - 1]})"]
            at = match.end()
        return "".join(parts) + composed[at:] if parts else text

    def redact_all(self, value: Any) -> Any:
        """The same for all texts in JSON types; keys stay."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {key: self.redact_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_all(item) for item in value]
        return value

    def is_in(self, text: str) -> bool:
        """Whether a text bears a word."""
        return self.redact(text) != text


NOBODY = Private()
"""Of a source that says nothing of a person."""


def as_glob(redacted: str) -> str | None:
    """A pattern for what a redacted path or name may have been; None if nothing was taken out.

    Examples
    --------
    >>> as_glob("/data/(PatientName)_[1].dcm")
    '/data/*_[[]1].dcm'
    """
    parts = _MARK.split(redacted)
    return "*".join(escape(part) for part in parts[::2]) if len(parts) > 1 else None


def words_of_name(said: str) -> Iterable[str]:
    """How people write a name that DICOM gives as Doe^Jane: its parts, DoeJane, JDoe ..."""
    parts = [part for part in re.split(r"[\^=\\,;\s]+", said) if part]
    yield from parts
    for one, other in permutations(parts[:_JOINED], 2):
        yield from (f"{one} {other}", f"{one[0]} {other}", f"{one} {other[0]}")


def words_of_date(said: str) -> Iterable[str]:
    """How people write a date that is given as 19700131."""
    digits = re.sub(r"\D", "", said)
    if len(digits) != 8:
        return (said,)
    year, month, day = digits[:4], digits[4:6], digits[6:]
    # What stands between the numbers does not matter.
    return tuple(
        "-".join(order)
        for order in (
            (year, month, day), (day, month, year), (month, day, year),
            (year[2:], month, day), (day, month, year[2:]),
        )
    )  # fmt: skip


def _forms(word: str) -> Iterable[tuple[str, int]]:
    """Patterns that find a word in a folded text, and how many letters and digits they find."""
    composed = unicodedata.normalize("NFC", word).lower()
    for spelled in {composed, composed.translate(_GERMAN)}:
        tokens = re.findall(r"[^\W_]+", _folded(spelled))
        length = sum(map(len, tokens))
        if length < _LEAST:
            continue
        form = _BETWEEN.join(map(re.escape, tokens))
        alone = length < _ALONE_BELOW
        before = _edge(tokens[0], "<!", alone=alone)
        behind = _edge(tokens[-1], "!", alone=alone)
        yield before + form + behind, length


def _edge(token: str, look: str, *, alone: bool) -> str:
    """What must not be beside a word: letters beside a short one, digits beside digits."""
    if alone or len(token) == 1:
        return rf"(?{look}[^\W_])"
    return rf"(?{look}\d)" if token.isdigit() else ""


def _folded(text: str) -> str:
    """Without case and accents, letter by letter, so that places stay the same."""
    return "".join(_fold(letter) for letter in text)


def _fold(letter: str) -> str:
    plain = unicodedata.normalize("NFKD", letter)[0].lower()
    return plain if len(plain) == 1 else letter
