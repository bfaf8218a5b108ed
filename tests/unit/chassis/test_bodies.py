"""Bodies that are too large, too deep, too slow, or packed to become one of these."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from random import Random

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response as Answer
from starlette.routing import Route

from schemas.malformed import Malformed
from services.chassis import bodies, web
from services.chassis.bodies import DEEPEST, TooLarge, check_depth, unpacked
from services.chassis.web import LARGEST_BODY, ON_ERROR, body_of


async def _echo(request: Request) -> Answer:
    return Answer(await body_of(request))


@asynccontextmanager
async def echoing() -> AsyncIterator[AsyncClient]:
    app = Starlette(routes=[Route("/", _echo, methods=["POST"])], exception_handlers=ON_ERROR)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://service") as client:
        yield client


async def sent(body: bytes, content_encoding: str | None = None) -> Response:
    async with echoing() as client:
        return await client.post(
            "/", content=body, headers={"content-encoding": content_encoding} if content_encoding else {}
        )


@pytest.mark.parametrize("coding", ["gzip", "GZIP", " x-gzip "])
async def test_what_gzip_packed_is_unpacked(coding: str) -> None:
    told = await sent(gzip.compress(b'{"score": 9}'), coding)
    assert (told.status_code, told.content) == (200, b'{"score": 9}')


async def test_members_of_gzip_may_follow_each_other() -> None:
    assert unpacked(gzip.compress(b"one ") + gzip.compress(b"two"), 100) == b"one two"


async def test_identity_is_no_packing() -> None:
    assert (await sent(b"plain", "identity")).content == b"plain"


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "nonsense"])
async def test_any_other_packing_is_refused_and_the_right_one_named(coding: str) -> None:
    told = await sent(b"x", coding)
    assert (told.status_code, told.headers["accept-encoding"]) == (415, "gzip")
    assert told.headers["content-type"] == "application/problem+json"


async def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(bytes(1024 * 1024)) for _ in range(300)) + bomb.flush()
    told = await sent(packed, "gzip")
    assert len(packed) < LARGEST_BODY
    assert (told.status_code, told.json()["detail"]) == (413, f"body: larger than {LARGEST_BODY} bytes")


def test_of_a_bomb_no_more_is_unpacked_than_the_limit_and_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "UNPACKED_AT_ONCE", 1_000)
    packed = gzip.compress(bytes(5_000_000))
    tracemalloc.start()
    with pytest.raises(TooLarge):
        unpacked(packed, 10_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200_000


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"x" * 5_000)[:-9], gzip.compress(b"cut")[:4], gzip.compress(b"x") + b"junk"],
    ids=["no gzip", "its end cut off", "its beginning alone", "junk behind it"],
)
async def test_what_does_not_unpack_is_a_problem(body: bytes) -> None:
    told = await sent(body, "gzip")
    assert (told.status_code, told.json()["errors"][0]["field"]) == (422, "body")


def nested(levels: int) -> bytes:
    return (
        b'{"a":' * (levels // 2) + b"[" * (levels - levels // 2) + b"]" * (levels - levels // 2) + b"}" * (levels // 2)
    )


async def test_json_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    assert (await sent(nested(DEEPEST))).status_code == 200
    told = await sent(nested(DEEPEST + 1))
    assert (told.status_code, told.json()["errors"][0]["reason"]) == (422, f"more than {DEEPEST} levels deep")


def test_brackets_within_strings_are_no_levels() -> None:
    check_depth(json.dumps(["[" * 500, "\\", '"' + "{[" * 500, {"[": "]"}] * 40).encode())


def test_many_values_beside_each_other_are_not_deep() -> None:
    check_depth(json.dumps([{"segments": {}, "list": [1, [2, []]]}] * 5_000).encode())


def test_a_body_that_is_no_json_has_no_depth() -> None:
    check_depth(b"From=%5B%5B&Body=" + b"[" * 500)


def test_whatever_the_bytes_the_depth_is_told_or_refused() -> None:
    chance = Random(7)
    for _ in range(300):
        with suppress(Malformed):
            check_depth(b"[" + bytes(chance.choices(b'[]{}"\\a,: ', k=2_000)))


async def test_a_body_that_trickles_in_is_cut_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BODY_WITHIN", timedelta(milliseconds=20))

    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with echoing() as client:
        told = await client.post("/", content=trickle())
    assert (told.status_code, told.headers["connection"]) == (408, "close")
    assert told.headers["content-type"] == "application/problem+json"
