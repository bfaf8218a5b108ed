"""Writes a workload to a topic: one process a stream, whole batches at a time."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from tests.bench.workload import Event, Workload, Writer, partition

BATCH_BYTES: Final = 16 * 1024
"""As the services' producers make them while there is much to write."""
COMPRESSED_BATCH_BYTES: Final = 128 * 1024
AT_ONCE: Final = 8


async def fill(bootstrap: str, topic: str, workload: Workload, stream: int, *, compressed: bool) -> int:
    """Writes one stream of a workload; returns how many records that were."""
    async with open_filling(bootstrap, topic, compressed=compressed) as filling:
        return await filling.write(workload.events(stream), Writer(workload.seed * 1_000 + stream))


@asynccontextmanager
async def open_filling(bootstrap: str, topic: str, *, compressed: bool = False) -> AsyncIterator[Filling]:
    """Whoever writes events to a topic."""
    size = COMPRESSED_BATCH_BYTES if compressed else BATCH_BYTES
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=size,
        max_request_size=8 * size,
        compression_type="zstd" if compressed else None,
    )
    await producer.start()
    try:
        yield Filling(producer, topic, len(await producer.partitions_for(topic)))
    finally:
        await producer.stop()


class Filling:
    """Writes events to one topic, in batches that are made here."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
        self._producer = producer
        self._topic = topic
        self._open: list[BatchBuilder] = [producer.create_batch() for _ in range(partitions)]
        self._sent: set[asyncio.Future[object]] = set()

    async def write(self, events: Iterable[Event], writer: Writer) -> int:
        """Returns how many there were, once all of them are acknowledged."""
        now = int(time.time() * 1000)
        number = 0
        for event in events:
            key, value, headers = writer.record(event)
            place = partition(key, len(self._open))
            if self._open[place].append(timestamp=now, key=key, value=value, headers=headers) is None:
                await self._send(place)
                self._open[place].append(timestamp=now, key=key, value=value, headers=headers)
            number += 1
        for place in range(len(self._open)):
            await self._send(place)
        await asyncio.gather(*self._sent)
        self._sent.clear()
        return number

    async def _send(self, place: int) -> None:
        batch, self._open[place] = self._open[place], self._producer.create_batch()
        if not batch.record_count():
            return
        batch.close()
        sent = asyncio.ensure_future(await self._producer.send_batch(batch, self._topic, partition=place))
        self._sent.add(sent)
        if len(self._sent) >= AT_ONCE * len(self._open):
            done, self._sent = await asyncio.wait(self._sent, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()


def main() -> None:
    """Writes one stream, as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--ids", choices=("time", "random"), default="time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--after-days", type=int, default=0)
    parser.add_argument("--stream", type=int, required=True)
    parser.add_argument("--compressed", action="store_true")
    given = parser.parse_args()
    workload = Workload(given.records, given.ids, seed=given.seed, after_days=given.after_days)
    asyncio.run(fill(given.bootstrap, given.topic, workload, given.stream, compressed=given.compressed))


if __name__ == "__main__":
    main()
