"""Who works on a batch, and what damaged files say of that."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.batch.host import here
from napari_sa2va.batch.roster import Card, Roster

# As macOS writes it beside a file on a drive that keeps no attributes.
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02\x9c\xe1\xa7"


def test_cards_that_cannot_be_read_hide_no_other(tmp_path: Path) -> None:
    roster = Roster(tmp_path)
    card = Card(name="box-2", host=here())
    roster.write(card)
    (tmp_path / "._box-2.json").write_bytes(APPLE_DOUBLE)
    (tmp_path / ".hidden.json").write_text(card.model_dump_json())
    (tmp_path / "box-1.json").write_bytes(b"\xff\xfe\x80")
    (tmp_path / "box-3.json").mkdir()
    assert [found for found, _ in roster.read()] == [card]
    assert roster.has_idle("box-1")


def test_a_client_that_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    roster = Roster(tmp_path)
    roster.lead("box-1", here())
    assert roster.leader_of("box-1") == here()
    (tmp_path / "box-1.client").write_bytes(b"\xff\xfe\x80")
    assert roster.leader_of("box-1") is None
