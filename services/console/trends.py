"""How each segment fared day by day, asked of scoring over HTTP and drawn as a line of blocks.

A table without it is still right, so that scoring being away is no failure.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aiohttp import ClientSession

SCORING_URL: Final = "NPS_SCORING_URL"
ACCESS_TOKEN: Final = "NPS_ACCESS_TOKEN"  # noqa: S105 a name, no secret
DAYS: Final = 30
MOST: Final = 200
"""Segments to ask for; the others of a longer table are shown without."""
TIMEOUT_S: Final = 5.0

BLOCKS: Final = "▁▂▃▄▅▆▇█"
NO_ANSWERS: Final = "·"

Of = tuple[str, str, str]
"""Tenant, segment and series."""


async def trends(wanted: Iterable[Of], now: datetime) -> Mapping[Of, str]:
    """Each segment's score by day, as a line; those that could not be had are left out."""
    import aiohttp  # noqa: PLC0415 slow to load, and needed here alone

    url = os.environ.get(SCORING_URL, "http://127.0.0.1:8085")
    token = os.environ.get(ACCESS_TOKEN)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    keys = list(dict.fromkeys(wanted))[:MOST]
    try:
        async with aiohttp.ClientSession(url, timeout=timeout, headers=headers) as session:
            found = await asyncio.gather(*(_by_day(session, key, now) for key in keys))
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return {}
    return {key: drawn(days) for key, days in zip(keys, found, strict=True) if days}


async def _by_day(session: ClientSession, of: Of, now: datetime) -> Sequence[float | None]:
    tenant, segment, series = of
    span = {"from": (now - timedelta(days=DAYS - 1)).isoformat(), "to": now.isoformat(), "bucket": "day"}
    asked = {"tenant": tenant, "segment": segment, "series": series, **span}
    async with session.get("/v1/scores/series", params=asked) as answer:
        if answer.status != HTTPStatus.OK:
            return []
        told: dict[str, Any] = await answer.json()  # JSON of any shape
    return [bucket["nps"] for bucket in told["buckets"]]


def drawn(values: Sequence[float | None]) -> str:
    """A line of blocks between the lowest and the highest value; a dot where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return NO_ANSWERS * len(values)
    low, span = min(known), max(known) - min(known)
    steps = len(BLOCKS) - 1
    return "".join(
        NO_ANSWERS if value is None else BLOCKS[round((value - low) / span * steps) if span else steps // 2]
        for value in values
    )
