"""What a vendor's API has to give us: one answer that a call named.

Whatever goes wrong there is said as what is to be done about it: the vendor calls again, or the call is kept.
"""

from __future__ import annotations

from typing import Protocol

from services.chassis.failures import Transient
from services.intake.sources.source import Access


class TokenRefused(Transient):
    """The API does not let us in: ours to mend, and until then the vendor may call again."""


class VendorApi(Protocol):
    """Fetches answers from vendors."""

    async def get(self, access: Access, path: str) -> bytes:
        """What the API answers at this path.

        Raises:
            Malformed: if there is nothing any more, or never will be.
            TokenRefused: if the token does not open the API.
            Transient: if the API is away, busy, or not where we look for it.
        """
        ...
