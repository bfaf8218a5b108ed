"""How often somebody may ask, and what the answers tell of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from httpx2 import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.chassis import rate_limits
from services.chassis.rate_limits import RateLimit, RateLimited
from services.chassis.web import ON_ERROR, OPS_PATHS


@asynccontextmanager
async def asking(
    *, by_address: int = 0, by_key: int = 0, proxies: tuple[str, ...] = (), host: str = "192.0.2.1"
) -> AsyncIterator[AsyncClient]:
    limit = RateLimit("key", by_key)

    async def hello(request: Request) -> Response:
        limit.check(request.scope, request.headers.get("key", "a"))
        return PlainTextResponse(request.client.host if request.client else "")

    routes = [Route("/v1/hello", hello), Route("/livez", hello)]
    app = RateLimited(
        Starlette(routes=routes, exception_handlers=ON_ERROR), most=by_address, free=OPS_PATHS, proxies=proxies
    )
    async with AsyncClient(transport=ASGITransport(app, client=(host, 1)), base_url="http://service") as client:
        yield client


async def statuses(client: AsyncClient, number: int, path: str = "/v1/hello", **headers: str) -> list[int]:
    return [(await client.get(path, headers=headers)).status_code for _ in range(number)]


@pytest.mark.parametrize(("by_address", "by_key"), [(3, 0), (0, 3)])
async def test_who_asks_too_often_is_told_when_to_come_back(by_address: int, by_key: int) -> None:
    async with asking(by_address=by_address, by_key=by_key) as client:
        assert await statuses(client, 3) == [200] * 3
        told = await client.get("/v1/hello")
    assert (told.status_code, told.headers["content-type"]) == (429, "application/problem+json")
    assert 1 <= int(told.headers["retry-after"]) <= 10


async def test_every_answer_tells_how_its_sender_stands() -> None:
    async with asking(by_address=5, by_key=2) as client:
        first = await client.get("/v1/hello")
        missing = await client.get("/v1/nowhere")
        await client.get("/v1/hello")
        last = await client.get("/v1/hello")
    assert first.headers["ratelimit-policy"] == '"address";q=5;w=10, "key";q=2;w=10'
    assert first.headers["ratelimit"].split(";t=")[0] == '"address";r=4'
    assert (missing.status_code, missing.headers["ratelimit"].split(";t=")[0]) == (404, '"address";r=3')
    assert (last.status_code, '"key";r=0' in last.headers["ratelimit"]) == (429, True)


async def test_each_key_has_a_count_of_its_own() -> None:
    async with asking(by_key=1) as client:
        assert await statuses(client, 2, key="a") == [200, 429]
        assert await statuses(client, 2, key="b") == [200, 429]


async def test_nothing_is_counted_where_there_is_no_limit() -> None:
    async with asking() as client:
        told = await client.get("/v1/hello")
        assert await statuses(client, 50) == [200] * 50
    assert "ratelimit" not in told.headers


async def test_health_is_never_counted() -> None:
    async with asking(by_address=1) as client:
        assert await statuses(client, 5, path="/livez") == [200] * 5


async def test_nobody_is_believed_about_the_address_of_others_by_default() -> None:
    async with asking(by_address=1) as client:
        found = [(await client.get("/v1/hello", headers={"x-forwarded-for": f"198.51.100.{n}"})) for n in (1, 2)]
    assert [told.status_code for told in found] == [200, 429]


async def test_a_trusted_proxy_is_believed_about_who_asked() -> None:
    async with asking(by_address=1, proxies=("192.0.2.0/24",)) as client:
        found = [await client.get("/v1/hello", headers={"x-forwarded-for": f"198.51.100.{n}"}) for n in (1, 2, 2)]
        chained = await client.get("/v1/hello", headers={"x-forwarded-for": "198.51.100.9, 198.51.100.2, 192.0.2.7"})
    assert [(told.status_code, told.text) for told in found[:2]] == [(200, "198.51.100.1"), (200, "198.51.100.2")]
    assert found[2].status_code == 429
    assert chained.status_code == 429, "what stands before the last stranger is the stranger's own claim"


async def test_addresses_of_one_network_are_one_sender() -> None:
    async with asking(by_address=1, proxies=("192.0.2.1",)) as client:
        told = [
            (await client.get("/v1/hello", headers={"x-forwarded-for": address})).status_code
            for address in ("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", "2001:db8:1:2::1")
        ]
    assert told == [200, 429, 200]


async def test_with_too_many_senders_everybody_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MOST_CALLERS", 3)
    limit = RateLimit("address", 5)
    for number in range(100):
        limit.check({}, str(number))
    assert len(limit._storage.events) <= 3
