"""The scores as they stand on their topic, by tenant, segment and window; the last record of a key wins. Pure.

Kept as they came, since most are never asked for. Of those asked for, only what is needed is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from schemas.malformed import Malformed
from schemas.tally import Series
from services.scoring.measuring import SUFFIXES, State, series_of
from services.scoring.periods import Period, named

BoardKey = tuple[str, str, str]
"""Tenant, segment and name of the window."""


class _Window(msgspec.Struct, gc=False):
    state: State = "open"


class _Score(msgspec.Struct, gc=False):
    """What must be known of a calendar window that was told before."""

    window: _Window
    histogram: list[int]
    series: Series = "all"


class Posted(NamedTuple):
    """How a calendar window was told last."""

    tenant: str
    segment: str
    series: Series
    period: Period
    state: State
    histogram: list[int]


_decoder: Final = msgspec.json.Decoder(_Score)


class Board:
    """The scores of all partitions."""

    def __init__(self) -> None:
        self._by_place: dict[int, dict[BoardKey, bytes]] = {}

    def put(self, place: int, key: tuple[str, ...], value: bytes | None) -> None:
        """Takes over a record; none is a tombstone."""
        tenant, segment, window = key
        mine = self._by_place.setdefault(place, {})
        if value is None:
            mine.pop((tenant, segment, window), None)
        else:
            mine[tenant, segment, window] = value

    def in_order(self) -> list[BoardKey]:
        """Every score there is, in order."""
        return sorted(key for mine in self._by_place.values() for key in mine)

    def of(self, key: BoardKey) -> bytes | None:
        """One score as JSON."""
        return next((mine[key] for mine in self._by_place.values() if key in mine), None)

    def posted(self, place: int) -> Iterator[Posted]:
        """The calendar windows of one partition.

        Raises:
            Malformed: if one is no score.
        """
        for (tenant, segment, window), value in self._by_place.get(place, {}).items():
            series = series_of(window)
            period = named(window.removesuffix(SUFFIXES[series]))
            if period is None:
                continue
            try:
                score = _decoder.decode(value)
            except msgspec.DecodeError as error:
                raise Malformed.of("body", f"no score: {error}") from error
            yield Posted(tenant, segment, series, period, score.window.state, score.histogram)
