"""Texts that people and models gave, as cells of a table that a spreadsheet opens.

A spreadsheet takes a cell that begins with =, +, - or @ for a formula, and a formula can start
programs. So such a text gets an apostrophe before it, which spreadsheets know as the sign of a text;
one that begins with an apostrophe gets a second one, so that `plain` takes back exactly what `cell` did.
Numbers are none of these texts: -1.5 is a number in a spreadsheet as well, and so is -1,5 in some
countries.
"""

from __future__ import annotations

import re

_MARK = "'"
# Tab and carriage return are skipped by some programs before they look.
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", _MARK)
# Point or comma before the decimals or between thousands: nothing that could be reckoned with.
_DIGITS = re.compile(r"[-+][.,]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?")


def cell(text: str) -> str:
    """A text as a cell of a CSV file.

    Examples
    --------
    >>> cell("=1+1"), cell("the bright cell"), cell("-1.5")
    ("'=1+1", 'the bright cell', '-1.5')
    """
    if not text.startswith(_BEGINS_FORMULA) or _is_number(text):
        return text
    return _MARK + text


def plain(cell: str) -> str:
    """The text of a cell that `cell` has made.

    Examples
    --------
    >>> plain("'=1+1")
    '=1+1'
    """
    has_mark = cell.startswith(_MARK) and cell[1:].startswith(_BEGINS_FORMULA)
    return cell[1:] if has_mark else cell


def separator_of(head: str) -> str:
    """What stands between the cells of a table, of which spreadsheets have another in each country.

    Parameters
    ----------
    head : str
        Names of the columns, in which that is what stands most often.

    Examples
    --------
    >>> separator_of("path;prompts"), separator_of("path")
    (';', ',')
    """
    return max(",;\t", key=head.count)


def _is_number(text: str) -> bool:
    if _DIGITS.fullmatch(text):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
