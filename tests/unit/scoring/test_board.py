"""The board of scores: the last of a key wins, and calendar windows are known by what was told of them."""

from __future__ import annotations

import pytest

from schemas.malformed import Malformed
from services.scoring.board import Board, Posted
from services.scoring.periods import named
from services.scoring.resources import cursor_of, place_of

FINAL = b'{"window": {"name": "month.2026-05", "state": "final"}, "histogram": [0,0,0,0,0,0,0,0,0,2,0]}'


def test_the_last_record_of_a_key_wins_and_a_tombstone_takes_it_away() -> None:
    board = Board()
    board.put(0, ("default", "all", "30d"), b"1")
    board.put(0, ("default", "all", "30d"), b"2")
    board.put(1, ("acme", "all", "7d"), b"3")
    assert [board.of(key) for key in board.in_order()] == [b"3", b"2"]
    board.put(0, ("default", "all", "30d"), None)
    assert board.in_order() == [("acme", "all", "7d")]


def test_calendar_windows_of_a_partition_tell_what_was_said_of_them() -> None:
    board = Board()
    board.put(0, ("default", "all", "30d"), b"not looked at")
    latest = FINAL.replace(b'"histogram"', b'"series":"latest","histogram"')
    board.put(0, ("default", "all", "month.2026-05.latest"), latest)
    board.put(1, ("default", "channel=email", "month.2026-05"), FINAL)
    may = named("month.2026-05")
    assert may is not None
    histogram = [0] * 9 + [2, 0]
    assert list(board.posted(0)) == [Posted("default", "all", "latest", may, "final", histogram)]
    assert list(board.posted(1)) == [Posted("default", "channel=email", "all", may, "final", histogram)]


def test_what_is_no_score_is_told() -> None:
    board = Board()
    board.put(0, ("default", "all", "month.2026-05"), b"{}")
    with pytest.raises(Malformed, match="no score"):
        list(board.posted(0))


def test_a_cursor_leads_back_to_its_score() -> None:
    key = ("default", "country=\u00c5land, \u20ac", "month.2026-05")
    assert place_of(cursor_of(key)) == key
