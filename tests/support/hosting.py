"""Runs a service in the test's own process, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from httpx2 import ASGITransport, AsyncClient

from services.chassis.lifecycle import Assembly


@asynccontextmanager
async def hosted(opening: AbstractAsyncContextManager[Assembly]) -> AsyncIterator[AsyncClient]:
    """Runs a service's loops; yields a client of its HTTP side. Fails if a loop failed."""
    stop = asyncio.Event()
    async with opening as assembly, asyncio.TaskGroup() as group:
        for name, loop in assembly.loops.items():
            group.create_task(loop(stop), name=name)
        transport = ASGITransport(assembly.web)
        async with AsyncClient(transport=transport, base_url="http://service") as client:
            try:
                yield client
            finally:
                stop.set()
