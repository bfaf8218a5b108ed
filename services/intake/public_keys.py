"""Public keys of vendors that sign with a private one: fetched from where the vendor has them, and held for a while.

Vendors put a new key there days before they sign with it, so that an hour is soon enough.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from services.chassis.failures import Malformed, Transient
from services.intake.sources.source import Access
from services.intake.vendor_api import VendorApi

HELD_FOR: Final = timedelta(hours=1)


class PublicKeys:
    """Keys by the address they stand at."""

    def __init__(self, api: VendorApi) -> None:
        self._api = api
        self._held: dict[str, tuple[str, datetime]] = {}

    async def at(self, address: str, now: datetime) -> str:
        """The keys that stand there, as they are written.

        Raises:
            Transient: if they cannot be had now, so that nobody can prove anything.
        """
        keys, until = self._held.get(address, ("", now))
        if now < until:
            return keys
        folder, _, name = address.rpartition("/")
        try:
            keys = (await self._api.get(Access(folder), name)).decode(errors="replace")
        except Malformed as error:
            raise Transient(f"{address}: no keys there") from error
        self._held[address] = keys, now + HELD_FOR
        return keys
