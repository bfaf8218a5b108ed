"""The HTTP of our servers over real sockets: what is slow, too large or no HTTP holds nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import h11
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.chassis import patient_http, web
from services.chassis.patient_http import LARGEST_HEAD, InOnePiece
from services.chassis.web import ON_ERROR, body_of
from tests.support.listening import listening

SOON = timedelta(milliseconds=50)


async def _read(request: Request) -> Response:
    return PlainTextResponse(str(len(await body_of(request))))


async def _refuse(_request: Request) -> Response:
    return PlainTextResponse("no", 401)


APP = Starlette(
    routes=[Route("/read", _read, methods=["POST"]), Route("/refuse", _refuse, methods=["POST"])],
    exception_handlers=ON_ERROR,
)


async def connected(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def told(address: str, *pieces: bytes) -> bytes:
    """All that the server says until it closes the connection; the client sends these pieces and then waits."""
    reader, writer = await connected(address)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_a_head_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_http, "HEAD_WITHIN", SOON)
    async with listening(APP) as address:
        assert await told(address) == b""
        assert await told(address, b"POST /read HTTP/1.1\r\nHost: a\r\n") == b""


async def test_the_head_of_a_second_request_has_no_longer_than_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_http, "HEAD_WITHIN", SOON)
    first = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
    async with listening(APP) as address:
        said = await told(address, first + b"POST /read HTTP/1.1\r\nX-Trickle: ")
    assert said.startswith(b"HTTP/1.1 200")
    assert said.endswith(b"\r\n\r\n2")


async def test_a_body_that_never_ends_is_cut_with_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BODY_WITHIN", SOON)
    async with listening(APP) as address:
        said = await told(address, b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", b"{")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert json.loads(body)["type"] == "urn:nps-loop:problem:too-slow"


async def test_what_was_refused_before_it_was_read_holds_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_http, "REST_WITHIN", SOON)
    async with listening(APP) as address:
        said = await told(address, b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", b"x" * 100)
    assert said.startswith(b"HTTP/1.1 401")
    assert said.endswith(b"no")


async def test_a_request_that_takes_its_time_to_be_answered_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient_http, "HEAD_WITHIN", SOON)
    cut = asyncio.Event()
    asyncio.get_running_loop().call_later(4 * SOON.total_seconds(), cut.set)

    async def thinks(_request: Request) -> Response:
        await cut.wait()
        return PlainTextResponse("at last")

    app = Starlette(routes=[Route("/think", thinks, methods=["POST"])])
    request = b"POST /think HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    async with listening(app) as address:
        assert (await told(address, request)).endswith(b"at last")


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: "
# one byte too many: were there more behind it, closing the connection could overtake the answer
TOO_LARGE = HEAD + b"x" * (LARGEST_HEAD + 1 - len(HEAD))


@pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", TOO_LARGE], ids=["nonsense", "too large a head"])
async def test_what_is_no_http_is_a_problem(request_: bytes) -> None:
    async with listening(APP) as address:
        said = await told(address, request_)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400


async def test_eight_kilobytes_of_head_are_read() -> None:
    request = (
        b"POST /read HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\nX: " + b"x" * 8192 + b"\r\n\r\n{}"
    )
    async with listening(APP) as address:
        assert (await told(address, request)).startswith(b"HTTP/1.1 200")


def sent(*headers: tuple[str, str]) -> list[bytes]:
    """What leaves at the head of an answer, at its body and at its end."""
    server = InOnePiece(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server.next_event()
    answer = h11.Response(status_code=200, headers=list(headers)), h11.Data(data=b"ok"), h11.EndOfMessage()
    return [server.send(event) or b"" for event in answer]


def test_the_head_of_an_answer_leaves_with_its_body() -> None:
    assert sent(("content-length", "2")) == [b"", b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok", b""]


def test_the_head_of_a_stream_waits_for_nothing() -> None:
    head, body, _ = sent()
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"2\r\nok\r\n"
