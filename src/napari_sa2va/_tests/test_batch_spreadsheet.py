"""Texts in tables that spreadsheets open."""

from __future__ import annotations

import pytest

from napari_sa2va.batch.spreadsheet import cell, plain

FORMULAS = ["=1+1", "+49 30", "-5,3+1", "-1E", "-the dark cell", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_reckon_is_marked_as_a_text(text: str) -> None:
    assert cell(text) == "'" + text


@pytest.mark.parametrize(
    "text", ["", "the bright cell", "-1.5", "+2", "1e-3", "-5,3", "-1.234,5E-3", "a=b"]
)
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert cell(text) == text


@pytest.mark.parametrize("text", [*FORMULAS, "", "-1.5", "'quoted'", "''", "'=1", "'", "'-5,3"])
def test_a_mark_is_taken_back_and_nothing_else(text: str) -> None:
    assert plain(cell(text)) == text
