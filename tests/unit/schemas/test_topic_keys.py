"""Keys and partitions are part of the contract: they never change."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.malformed import Malformed
from schemas.topic import inbound, join_key, partition_of, split_key

parts = st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=6).map(tuple)


@given(parts)
def test_a_key_gives_back_its_parts(some: tuple[str, ...]) -> None:
    assert split_key(join_key(some)) == some


@given(parts, parts)
def test_no_two_tuples_share_a_key(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (join_key(one) == join_key(other)) == (one == other)


def test_lengths_are_in_bytes() -> None:
    assert join_key(("default", "r-17")) == b"7:default4:r-17"
    assert join_key(("ä", "")) == b"2:\xc3\xa40:"


@pytest.mark.parametrize(
    "key",
    [
        b"default",
        b"7:defaul",
        b":default",
        b"-1:x",
        b"x:y",
        b"1:\xff",
        b"1:\xc3\xa4",
        b"7",
        b"9" * 5000 + b":x",
        b" 1:x",
    ],
    ids=lambda key: repr(key[:12]),
)
def test_what_is_no_key_is_malformed(key: bytes) -> None:
    with pytest.raises(Malformed, match="key: "):
        split_key(key)


@given(st.binary(max_size=40))
def test_whatever_comes_is_a_key_or_malformed(key: bytes) -> None:
    try:
        found = split_key(key)
    except Malformed:
        return
    assert all(part.encode() in key for part in found)


@pytest.mark.parametrize(
    ("key", "of_4", "of_16"),
    [
        (b"", 0, 0),
        (b"123456789", 2, 6),
        (b"7:default4:r-17", 1, 5),
        (b"7:default3:all", 1, 9),
        (b"4:acme36:00000000-0000-0000-0000-000000000000", 0, 8),
    ],
)
def test_partitions_are_crc_32(key: bytes, of_4: int, of_16: int) -> None:
    """`123456789` is the check value of CRC-32 (ISO 3309): cbf43926."""
    assert (partition_of(key, 4), partition_of(key, 16)) == (of_4, of_16)


def test_keys_spread_over_the_partitions() -> None:
    spread = Counter(partition_of(join_key(("default", f"r-{number}")), 16) for number in range(16_000))
    assert set(spread) == set(range(16))
    assert min(spread.values()) > 800


def test_a_channel_has_a_topic() -> None:
    assert inbound("in_app") == "responses.in_app"


@pytest.mark.parametrize("channel", ["", "In_App", "a.b", "a-b", "a b", "ä", "a\n", "x" * 64])
def test_what_cannot_stand_in_a_topic_is_no_channel(channel: str) -> None:
    with pytest.raises(ValueError, match="lower case"):
        inbound(channel)
