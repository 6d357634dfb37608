"""What is taken out of texts about a person, and what is not."""

from __future__ import annotations

import fnmatch
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sa2va.core.privacy import NOBODY, Private, as_glob, words_of_date, words_of_name


def private(**words: tuple[str, ...]) -> Private:
    return Private({k: "\\".join(v) for k, v in words.items()}, words)


JANE = private(PatientName=tuple(words_of_name("Doe^Jane")), PatientID=("12-345",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data/Doe/a.dcm", "/data/(PatientName)/a.dcm"),
        ("/data/DOE_JANE.dcm", "/data/(PatientName).dcm"),
        ("janedoe", "(PatientName)"),
        ("J.Doe-jdoe-doej", "(PatientName)-(PatientName)-(PatientName)"),
        ("12345_cine", "(PatientID)_cine"),
        ("12_345", "(PatientID)"),
        ("9123456", "9123456"),  # digits of a longer number
        ("/work/doers/a", "/work/doers/a"),
        ("", ""),
    ],
)
def test_words_are_found_without_case_and_separators(text: str, expected: str) -> None:
    assert JANE.redact(text) == expected
    assert JANE.is_in(text) == (text != expected)


@pytest.mark.parametrize("spelled", ["Müller", "MULLER", "mu\u0308ller", "Mueller", "müller"])
def test_accents_and_their_spellings_make_no_difference(spelled: str) -> None:
    assert private(PatientName=("Müller",)).redact(f"a/{spelled}.dcm") == "a/(PatientName).dcm"


def test_a_dicom_name_falls_into_its_parts() -> None:
    found = list(words_of_name("Doe^Jane Ann^^Dr=ドウ^ジェーン"))
    assert found[:6] == ["Doe", "Jane", "Ann", "Dr", "ドウ", "ジェーン"]
    assert {"Doe Jane", "Jane Doe", "J Doe", "Doe J"} <= set(found)


@pytest.mark.parametrize("said", ["19700131", "1970-01-31", "31.01.1970", "01311970", "310170"])
def test_a_birth_date_is_found_however_it_is_written(said: str) -> None:
    born = private(PatientBirthDate=tuple(words_of_date("19700131")))
    assert born.redact(f"x_{said}_y") == "x_(PatientBirthDate)_y"


def test_a_name_of_another_script_is_found() -> None:
    assert private(PatientName=("山田太郎",)).redact("/山田太郎/1") == "/(PatientName)/1"


def test_texts_in_lists_and_mappings_are_redacted_too() -> None:
    said = {"Jane": ["Jane", 3, {"b": ("Doe", None)}]}
    assert JANE.redact_all(said) == {
        "Jane": ["(PatientName)", 3, {"b": ["(PatientName)", None]}],
    }


def test_nobody_changes_nothing() -> None:
    assert NOBODY.redact("Jane Doe") == "Jane Doe"


def test_what_a_word_is_replaced_by_is_not_searched_again() -> None:
    odd = private(PatientID=("Name",), PatientName=("Other",))
    assert odd.redact("Name Other") == "(PatientID) (PatientName)"


def test_the_representation_shows_no_word() -> None:
    assert "Jane" not in repr(JANE)
    assert "12" not in repr(JANE)


def test_the_words_are_no_json() -> None:
    with pytest.raises(TypeError):
        json.dumps(JANE)


def test_a_pattern_finds_the_path_that_was_redacted() -> None:
    path = "/data/[new] Doe/12-345_cine*.dcm"
    pattern = as_glob(JANE.redact(path))
    assert pattern is not None
    assert fnmatch.fnmatchcase(path, pattern)
    assert not fnmatch.fnmatchcase("/data/new Doe/12-345_other.dcm", pattern)
    assert as_glob("/data/cine.dcm") is None


words = st.text(st.characters(categories=["L", "N"], max_codepoint=0x24F), min_size=4, max_size=12)


@given(words, st.text(max_size=20), st.text(max_size=20))
def test_a_word_that_stands_alone_never_stays(word: str, before: str, behind: str) -> None:
    known = private(PatientName=(word,))
    text = f"{before} {word}/{behind}"
    redacted = known.redact(text)
    assert not known.is_in(redacted.replace("(PatientName)", "|"))
    pattern = as_glob(redacted)
    assert pattern is not None
    assert pickle.loads(pickle.dumps(known)).redact(text) == redacted
