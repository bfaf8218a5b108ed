"""Follows the topics: reads what there is into a new view, shows it, and goes on with what comes.

Compacted topics are read whole, the others from their tail. Answers come first, so that what tells of them finds them.
When Kafka fails in between, a new view is read and put in place of the old one once it is complete.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from schemas.malformed import Malformed
from schemas.topic import split_key
from schemas.topics import DECISIONS, DELIVERIES, RESPONSES, TALLIES
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

TAIL: Final = 2_000
"""Records of each partition to begin with, where a topic is kept for ever."""

ANSWERS: Final = (RESPONSES.name,)
TAILED: Final = (RESPONSES.name, DECISIONS.name, DELIVERIES.name)
WHOLE: Final = tuple(topic.name for topic in READS if topic.compacted)

AGAIN_AFTER: Final = timedelta(seconds=1)
POLL_MS: Final = 100
A_STEP: Final = 200
"""Records after which others get their turn: pages are served on the same loop."""

_BY_NAME: Final = {topic.name: topic for topic in READS}
_LOOP: Final = "following"

_log = logger("following")


class Follower:
    """Keeps what is shown up to date."""

    def __init__(self, kafka: Kafka, live: Live, health: Health, metrics: Metrics[AnyMetric]) -> None:
        self._kafka = kafka
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
        async with open_reader(self._kafka) as newest, open_reader(self._kafka) as whole:
            await newest.assign(ANSWERS, tail=TAIL)
            await self._read(newest, view)
            await newest.assign(TAILED, tail=TAIL)
            await self._read(newest, view)
            await whole.assign(WHOLE)
            await self._read(whole, view)
            _log.info("following.complete", answers=len(view.answers), left_out=dict(view.left_out()))
            view.complete = True
            self._live.show(view)
            while True:
                self._health.turned(_LOOP)
                for reader in (newest, whole):
                    await self._in_steps(view, await reader.more(timeout_ms=POLL_MS))

    async def _read(self, reader: Reader, view: View) -> None:
        """Everything up to where the topics end now."""
        read = 0
        async for raw in reader.to_end():
            self._fold(view, raw)
            read += 1
            if read % A_STEP == 0:
                await asyncio.sleep(0)

    async def _in_steps(self, view: View, raws: list[Raw]) -> None:
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
    _generation, _tenant, _segment, series, *_cell = split_key(key)
    return series == SERIES
