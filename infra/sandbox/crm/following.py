"""Follows the topic of tasks as a CRM's connector does: all of it from the start, then whatever comes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from infra.sandbox.crm.board import Board
from schemas.malformed import Malformed
from schemas.topics import TASKS
from services.chassis.failures import Transient
from services.chassis.health import Health
from services.chassis.kafka import Kafka
from services.chassis.logs import logger
from services.chassis.reading import Reader, open_reader
from services.chassis.records import Raw

AGAIN_AFTER: Final = timedelta(seconds=1)
LOADING: Final = "tasks"

_log = logger("following")


async def follow(kafka: Kafka, board: Board, health: Health) -> None:
    """Follows until cancelled; ready once everything that was there is on the board."""
    health.waits(LOADING, "reading what there is")
    told = False
    while True:
        try:
            async with open_reader(kafka) as reader:
                await _follow(reader, board, health)
        except Transient as error:
            if not told:
                _log.warning("kafka.awaited", reason=str(error))
                told = True
        health.waits(LOADING, "Kafka or the topic of tasks is away")
        await asyncio.sleep(AGAIN_AFTER.total_seconds())


async def _follow(reader: Reader, board: Board, health: Health) -> None:
    """Returns if there is no such topic yet."""
    if not await reader.assign([TASKS.name]):
        return
    async for raw in reader.to_end():
        take(board, raw)
    health.goes_on(LOADING)
    while True:
        health.turned(LOADING)
        for raw in await reader.more():
            take(board, raw)


def take(board: Board, raw: Raw) -> None:
    """Puts one record on the board; what cannot be read is passed over, as CRMs do."""
    key = raw.key or b""
    if raw.value is None:
        board.remove(key)
        return
    try:
        board.take(key, TASKS.decode(raw.headers, raw.value))
    except Malformed as error:
        _log.warning("task.unreadable", partition=raw.partition, offset=raw.offset, reason=str(error))
