"""The life of a process: open what it needs, run its loops and its server, drain on SIGTERM, say why it stopped."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis.failures import Halt
from services.chassis.logs import logger
from services.chassis.settings import ServiceSettings
from services.chassis.web import server_for

VERSION: Final = version("nps-loop")
COLLECT_AFTER: Final = (10_000, 50, 100)
TURN_S: Final = 0.001
DRAINED_WITHIN: Final = timedelta(seconds=20)
WAIT_FOR_KAFKA: Final = timedelta(seconds=1)

Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""Runs until the event is set, finishes what is in hand, returns."""

_log = logger("lifecycle")


@dataclass(frozen=True, slots=True)
class Assembly:
    """A service put together: its loops by name, and what it answers over HTTP."""

    loops: Mapping[str, Loop]
    web: ASGIApp


def bind(settings: ServiceSettings) -> socket.socket:
    """The socket to listen on.

    Raises:
        Halt: if the port is taken, or if anybody could reach us and no token is set.
    """
    if not settings.on_loopback and settings.access_token is None:
        raise Halt(f"NPS_HTTP_HOST is {settings.http_host}, which others can reach: set NPS_ACCESS_TOKEN")
    try:
        family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
        listening = socket.create_server((settings.http_host, settings.http_port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Halt(f"port {settings.http_port} is taken: stop what uses it or set NPS_HTTP_PORT") from error
        raise Halt(f"cannot listen on {settings.http_host}:{settings.http_port}: {error.strerror}") from error
    # asyncio sets it where it makes the socket itself; without it every answer waits 40 ms for an acknowledgement
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def tune_interpreter() -> None:
    """Has the garbage collector look for cycles once for every batch or so, and threads take turns sooner.

    A batch makes tens of thousands of objects that are gone after it. Looked through every 700, they took a fifth of
    the time of a tally (measured). A transaction in a thread gives way at each statement and at each row it finds: with
    Python's own turns of five milliseconds the slowest of a hundred requests took 20 ms where they take 18.7.
    """
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(TURN_S)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


async def serve(assembly: Assembly, listening: socket.socket, stop: asyncio.Event) -> None:
    """Runs loops and server until stopped or until one of them fails; then drains the others.

    Raises:
        Exception: whatever a loop failed with, or the Halt a request led to.
    """
    halted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    web = server_for(_telling(assembly.web, halted))
    tasks = {asyncio.create_task(loop(stop), name=name) for name, loop in assembly.loops.items()}
    serving = asyncio.create_task(web.serve(sockets=[listening]), name="http")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    ends: set[asyncio.Future[Any]] = {*tasks, serving, stopping, halted}  # of results that nobody asks for
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    drained, late = await asyncio.wait(tasks, timeout=DRAINED_WITHIN.total_seconds()) if tasks else (set(), set())
    web.should_exit = True
    for task in late:
        _log.error("drain.late", loop=task.get_name(), seconds=DRAINED_WITHIN.total_seconds())
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    await serving
    await stopping
    for task in drained:
        error = task.exception()
        if error is not None:
            raise error
    if halted.done():
        halted.result()


def _telling(web: ASGIApp, halted: asyncio.Future[None]) -> ASGIApp:
    """The same, but a Halt that a request led to ends the service as that of a loop does."""

    async def telling(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await web(scope, receive, send)
        except Halt as error:
            if not halted.done():
                halted.set_exception(error)
            raise

    return telling


async def run(settings: ServiceSettings, opening: AbstractAsyncContextManager[Assembly]) -> None:
    """Runs one service from its settings to its end; a signal while it still opens ends it at once.

    Raises:
        Halt: if it must not go on; the message says why.
    """
    tune_interpreter()
    stop = stop_on_signals()
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(bind(settings))
        _log.info("service.starting", version=VERSION, instance=settings.instance)
        opened = asyncio.create_task(stack.enter_async_context(opening))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({opened, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not opened.done():
            opened.cancel()
            await asyncio.wait([opened])
            return
        assembly = opened.result()
        _log.info("service.ready", port=listening.getsockname()[1])
        await serve(assembly, listening, stop)
        _log.info("service.drained")
