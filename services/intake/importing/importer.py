"""Takes one file in, group by group: a group is read while the one before it is on its way to Kafka.

A place is noted only once all before it is durable, so an import that was cut short goes on with the rows after it;
what was in by then without being noted comes twice and counts once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from schemas.malformed import Malformed
from schemas.response import Submission
from services.chassis import tracing
from services.chassis.clock import Clock
from services.chassis.failures import Transient
from services.intake.domain import Arrival
from services.intake.door import Prepared
from services.intake.importing.answers import Reading
from services.intake.importing.columns import Wishes, targets
from services.intake.importing.rejects import Rejects
from services.intake.importing.rows import Entry, Sheet
from services.intake.importing.sheets import open_sheet
from services.intake.sql_imports import Reached

ROWS_AT_ONCE: Final = 4_000
"""With more of them a transaction costs less a row; with fewer, live answers wait less for the keyring."""

NOTE_EVERY: Final = 20_000
"""Rows after which the place is noted, however the import ends."""

CHANNEL: Final = "import"


@dataclass(frozen=True, slots=True)
class Import:
    """What to import, how to read it, and as what."""

    path: Path
    tenant: str
    act: bool = False
    wishes: Wishes = field(default_factory=Wishes)
    sheet: str | None = None
    encoding: str | None = None
    date_order: str | None = None
    dry_run: bool = False


@dataclass(slots=True)
class Report:
    """How an import went; `rejects` is the file with what was not accepted, `resumed_at` the rows of earlier tries.

    `waited` is how long it gave way to live answers; `reasons` say why rows of this try were rejected, and how many.
    """

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    rejects: Path | None = None
    resumed_at: int = 0
    waited: timedelta = timedelta()
    reasons: Counter[str] = field(default_factory=Counter)


class Entrance(Protocol):
    """Where answers go in: the door, or what only looks at them."""

    async def prepare(self, arrivals: Sequence[Arrival], now: datetime) -> Prepared:
        """What would become of them, in order."""
        ...

    async def let_in(self, prepared: Prepared) -> None:
        """Durable on return."""
        ...


class Places(Protocol):
    """Remembers how far imports have come."""

    async def reached(self, what: str) -> Reached:
        """Where this import stopped."""
        ...

    async def note(self, what: str, place: Reached, now: datetime) -> None:
        """Everything up to here is durable."""
        ...

    async def finish(self, what: str) -> None:
        """This import is done."""
        ...


Tell = Callable[[Report, int, int], None]
"""Told how it goes: the report so far, how much of the file has been read, and how much there is."""


class _File(NamedTuple):
    sheet: Sheet
    reading: Reading
    rejects: Rejects


class _Group(NamedTuple):
    """Rows on their way: those that are no answers with the reason, and what became of all others."""

    entries: list[Entry]
    torn: list[Malformed | None]
    prepared: Prepared
    read: int


class Importer:
    """Takes one file in."""

    def __init__(self, what: Import, entrance: Entrance, places: Places, clock: Clock) -> None:
        self._what = what
        self._entrance = entrance
        self._places = places
        self._clock = clock
        self._trace = tracing.child_of(None)
        self.report = Report()

    async def run(self, tell: Tell) -> Report:
        """Imports the file, or the rest of it.

        Raises:
            Malformed: if the file as a whole cannot be read, or no column holds the answer.
            Transient: if nothing can be accepted; importing again goes on and doubles nothing.
        """
        what = self._what
        self._digest = _digest(what.path)
        self._name = _name_of(what, self._digest)
        place = await self._places.reached(self._name)
        self.report.rows, self.report.rejected, self.report.resumed_at = place.rows, place.rejected, place.rows
        self.report.accepted, self._noted = place.rows - place.rejected, place.rows
        with open_sheet(what.path, what.sheet, what.encoding) as sheet:
            reading = reading_of(sheet, what)
            with Rejects(what.path, sheet.columns, place.rejects_bytes, written=not what.dry_run) as rejects:
                try:
                    await self._take_all(_File(sheet, reading, rejects), tell)
                except BaseException:
                    with suppress(Transient):
                        await self._note(rejects)
                    raise
                self.report.rejects = rejects.path if self.report.rejected and not what.dry_run else None
        await self._places.finish(self._name)
        return self.report

    async def _take_all(self, file: _File, tell: Tell) -> None:
        entries = islice(file.sheet.rows(), self.report.rows, None)
        first, under_way = self.report.rows + 1, None
        try:
            while some := list(islice(entries, ROWS_AT_ONCE)):
                group = await self._prepared(file, some, first)
                if under_way:
                    await under_way
                under_way = asyncio.create_task(self._finish(file, group, tell))
                first += len(some)
        finally:
            if under_way:
                await asyncio.wait([under_way])
        if under_way:
            await under_way

    async def _prepared(self, file: _File, entries: list[Entry], first: int) -> _Group:
        now = self._clock.now()
        arrivals: list[Arrival] = []
        torn: list[Malformed | None] = []
        for number, (_, cells) in enumerate(entries, start=first):
            try:
                arrivals.append(self._arrival(number, file.reading.answer(cells), now))
            except Malformed as error:
                torn.append(error)
            else:
                torn.append(None)
        return _Group(entries, torn, await self._entrance.prepare(arrivals, now), file.sheet.read())

    async def _finish(self, file: _File, group: _Group, tell: Tell) -> None:
        await self._entrance.let_in(group.prepared)
        results = iter(group.prepared.results)
        report = self.report
        for (line, cells), error in zip(group.entries, group.torn, strict=True):
            result = error or next(results)
            if isinstance(result, Malformed):
                report.rejected += 1
                report.reasons[str(result)] += 1
                file.rejects.write(line, result, cells)
        report.rows += len(group.entries)
        report.accepted = report.rows - report.rejected
        if report.rows - self._noted >= NOTE_EVERY:
            await self._note(file.rejects)
        tell(report, group.read, file.sheet.size())

    async def _note(self, rejects: Rejects) -> None:
        place = Reached(self.report.rows, self.report.rejected, rejects.synced())
        await self._places.note(self._name, place, self._clock.now())
        self._noted = place.rows

    def _arrival(self, number: int, submission: Submission, now: datetime) -> Arrival:
        what = self._what
        return Arrival(
            submission,
            submission.tenant or what.tenant,
            submission.channel or CHANNEL,
            now,
            f"file|{self._digest}|{number}",
            history=not what.act,
            traceparent=self._trace,
        )


def reading_of(sheet: Sheet, what: Import) -> Reading:
    """How the rows of a file become answers.

    Raises:
        Malformed: if a wish cannot be granted, or no column holds the answer.
    """
    reading = Reading(sheet.columns, targets(sheet.columns, what.wishes), what.date_order)
    reading.check()
    return reading


def _name_of(what: Import, digest: str) -> str:
    """The same for the same file read in the same way."""
    told = {**asdict(what), "path": None, "digest": digest}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
