"""The work of one process of a simulation: looks through its share of the topic, then decides about its persons."""

from __future__ import annotations

import asyncio
import csv
import gc
import signal
import traceback
from collections.abc import Callable, Mapping
from collections.abc import Collection as Several
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Literal, NamedTuple

from services.chassis import logs
from services.chassis.clock import SystemClock
from services.chassis.failures import Halt, Transient
from services.chassis.kafka import Kafka
from services.chassis.keyring import Keyring, open_keyring
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url
from services.routing.app import OUTLINE
from services.routing.playbooks.playbook import Playbook
from services.routing.playbooks.rulebook import Rulebook
from services.routing.settings import RoutingSettings
from services.routing.simulating.outcomes import Came, Changed, Effects, Outcomes
from services.routing.simulating.reading import Wanted, arrivals, scan
from services.routing.simulating.replaying import Replay
from services.routing.simulating.sharing import Sharing
from services.routing.simulating.surroundings import Surroundings

COLUMNS: Final = (
    *("response_id", "received_at", "band", "channel"),
    *("today", "today_rule", "today_reason", "candidate", "candidate_rule", "candidate_reason"),
)
"""Of the file of changed answers."""

TOLD_TOGETHER: Final = 5_000
"""Records that are read before somebody is told of it."""

Kind = Literal["read", "scanned", "done", "halt", "transient", "failed"]


class Message(NamedTuple):
    """What a worker tells: records it has read, what it has found, or why it ends."""

    kind: Kind
    content: object


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is to do: which one of how many it is, on what answers, with which two playbooks.

    `changed` is where answers that come to something else are written, a row each, if anybody wants them.
    """

    number: int
    workers: int
    settings: RoutingSettings
    wanted: Wanted
    playbooks: tuple[Playbook, Playbook]
    changed: Path | None = None


def work(connection: Connection, task: Task) -> None:
    """A process of a simulation, from begin to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    logs.configure("console", "CRITICAL", "nps")
    gc.disable()  # what comes of an answer holds no cycles: memory stays as flat, and a twentieth of the time is saved
    try:
        asyncio.run(_work(connection, task))
    except Halt as error:
        connection.send(Message("halt", str(error)))
    except Transient as error:
        connection.send(Message("transient", str(error)))
    except Exception:  # noqa: BLE001 the process ends here, and who waits for it is told why
        connection.send(Message("failed", traceback.format_exc()))


async def _work(connection: Connection, task: Task) -> None:
    settings, clock = task.settings, SystemClock()
    async with open_keyring(settings, clock) as keyring:
        sharing = await _shared(connection, task, keyring)
        async with open_database(database_url(settings, OUTLINE.name)) as database:
            with ExitStack() as files:
                outcomes = Outcomes(Effects(task.playbooks).differ, _rows(files, task.changed))
                replay = Replay([Rulebook.of(one) for one in task.playbooks], sharing.repeated, outcomes)
                place = task.wanted.tenant, task.wanted.since
                surroundings = Surroundings(database, keyring, place, replay.sides)
                await surroundings.begin()
                tell = _teller(connection, task.wanted.records)
                async for arrived in arrivals(Kafka(settings), task.wanted, sharing, task.number, tell):
                    for event in await surroundings.around(arrived):
                        replay.take(event)
                replay.finish()
                outcomes.before = surroundings.left_out
    connection.send(Message("done", outcomes.without_functions()))


async def _shared(connection: Connection, task: Task, keyring: Keyring) -> Sharing:
    """Looks through this worker's partitions, and is told what all of them have found."""

    async def named(subjects: Several[str]) -> Mapping[str, str]:
        return await keyring.names_of(task.wanted.tenant, subjects) if subjects else {}

    partitions = task.wanted.share(task.number, task.workers)
    tell = _teller(connection, task.wanted.records_in(partitions))
    found = await scan(Kafka(task.settings), task.wanted, partitions, named, tell)
    connection.send(Message("scanned", found))
    sharing = connection.recv()
    assert isinstance(sharing, Sharing)  # nothing else is ever told
    return sharing


def _teller(connection: Connection, records: int) -> Callable[[int], None]:
    """Tells how many of so many records have come since it was told last, a few thousand at a time."""
    told = 0

    def tell(read: int) -> None:
        nonlocal told
        if read - told >= TOLD_TOGETHER or read >= records:
            connection.send(Message("read", read - told))
            told = read

    return tell


def _rows(files: ExitStack, path: Path | None) -> Callable[[Changed], None] | None:
    if path is None:
        return None
    writer = csv.writer(files.enter_context(path.open("w", newline="", encoding="utf-8")))

    def keep(one: Changed) -> None:
        about = one.response_id, one.received_at.isoformat(), one.band or "", one.channel or ""
        writer.writerow((*about, *_cells(one.today), *_cells(one.candidate)))

    return keep


def _cells(came: Came) -> tuple[str, str, str]:
    return came.what, came.rule or "", came.reason or ""
