"""Serves any application over real HTTP, on a port of its own, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from services.chassis.web import server_for
from tests.support.topics import eventually


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """Yields the address it is served at."""
    with socket.create_server(("127.0.0.1", 0)) as socket_of_its_own:
        server = server_for(app)
        running = asyncio.create_task(server.serve(sockets=[socket_of_its_own]))
        try:
            await eventually(lambda: server.started or running.done())
            yield f"http://127.0.0.1:{socket_of_its_own.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
