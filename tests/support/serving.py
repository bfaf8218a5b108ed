"""Runs a service behind a real socket, as its process would, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from services.chassis.lifecycle import Assembly, bind, serve
from services.chassis.settings import ServiceSettings


@asynccontextmanager
async def served(settings: ServiceSettings, opening: AbstractAsyncContextManager[Assembly]) -> AsyncIterator[str]:
    """Runs a service; yields its address. Fails if a loop failed."""
    stop = asyncio.Event()
    with bind(settings) as listening:
        async with opening as assembly, asyncio.TaskGroup() as group:
            group.create_task(serve(assembly, listening, stop))
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                stop.set()
