"""Public keys of vendors: fetched where they stand, and held for an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas.malformed import Malformed
from services.chassis.failures import Transient
from services.intake.public_keys import PublicKeys
from services.intake.sources.source import Access

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
ADDRESS = "https://www.example.org/oauth2/certs"


class FakeApi:
    """Has keys, or nothing."""

    def __init__(self, *keys: bytes) -> None:
        self._keys = list(keys)
        self.asked: list[str] = []

    async def get(self, access: Access, path: str) -> bytes:
        self.asked.append(f"{access.address}/{path}")
        if not self._keys:
            raise Malformed.of("answer", "the vendor has it no more (404)")
        return self._keys.pop(0)


async def test_keys_are_fetched_where_they_stand_and_once_an_hour() -> None:
    api = FakeApi(b"old", b"new")
    keys = PublicKeys(api)
    told = [await keys.at(ADDRESS, NOW + timedelta(minutes=minutes)) for minutes in (0, 59, 60, 61)]
    assert told == ["old", "old", "new", "new"]
    assert api.asked == [ADDRESS, ADDRESS]


async def test_without_keys_nobody_can_prove_anything_yet() -> None:
    api = FakeApi()
    for _ in range(2):
        with pytest.raises(Transient, match=f"{ADDRESS}: no keys there"):
            await PublicKeys(api).at(ADDRESS, NOW)
    assert len(api.asked) == 2
