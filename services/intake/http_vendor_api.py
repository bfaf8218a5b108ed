"""Fetches from vendors' APIs over HTTP, and reads from each status what it means for the call that waits.

2xx                   the answer, of at most 1 MiB
401, 403              our token does not open it, or lacks a permission
404, 410              the answer is gone
408, 425, 429, 5xx    the vendor is away or busy
3xx                   not where we look for it: a token is never carried on to another address
any other 4xx         the vendor will never answer this
no answer in time     the vendor is away
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, Field, ValidationError
from yarl import URL

from services.chassis.clock import Clock
from services.chassis.failures import Malformed, Transient
from services.intake.settings import IntakeSettings
from services.intake.sources.source import Access, Grant
from services.intake.vendor_api import TokenRefused

LARGEST_ANSWER: Final = 1024 * 1024
AT_ONCE: Final = 20
RENEWED_BEFORE: Final = timedelta(minutes=1)
"""How long before its end a token is no longer used: it must outlive the request."""
HELD_AT_MOST_S: Final = 3600

NOT_LET_IN: Final = frozenset({401, 403})
GONE: Final = frozenset({404, 410})
LATER: Final = frozenset({408, 425, 429})
LOOKED_UP: Final = "answer"
"""The field that is named where the vendor's API does not give the answer a call named."""


class _Renewed(BaseModel):
    """A token that does not last (RFC 6749 §5.1)."""

    access_token: str = Field(min_length=1)
    expires_in: int = Field(default=0, ge=0, description="seconds")


@dataclass(frozen=True, slots=True)
class _Held:
    """A token that does not last, while it does."""

    token: str
    until: datetime


class HttpVendorApi:
    """One connection pool to all vendors."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._held: dict[Grant, _Held] = {}

    async def get(self, access: Access, path: str) -> bytes:
        """What the API answers at this path; see `VendorApi`."""
        headers = {"accept": "application/json", **access.headers}
        if access.grant:
            headers["authorization"] = f"Bearer {await self._token(access.grant)}"
        try:
            return await self._asked("GET", f"{access.address}/{path.lstrip('/')}", headers=headers)
        except TokenRefused:
            if access.grant:
                self._held.pop(access.grant, None)
            raise

    async def _token(self, grant: Grant) -> str:
        """A token that still lasts for a while."""
        now = self._clock.now()
        held = self._held.get(grant)
        if held and now < held.until:
            return held.token
        form = {
            "grant_type": "refresh_token",
            "client_id": grant.client_id,
            "client_secret": grant.client_secret,
            "refresh_token": grant.refresh_token,
        }
        try:
            content = await self._asked("POST", grant.address, form=form)
            renewed = _Renewed.model_validate_json(content)
        except (Malformed, ValidationError) as error:
            raise TokenRefused(f"{urlsplit(grant.address).hostname}: gives no token") from error
        lasts = timedelta(seconds=min(renewed.expires_in, HELD_AT_MOST_S))
        self._held[grant] = _Held(renewed.access_token, now + lasts - RENEWED_BEFORE)
        return renewed.access_token

    async def _asked(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> bytes:
        host = urlsplit(address).hostname or ""
        try:
            async with self._session.request(
                method, URL(address, encoded=True), headers=headers, data=form, allow_redirects=False
            ) as response:
                _check(host, response.status)
                return await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(f"{host}: {type(error).__name__}") from error


@asynccontextmanager
async def open_http_vendor_api(settings: IntakeSettings, clock: Clock) -> AsyncIterator[HttpVendorApi]:
    """Vendors' APIs for the life of a process."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE),
        timeout=aiohttp.ClientTimeout(total=settings.source_api_timeout_s),
        # what is packed could unpack to anything
        headers={"User-Agent": "nps-loop", "Accept-Encoding": "identity"},
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield HttpVendorApi(session, clock)


def _check(host: str, status: int) -> None:
    """Returns if a status means that the answer follows; the table stands above."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status in NOT_LET_IN:
        raise TokenRefused(f"{host}: answered {status}, our token does not open it")
    if status in GONE:
        raise Malformed.of(LOOKED_UP, f"the vendor has it no more ({status})")
    if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Transient(f"{host}: answered {status}")
    if status < HTTPStatus.BAD_REQUEST:
        raise Transient(f"{host}: answered {status}, this is not the address of its API")
    raise Malformed.of(LOOKED_UP, f"the vendor does not give it ({status})")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    try:
        await response.content.readexactly(LARGEST_ANSWER + 1)
    except asyncio.IncompleteReadError as whole:
        return whole.partial
    raise Malformed.of(LOOKED_UP, f"larger than {LARGEST_ANSWER} bytes")
