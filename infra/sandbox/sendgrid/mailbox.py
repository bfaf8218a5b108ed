"""What the sandbox remembers: mails and the events of each, in one SQLite file that survives restarts.

The newest mails are kept, as many as fit. Statements take microseconds (nothing is synced to disk), so they run where
they are called, on the event loop: a thread for each would cost more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from infra.sandbox.sendgrid.mail_send import Mail

KEPT: Final = 20_000
TRIMMED_EVERY: Final = 500

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS mails (
    number INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, tenant TEXT, delivery_id TEXT, kind TEXT,
    recipient TEXT NOT NULL, subject TEXT NOT NULL, content TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS mails_by_delivery ON mails (delivery_id);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, mail INTEGER NOT NULL, type TEXT NOT NULL, at REAL NOT NULL,
    event_id TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL, due REAL NOT NULL, answer TEXT);
CREATE INDEX IF NOT EXISTS events_by_mail ON events (mail);
CREATE INDEX IF NOT EXISTS events_by_state ON events (state, due);
"""


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One mail the sandbox took. `at` in seconds since the epoch."""

    number: int
    message_id: str
    tenant: str | None
    delivery_id: str | None
    kind: str | None
    at: float
    mail: Mail


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event of a mail, and how its webhook fares: waiting, sent or given_up."""

    number: int
    mail: int
    type: str
    at: float
    event_id: str
    state: str
    tries: int
    due: float
    answer: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which mails to look at; `before` is the number of a mail."""

    tenant: str | None = None
    kind: str | None = None
    recipient: str | None = None
    delivery_id: str | None = None
    before: int | None = None
    limit: int = 50

    def where(self) -> tuple[str, list[object]]:
        """As an SQL condition and its parameters."""
        wanted: dict[str, object] = {
            "tenant = ?": self.tenant,
            "kind = ?": self.kind,
            "delivery_id = ?": self.delivery_id,
            "number < ?": self.before,
            "(recipient LIKE ? ESCAPE '\\')": self.recipient and _like(self.recipient),
        }
        given = {condition: value for condition, value in wanted.items() if value is not None}
        return " AND ".join(["1", *given]), list(given.values())


class Mailbox:
    """Every mail there is. `changes` grows with each change, so that pages know when to look again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.changes = 0

    def take(self, mail: Mail, message_id: str, at: float, events: Sequence[tuple[str, str]]) -> int:
        """Stores a mail and what happens to it, events as type and id; its number."""
        custom = mail.custom_args
        values = (
            message_id,
            custom.get("tenant"),
            custom.get("delivery_id"),
            mail.categories[0] if mail.categories else None,
            mail.recipient,
            mail.subject,
            json.dumps(asdict(mail)),
            at,
        )
        with self._connection:
            number = self._insert("mails", values)
            for kind, event_id in events:
                self._insert("events", (number, kind, at, event_id, "waiting", 0, at, None))
            if number % TRIMMED_EVERY == 0:
                self._connection.execute("DELETE FROM events WHERE mail <= ?", (number - KEPT,))
                self._connection.execute("DELETE FROM mails WHERE number <= ?", (number - KEPT,))
        self.changes += 1
        return number

    def happened(self, number: int, kind: str, event_id: str, at: float) -> None:
        """Something more happens to a mail."""
        with self._connection:
            self._insert("events", (number, kind, at, event_id, "waiting", 0, at, None))
        self.changes += 1

    def mails(self, chosen: Filter) -> list[StoredMail]:
        """Mails, the newest first."""
        where, values = chosen.where()
        statement = f"SELECT * FROM mails WHERE {where} ORDER BY number DESC LIMIT ?"  # noqa: S608 our own conditions
        return [_mail(row) for row in self._connection.execute(statement, (*values, chosen.limit))]

    def mail(self, number: int) -> StoredMail | None:
        """One mail by its number."""
        row = self._connection.execute("SELECT * FROM mails WHERE number = ?", (number,)).fetchone()
        return _mail(row) if row else None

    def has(self, delivery_id: str | None) -> bool:
        """Whether there is a mail of that delivery."""
        found = self._connection.execute("SELECT 1 FROM mails WHERE delivery_id = ? LIMIT 1", (delivery_id,))
        return found.fetchone() is not None

    def events_of(self, numbers: Collection[int]) -> dict[int, list[StoredEvent]]:
        """The events of each of these mails, in order."""
        found: dict[int, list[StoredEvent]] = {number: [] for number in numbers}
        marks = ",".join("?" * len(found))
        statement = f"SELECT * FROM events WHERE mail IN ({marks}) ORDER BY number"  # noqa: S608 question marks alone
        for row in self._connection.execute(statement, list(found)):
            found[row["mail"]].append(StoredEvent(**dict(row)))
        return found

    def due_events(self, now: float, limit: int) -> list[tuple[StoredEvent, StoredMail]]:
        """Events to be posted, oldest first, with their mails."""
        statement = "SELECT * FROM events WHERE state = 'waiting' AND due <= ? ORDER BY number LIMIT ?"
        events = [StoredEvent(**dict(row)) for row in self._connection.execute(statement, (now, limit))]
        mails = {number: self.mail(number) for number in {event.mail for event in events}}
        return [(event, mail) for event in events if (mail := mails[event.mail])]

    def posted(self, numbers: Sequence[int], state: str, due: float, answer: str) -> None:
        """How a try to post events went."""
        with self._connection:
            self._connection.executemany(
                "UPDATE events SET state = ?, due = ?, answer = ?, tries = tries + 1 WHERE number = ?",
                [(state, due, answer, number) for number in numbers],
            )
        self.changes += 1

    def counts(self, tenant: str | None) -> dict[str, Any]:  # JSON
        """How many mails there are, of which kinds, and how many deliveries came more than once."""
        where, values = Filter(tenant=tenant).where()
        kinds = self._connection.execute(
            f"SELECT kind, COUNT(*) AS mails FROM mails WHERE {where} GROUP BY kind",  # noqa: S608 our own conditions
            values,
        ).fetchall()
        return {
            "mails": sum(row["mails"] for row in kinds),
            "by_kind": {row["kind"] or "other": row["mails"] for row in kinds},
            "duplicates": len(self.duplicates(tenant)),
        }

    def duplicates(self, tenant: str | None) -> dict[str, int]:
        """How many mails came of each delivery that came more than once."""
        where, values = Filter(tenant=tenant).where()
        rows = self._connection.execute(
            f"SELECT delivery_id, COUNT(*) AS mails FROM mails WHERE {where} AND delivery_id IS NOT NULL "  # noqa: S608 our own conditions
            "GROUP BY delivery_id HAVING COUNT(*) > 1",
            values,
        )
        return {row["delivery_id"]: row["mails"] for row in rows}

    def tenants(self) -> list[str]:
        """Every tenant that has mails."""
        rows = self._connection.execute("SELECT DISTINCT tenant FROM mails WHERE tenant IS NOT NULL ORDER BY tenant")
        return [row["tenant"] for row in rows]

    def empty(self) -> None:
        """Forgets all mails and events."""
        with self._connection:
            self._connection.execute("DELETE FROM events")
            self._connection.execute("DELETE FROM mails")
        self.changes += 1

    def _insert(self, table: str, values: Sequence[object]) -> int:
        marks = ",".join("?" * len(values))
        statement = f"INSERT INTO {table} VALUES (NULL,{marks})"  # noqa: S608 our own tables
        number = self._connection.execute(statement, values).lastrowid
        assert number is not None  # of an INSERT
        return number


@contextmanager
def open_mailbox(path: Path) -> Iterator[Mailbox]:
    """The mailbox in this file, made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path)
    try:
        connection.row_factory = sqlite3.Row
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-2048;" + _SCHEMA)
        yield Mailbox(connection)
    finally:
        connection.close()


def _mail(row: sqlite3.Row) -> StoredMail:
    content = json.loads(row["content"])
    mail = Mail(**content | {"categories": tuple(content["categories"])})
    return StoredMail(row["number"], row["message_id"], row["tenant"], row["delivery_id"], row["kind"], row["at"], mail)


def _like(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
