"""Follows the topics: reads what there is into a new view, shows it, and goes on with what comes.

Compacted topics are read whole, the others from their tail. Answers come first, so that what tells of them finds them;
tallies come last, since there are by far the most of them: what is shown meanwhile has no days. When Kafka fails in
between, a new view is read and put in place of the old one.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from schemas.malformed import Malformed
from schemas.topic import split_key
from schemas.topics import (
    ALERTS,
    DECISIONS,
    DELIVERIES,
    PLAYBOOKS,
    RESPONSES,
    SCORES,
    SHADOW_DECISIONS,
    TALLIES,
    TASKS,
)
from services.chassis.failures import Transient
from services.chassis.logs import logger
from services.chassis.reading import open_reader
from services.monitor import READS
from services.monitor.view import SERIES, View

if TYPE_CHECKING:
    from services.chassis.health import Health
    from services.chassis.kafka import Kafka
    from services.chassis.metrics import Metrics
    from services.chassis.reading import Reader
    from services.chassis.records import Raw
    from services.monitor.live import Live
    from services.monitor.metrics import AnyMetric

TAIL: Final = 40_000
"""Records to begin with of a topic that is kept for ever, over all partitions."""

ANSWERS: Final = (RESPONSES.name,)
TAILED: Final = (RESPONSES.name, DECISIONS.name, SHADOW_DECISIONS.name, DELIVERIES.name)
STANDING: Final = (SCORES.name, ALERTS.name, PLAYBOOKS.name, TASKS.name)
DAYS: Final = (TALLIES.name,)

# measured on 64 partitions with 350,000 records: the client's own size holds 170 MB, this one 74 MB, in the same time
PARTITION_BYTES: Final = 64 * 1024

AGAIN_AFTER: Final = timedelta(seconds=1)
POLL_MS: Final = 60
A_STEP: Final = 200
"""Records after which others get their turn: pages are served on the same loop."""

_BY_NAME: Final = {topic.name: topic for topic in READS}
_LOOP: Final = "following"

_log = logger("following")


class Follower:
    """Keeps what is shown up to date."""

    def __init__(
        self, kafka: Kafka, live: Live, *, partitions: int, health: Health, metrics: Metrics[AnyMetric]
    ) -> None:
        self._kafka = kafka
        self._tail = TAIL // partitions
        self._live = live
        self._health = health
        self._metrics = metrics

    async def run(self) -> None:
        """Follows until cancelled."""
        while True:
            try:
                await self._live.topics_there.wait()
                await self._follow()
            except Transient as error:
                _log.warning("following.again", reason=str(error))
                await asyncio.sleep(AGAIN_AFTER.total_seconds())
            finally:
                self._health.ended(_LOOP)

    async def _follow(self) -> None:
        view = View()
        async with self._reader() as newest, self._reader() as standing, self._reader() as days:
            await _assign(newest, ANSWERS, tail=self._tail)
            await self._read(newest, view)
            await _assign(newest, TAILED, tail=self._tail)
            await self._read(newest, view)
            await _assign(standing, STANDING)
            await self._read(standing, view)
            view.complete = True
            self._live.show(view)
            _log.info("following.complete", answers=len(view.answers), left_out=dict(view.left_out()))
            await _assign(days, DAYS)
            await self._keep_up(view, newest, standing, days)

    async def _keep_up(self, view: View, newest: Reader, standing: Reader, days: Reader) -> None:
        """Goes on with what comes; the days catch up beside it."""
        catching_up = asyncio.create_task(self._read(days, view))
        try:
            while True:
                self._health.turned(_LOOP)
                await self._more(newest, view)
                await self._more(standing, view)
                if catching_up.done():
                    catching_up.result()
                    view.complete_days()
                    await self._more(days, view)
        finally:
            catching_up.cancel()
            await asyncio.gather(catching_up, return_exceptions=True)

    def _reader(self) -> AbstractAsyncContextManager[Reader]:
        return open_reader(self._kafka, partition_bytes=PARTITION_BYTES)

    async def _read(self, reader: Reader, view: View) -> None:
        """Everything up to where the topics end now."""
        read = 0
        async for raw in reader.to_end():
            self._fold(view, raw)
            read += 1
            if read % A_STEP == 0:
                await asyncio.sleep(0)

    async def _more(self, reader: Reader, view: View) -> None:
        """What has come since."""
        raws = await reader.more(timeout_ms=POLL_MS)
        for start in range(0, len(raws), A_STEP):
            for raw in raws[start : start + A_STEP]:
                self._fold(view, raw)
            await asyncio.sleep(0)

    def _fold(self, view: View, raw: Raw) -> None:
        try:
            fold(view, raw)
        except Malformed as error:
            self._metrics.count("nps_monitor_unreadable_total", topic=raw.topic)
            _log.warning(
                "record.unreadable", topic=raw.topic, partition=raw.partition, offset=raw.offset, reason=str(error)
            )


async def _assign(reader: Reader, topics: tuple[str, ...], tail: int | None = None) -> None:
    """Has all of these read, since the reader passes over what is not there.

    Raises:
        Transient: if a topic is not there, or not yet on every broker.
    """
    await reader.assign(topics, tail=tail)
    absent = set(topics) - {topic for topic, _ in await reader.ends()}
    if absent:
        raise Transient(f"not there yet: {', '.join(sorted(absent))}")


def fold(view: View, raw: Raw) -> None:
    """Takes one record into a view.

    Raises:
        Malformed: if it cannot be read.
    """
    topic = _BY_NAME[raw.topic]
    if raw.value is None:
        view.forget(topic.name, split_key(raw.key or b""))
    elif topic is not TALLIES or _is_shown(raw.key or b""):
        view.apply(topic.decode(raw.headers, raw.value))


def _is_shown(key: bytes) -> bool:
    """Whether a tally is of a series the page shows, told from its key: most of the topic is not decoded."""
    parts = split_key(key)
    return len(parts) == len(TALLIES.key) and parts[TALLIES.key.index("series")] == SERIES
