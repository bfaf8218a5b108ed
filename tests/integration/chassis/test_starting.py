"""Opening is never left half done: whoever gives up while a client starts leaves no connection behind."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

from services.chassis.kafka import Kafka
from services.chassis.reading import open_reader
from services.chassis.settings import ServiceSettings


async def opened(kafka: Kafka) -> None:
    async with open_reader(kafka):
        await asyncio.Event().wait()


@pytest.mark.parametrize("turns", range(0, 3000, 250))
async def test_a_reader_given_up_while_it_opens_leaves_no_connection(settings: ServiceSettings, turns: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opening = asyncio.create_task(opened(Kafka(settings)))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
