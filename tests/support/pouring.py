"""Answers poured onto `nps.responses` in portions: a process of its own writes each at full speed when it is told to.

It takes the number of a portion from standard input, and says it back once all of it is acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

from tests.bench.filling import open_filling
from tests.bench.workload import Workload, Writer


class Pouring:
    """One workload, of which a portion at a time is written."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._outstanding = 0

    async def begin(self, answers: int) -> None:
        """Has so many answers written, and returns at once; whatever was begun before comes first."""
        await self.ended()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{answers}\n".encode())
        await self._process.stdin.drain()
        self._outstanding = answers

    async def ended(self) -> None:
        """Returns once everything that was begun is acknowledged."""
        if self._outstanding:
            assert self._process.stdout is not None
            written = int(await self._process.stdout.readline() or 0)
            assert written == self._outstanding, f"{written} of {self._outstanding} answers were written"
            self._outstanding = 0


@asynccontextmanager
async def pouring(bootstrap: str, topic: str, workload: Workload, people: int = 0) -> AsyncIterator[Pouring]:
    """The process, for as long as a block lasts."""
    given = (bootstrap, topic, workload.records, workload.seed, workload.after_days, people)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.pouring"),
        *map(str, given),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Pouring(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def _pour(bootstrap: str, topic: str, records: int, seed: int, *others: int) -> None:
    after_days, people = others
    workload = Workload(records, streams=1, seed=seed, after_days=after_days)
    events, writer = workload.events(0), Writer(seed, people)
    async with open_filling(bootstrap, topic) as filling:
        while portion := await asyncio.to_thread(sys.stdin.readline):
            written = await filling.write(islice(events, int(portion)), writer)
            sys.stdout.write(f"{written}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_pour(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
