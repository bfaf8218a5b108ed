"""The life of a process: what it listens on, how it stops, and what it says when it must not go on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from httpx2 import AsyncClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.chassis import lifecycle
from services.chassis.failures import Halt
from services.chassis.lifecycle import Assembly, Loop, bind, run, serve
from services.chassis.settings import ServiceSettings
from services.chassis.web import ON_ERROR
from tests.support.needing import ipv6

Step = Callable[[], Coroutine[None, None, None]]


@pytest.fixture
def alone(tmp_path: Path) -> ServiceSettings:
    """Settings of a service that needs no Kafka."""
    return ServiceSettings(http_port=0, state_dir=tmp_path)


async def _hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


WEB = Starlette(routes=[Route("/hello", _hello)])


@asynccontextmanager
async def opening(events: list[str], **loops: Loop) -> AsyncIterator[Assembly]:
    """A service that notes when it is opened and closed."""
    events.append("opened")
    try:
        yield Assembly(loops, WEB)
    finally:
        events.append("closed")


def until_stopped(events: list[str], name: str = "finished") -> Loop:
    """A loop that is in the middle of something when it is stopped, and finishes it."""

    async def loop(stop: asyncio.Event) -> None:
        events.append("turning")
        await stop.wait()
        await asyncio.sleep(0)
        events.append(name)

    return loop


async def fails(_stop: asyncio.Event) -> None:
    await asyncio.sleep(0)
    raise Halt("the database was lost")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_what_is_in_hand_be_finished(alone: ServiceSettings, number: signal.Signals) -> None:
    events: list[str] = []

    async def stops(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), number)
        await stop.wait()

    async with asyncio.timeout(10):
        await run(alone, opening(events, working=until_stopped(events), stopping=stops))
    assert events == ["opened", "turning", "finished", "closed"]


async def test_a_loop_that_fails_stops_the_others_and_says_why(alone: ServiceSettings) -> None:
    events: list[str] = []
    with pytest.raises(Halt, match="the database was lost"):
        async with asyncio.timeout(10):
            await run(alone, opening(events, working=until_stopped(events), failing=fails))
    assert events == ["opened", "turning", "finished", "closed"]


async def test_what_does_not_finish_in_time_is_ended(alone: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "DRAINED_WITHIN", timedelta(milliseconds=50))
    events: list[str] = []

    async def hangs(_stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            events.append("ended")

    with pytest.raises(Halt):
        async with asyncio.timeout(10):
            await run(alone, opening(events, hanging=hangs, failing=fails))
    assert events == ["opened", "ended", "closed"]


async def test_a_signal_while_it_opens_ends_it_at_once(alone: ServiceSettings) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def waiting() -> AsyncIterator[Assembly]:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()  # for Kafka, say
        finally:
            events.append("given up")
        yield Assembly({}, WEB)

    async with asyncio.timeout(10):
        await run(alone, waiting())
    assert events == ["given up"]


async def test_a_service_that_cannot_be_opened_says_why(alone: ServiceSettings) -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[Assembly]:
        raise Halt("topics are not as they must be")
        yield

    with pytest.raises(Halt, match="topics are not"):
        await run(alone, broken())


async def test_it_answers_while_it_runs_and_not_after(alone: ServiceSettings) -> None:
    stop = asyncio.Event()
    with bind(alone) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/hello"
        serving = asyncio.create_task(serve(Assembly({"loop": until_stopped([])}, WEB), listening, stop))
        async with AsyncClient() as http:
            answer = await http.get(url)
        assert (answer.text, answer.headers.get("server")) == ("hello", None)
        stop.set()
        await serving
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.split(":")[2].split("/", maxsplit=1)[0]))) != 0


async def test_a_halt_that_a_request_led_to_stops_the_service(alone: ServiceSettings) -> None:
    events: list[str] = []

    async def refuses(_request: Request) -> Response:
        raise Halt("the keyring is another")

    web = Starlette(routes=[Route("/", refuses)], exception_handlers=ON_ERROR)
    with bind(alone) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        serving = asyncio.create_task(serve(Assembly({"loop": until_stopped(events)}, web), listening, asyncio.Event()))
        async with AsyncClient() as http:
            answer = await http.get(url)
        with pytest.raises(Halt, match="the keyring is another"):
            async with asyncio.timeout(10):
                await serving
    assert (answer.status_code, events) == (500, ["turning", "finished"])


async def test_a_service_without_loops_only_answers(alone: ServiceSettings) -> None:
    stop = asyncio.Event()
    with bind(alone) as listening:
        serving = asyncio.create_task(serve(Assembly({}, WEB), listening, stop))
        async with asyncio.timeout(10), AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{listening.getsockname()[1]}/hello")
        stop.set()
        async with asyncio.timeout(10):
            await serving
    assert answer.text == "hello"


def test_a_port_that_is_taken_is_named(alone: ServiceSettings) -> None:
    with bind(alone) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(Halt, match=f"port {port} is taken: stop what uses it or set NPS_HTTP_PORT"):
            bind(alone.model_copy(update={"http_port": port}))


def test_an_address_that_is_not_ours_is_named(alone: ServiceSettings) -> None:
    elsewhere = ServiceSettings(http_host="192.0.2.1", http_port=0, access_token="sixteen-letters-")
    with pytest.raises(Halt, match=r"cannot listen on 192\.0\.2\.1:0"):
        bind(elsewhere)


def test_loopback_may_be_ipv6() -> None:
    ipv6()
    with bind(ServiceSettings(http_host="::1", http_port=0)) as listening:
        assert listening.family == socket.AF_INET6


def test_off_loopback_without_a_token_it_does_not_listen() -> None:
    with pytest.raises(Halt, match="which others can reach: set NPS_ACCESS_TOKEN"):
        bind(ServiceSettings(http_host="0.0.0.0", http_port=0))  # noqa: S104 what it is about


async def test_off_loopback_with_a_token_it_listens() -> None:
    settings = ServiceSettings(http_host="0.0.0.0", http_port=0, access_token="sixteen-letters-")  # noqa: S104 what it is about
    with bind(settings) as listening:
        assert listening.getsockname()[1]
