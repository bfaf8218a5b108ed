"""One simulation: finds the answers and today's playbook, has workers decide, and puts together what they found."""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.failures import Halt, Refused, Transient
from services.chassis.kafka import Kafka
from services.chassis.keyring import open_keyring
from services.chassis.sql_service import open_own_database
from services.routing.app import OUTLINE
from services.routing.playbooks.playbook import Playbook
from services.routing.playbooks.rulebook import Rulebook
from services.routing.rulebooks import Rulebooks, without_waits
from services.routing.settings import RoutingSection, RoutingSettings
from services.routing.simulating.outcomes import Outcomes, together
from services.routing.simulating.reading import Wanted, find
from services.routing.simulating.report import Simulation, reported
from services.routing.simulating.sharing import Scanned, Sharing
from services.routing.simulating.working import COLUMNS, Message, Task, work

WORKERS: Final = 2
"""As many as there are cores where this is promised to be quick."""
ENDS_WITHIN_S: Final = 5.0

Tell = Callable[[int, int], None]
"""Told how many records have been read, of how many."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried, on which answers. `changed` is a file for the answers that come to something else."""

    tenant: str
    since: datetime
    candidate: Playbook
    version: str | None = None
    changed: Path | None = None


async def simulate(settings: RoutingSettings, business: Business, clock: Clock, trial: Trial, tell: Tell) -> Simulation:
    """What a playbook would do with the answers since a moment, against the one that decides today.

    Raises:
        Refused: if no such tenant is in the business file.
        Halt: if a key is missing, or the active playbook cannot be read.
        Transient: if Kafka or a database does not answer.
    """
    today = await _active(settings, business, clock, trial.tenant)
    candidate = without_waits(trial.candidate) if settings.at_once else trial.candidate
    rulebooks = today, Rulebook.of(candidate, trial.version)
    wanted = await find(Kafka(settings), trial.tenant, trial.since)
    with tempfile.TemporaryDirectory(prefix="nps-") as folder:
        parts = [Path(folder) / f"{number}.csv" for number in range(workers_for(rulebooks))]
        tasks = [
            Task(
                number,
                len(parts),
                settings,
                wanted,
                (today.playbook, candidate),
                part if trial.changed else None,
            )
            for number, part in enumerate(parts)
        ]
        outcomes = together(await _worked(tasks, wanted, tell))
        if trial.changed:
            _put_together(trial.changed, parts)
    return reported((trial.tenant, trial.since, clock.now()), outcomes, rulebooks)


def workers_for(rulebooks: Sequence[Rulebook]) -> int:
    """How many may decide at once: only one where what somebody gets depends on what everybody else got."""
    policies = [rulebook.policy for rulebook in rulebooks]
    depends = any(policy.budgets or any(cap.per == "account" for cap in policy.caps) for policy in policies)
    return 1 if depends else WORKERS


async def _active(settings: RoutingSettings, business: Business, clock: Clock, tenant: str) -> Rulebook:
    """The playbook that decides today; brings both databases up to date, so that workers find them so."""
    rulebooks = Rulebooks(business.sections("routing", RoutingSection), at_once=settings.at_once)
    if not rulebooks.sections.knows(tenant):
        raise Refused(f"tenant {tenant}: not in the business file")
    async with (
        open_keyring(settings, clock),
        open_own_database(OUTLINE, settings, clock) as (database, _),
        database.read() as transaction,
    ):
        return (await rulebooks.deciding(transaction, [tenant])).of(tenant)


@dataclass(slots=True)
class _Worker:
    """A process, and what it has found."""

    process: BaseProcess
    connection: Connection
    found: list[Any] = field(default_factory=list)  # what it scanned, or its outcomes

    async def until(self, kind: str, tell: Callable[[int], None]) -> Any:  # the content of that message
        """Waits for a message of a kind, telling how many records are read meanwhile.

        Raises:
            Halt, Transient: as the worker says, or if it has ended.
        """
        while True:
            try:
                message: Message = await asyncio.to_thread(self.connection.recv)
            except EOFError as error:
                raise Halt("a process of the simulation has ended") from error
            if message.kind == kind:
                return message.content
            if message.kind == "read":
                assert isinstance(message.content, int)  # a number of records
                tell(message.content)
            else:
                failure = Transient if message.kind == "transient" else Halt
                raise failure(str(message.content))


async def _worked(tasks: Sequence[Task], wanted: Wanted, tell: Tell) -> list[Outcomes]:
    """Each looks through a share of the partitions, learns what all have found, and decides about its persons."""
    of, done = wanted.records * (1 + len(tasks)), 0

    def read(number: int) -> None:
        nonlocal done
        done += number
        tell(done, of)

    async with _running(tasks) as workers:
        scans: list[Scanned] = await asyncio.gather(*(one.until("scanned", read) for one in workers))
        sharing = Sharing.of(scans, len(tasks))
        for one in workers:
            one.connection.send(sharing)
        found: list[Outcomes] = await asyncio.gather(*(one.until("done", read) for one in workers))
        return found


@asynccontextmanager
async def _running(tasks: Sequence[Task]) -> AsyncIterator[list[_Worker]]:
    """A process for each task; whatever happens, none is left."""
    context = multiprocessing.get_context("spawn")
    workers: list[_Worker] = []
    try:
        for task in tasks:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, task), daemon=True)
            process.start()
            theirs.close()
            workers.append(_Worker(process, ours))
        yield workers
    finally:
        for one in workers:
            one.process.terminate()
        for one in workers:
            one.process.join(ENDS_WITHIN_S)
            one.connection.close()


def _put_together(file: Path, parts: Sequence[Path]) -> None:
    with file.open("w", newline="", encoding="utf-8") as whole:
        whole.write(",".join(COLUMNS) + "\r\n")
        for part in parts:
            with part.open(newline="", encoding="utf-8") as rows:
                whole.writelines(rows)
