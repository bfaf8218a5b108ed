"""How often somebody may ask: so many requests within ten seconds, in a window that moves, counted by each process.

Every answer tells how its sender stands, in the fields `RateLimit` and `RateLimit-Policy` (IETF,
draft-ietf-httpapi-ratelimit-headers-11). Who asks too often is told when there is room again; what was refused does not
count.
"""

from __future__ import annotations

import ipaddress
import math
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.chassis.problems import Problem

WINDOW_S: Final = 10
STANDINGS: Final = "nps.standings"
"""Where a request's scope holds how its sender stands."""

MOST_CALLERS: Final = 100_000
"""Whom a process remembers at most; with more, everybody begins anew."""

NETWORK_OF_ONE: Final = 64
"""Bits of an IPv6 address that tell one subscriber from another (RFC 6177): who has one has all that begin so."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a sender stands with one limit; `resets_in_s` is when the whole of it is there again, or some, if none is."""

    name: str
    most: int
    left: int
    resets_in_s: int


class RateLimit:
    """One limit, under which each caller has a count of its own. With `most` 0 there is none."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        if most:
            self._item = RateLimitItemPerSecond(most, WINDOW_S)
            self._storage = MemoryStorage()
            self._windows = MovingWindowRateLimiter(self._storage)

    def check(self, scope: Scope, caller: str) -> None:
        """Counts a request of this caller, and notes in the request's scope how the caller stands.

        Raises:
            Problem: 429 if there were too many.
        """
        if not self._most:
            return
        if len(self._storage.events) >= MOST_CALLERS:
            self._storage.reset()
        taken = self._windows.hit(self._item, caller)
        stats = self._windows.get_window_stats(self._item, caller)
        resets_in = max(1, math.ceil(stats.reset_time - time.time()))
        scope.setdefault(STANDINGS, []).append(Standing(self._name, self._most, max(0, stats.remaining), resets_in))
        if not taken:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate-limit",
                f"more than {self._most} requests within {WINDOW_S} seconds by one {self._name}",
                headers={"Retry-After": str(resets_in)},
            )


class RateLimited:
    """Counts requests by the address they come from; every answer tells how its sender stands. Some paths are free.

    An address is what the connection says, or what trusted proxies say of it.
    """

    def __init__(self, app: ASGIApp, *, most: int, free: frozenset[str], proxies: tuple[str, ...] = ()) -> None:
        self._app: ASGIApp = self._counting
        if proxies:
            # uvicorn has types of its own for what Starlette's are for too
            proxied: Any = ProxyHeadersMiddleware(self._counting, list(proxies))  # type: ignore[arg-type]
            self._app = proxied
        self._within = app
        self._limit = RateLimit("address", most)
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 429."""
        await self._app(scope, receive, send)

    async def _counting(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._free:
            await self._within(scope, receive, send)
            return
        standings: list[Standing] = []
        scope[STANDINGS] = standings
        telling = _telling(send, standings)
        try:
            self._limit.check(scope, _address(scope))
        except Problem as problem:
            await problem.response()(scope, receive, telling)
        else:
            await self._within(scope, receive, telling)


def _address(scope: Scope) -> str:
    """Of the sender; of one who has a network of IPv6 addresses, the network."""
    host = str((scope.get("client") or ("", 0))[0])
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host, NETWORK_OF_ONE), strict=False))
    except ValueError:
        return host


def _telling(send: Send, standings: list[Standing]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and standings:
            policy = ", ".join(f'"{one.name}";q={one.most};w={WINDOW_S}' for one in standings)
            stands = ", ".join(f'"{one.name}";r={one.left};t={one.resets_in_s}' for one in standings)
            fields = [(b"ratelimit-policy", policy.encode()), (b"ratelimit", stands.encode())]
            message["headers"] = [*message.get("headers", []), *fields]
        await send(message)

    return sending
