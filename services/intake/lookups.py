"""Fetches the answers that calls name and do not carry, before anything of a call is let in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.chassis.failures import Transient
from services.chassis.logs import logger
from services.intake.sources.catalogue import ADAPTERS
from services.intake.sources.source import Access, Lookup
from services.intake.vendor_api import TokenRefused

if TYPE_CHECKING:
    from services.intake.settings import IntakeSettings
    from services.intake.sources.catalogue import AnyOptions
    from services.intake.sources.source import Said, Told
    from services.intake.vendor_api import VendorApi

_log = logger("sources")


@dataclass(frozen=True, slots=True)
class Lookups:
    """What it takes to ask vendors."""

    settings: IntakeSettings
    api: VendorApi

    async def told(self, tenant: str, name: str, options: AnyOptions, said: Sequence[Said]) -> list[Told]:
        """The same, with every look-up replaced by what the vendor's API says there.

        Raises:
            Malformed: if an answer is gone, or not as the vendor describes it.
            Transient: if the vendor must call again.
        """
        found: list[Told] = []
        for item in said:
            if isinstance(item, Lookup):
                found += item.read(await self._fetched(f"{tenant}/{name}", self._accesses(tenant, name, options), item))
            else:
                found.append(item)
        return found

    def _accesses(self, tenant: str, name: str, options: AnyOptions) -> list[Access]:
        """One for each token that may hold."""
        access = ADAPTERS[options.vendor].access
        return [access(options, token) for token in self.settings.tokens_of(tenant, name)] if access else []

    async def _fetched(self, source: str, accesses: Sequence[Access], lookup: Lookup) -> bytes:
        """While one token replaces another, the first that opens the API is enough."""
        refusal: TokenRefused | None = None
        for access in accesses:
            try:
                return await self.api.get(access, lookup.path)
            except TokenRefused as error:
                refusal = refusal or error
        if refusal is None:
            _log.error("source.no_token", source=source, setting="NPS_SOURCE_TOKENS")
            raise Transient(f"NPS_SOURCE_TOKENS has none for {source}")
        _log.error("source.token_refused", source=source, setting="NPS_SOURCE_TOKENS", reason=str(refusal))
        raise refusal
