"""The CRM's own list of tasks: a row for each key on the topic, and what people have done to it here.

It lives in memory. The topic is compacted, so reading it again makes the same rows; changes that nps-loop has not been
told of are lost with the process, as with any CRM whose webhooks fail.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self, get_args

from pydantic import Field, model_validator

from schemas.contract import Identifier, ShortText, Stranger, Text
from schemas.task import CLOSED, Note, Outcome, Task, TaskStatus

FIRST_NUMBER: Final = 1001
STATUSES: Final[tuple[TaskStatus, ...]] = get_args(TaskStatus)

_URGENCY: Final = {"urgent": 0, "high": 1, "normal": 2, "low": 3}


class CrmChange(Stranger):
    """What somebody does to a task."""

    status: TaskStatus | None = None
    owner: Identifier | None = None
    outcome: Outcome | None = None
    note: Text | None = Field(default=None, min_length=1)
    author: ShortText | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.status or self.owner or self.outcome or self.note):
            raise ValueError("one of status, owner, outcome and note is required")
        if self.outcome and self.status != "done":
            raise ValueError("outcome: only with status done")
        return self

    def as_told(self) -> dict[str, Any]:  # JSON
        """What of it a webhook says."""
        return self.model_dump(exclude_none=True)


@dataclass(slots=True)
class Row:
    """One task as the CRM has it. `unsent` counts changes nps-loop has not been told of."""

    external_id: str
    key: bytes
    task: Task
    unsent: int = 0
    trouble: str | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether it should be closed by now, and is not."""
        return self.task.status not in CLOSED and self.task.due_at < now


class Board:
    """Every row. `state` grows with whatever changes, so that a page can ask for news."""

    def __init__(self) -> None:
        self.state = 0
        self._rows: dict[str, Row] = {}
        self._by_key: dict[bytes, Row] = {}
        self._next = FIRST_NUMBER

    def take(self, key: bytes, task: Task) -> None:
        """A task as nps-loop tells it; an older version than the one here changes nothing."""
        row = self._by_key.get(key)
        if row is None:
            row = Row(f"CRM-{self._next}", key, task)
            self._next += 1
            self._by_key[key] = self._rows[row.external_id] = row
        elif task.version <= row.task.version:
            return
        row.task = task
        self.state += 1

    def remove(self, key: bytes) -> None:
        """A task that was erased."""
        row = self._by_key.pop(key, None)
        if row:
            del self._rows[row.external_id]
            self.state += 1

    def find(self, external_id: str) -> Row | None:
        """The row of that id."""
        return self._rows.get(external_id)

    def change(self, row: Row, change: CrmChange, now: datetime) -> None:
        """What somebody did shows at once, before nps-loop has answered."""
        told: dict[str, Any] = change.model_dump(include={"status", "owner", "outcome"}, exclude_none=True)
        if change.status and change.status != "done":
            told["outcome"] = None
        if change.note:
            told["notes"] = [*row.task.notes, Note(text=change.note, author=change.author, at=now)]
        row.task = row.task.model_copy(update=told)
        row.unsent += 1
        self.state += 1

    def told(self, row: Row) -> None:
        """nps-loop has taken a change."""
        row.unsent -= 1
        row.trouble = None
        self.state += 1

    def not_told(self, row: Row, trouble: str) -> None:
        """nps-loop has not taken a change, and why."""
        row.trouble = trouble
        self.state += 1

    def rows(self, *, tenant: str | None = None, status: TaskStatus | None = None) -> list[Row]:
        """Rows that fit: what is open first, then what is due first."""
        found = [row for row in self._of(tenant) if status in {None, row.task.status}]
        return sorted(found, key=_rank)

    def counts(self, now: datetime, tenant: str | None = None) -> dict[str, int]:
        """How many tasks there are by status, in all, and overdue."""
        rows = self._of(tenant)
        by_status = Counter(row.task.status for row in rows)
        overdue = sum(row.is_overdue(now) for row in rows)
        return {**{status: by_status[status] for status in STATUSES}, "total": len(rows), "overdue": overdue}

    def duplicates(self, tenant: str | None = None) -> list[dict[str, Any]]:  # JSON
        """Tasks and answers that have more than one row, with the rows: there must be none."""
        named: Mapping[tuple[str, str, str], list[str]] = defaultdict(list)
        for row in self._of(tenant):
            named["task_id", row.task.tenant, str(row.task.task_id)].append(row.external_id)
            named["response_id", row.task.tenant, row.task.response_id].append(row.external_id)
        return [
            {"tenant": whose, kind: value, "external_ids": sorted(rows)}
            for (kind, whose, value), rows in named.items()
            if len(rows) > 1
        ]

    def tenants(self) -> list[str]:
        """Whose tasks there are."""
        return sorted({row.task.tenant for row in self._rows.values()})

    def _of(self, tenant: str | None) -> list[Row]:
        return [row for row in self._rows.values() if tenant in {None, row.task.tenant}]


def _rank(row: Row) -> tuple[bool, datetime, int, str]:
    return row.task.status in CLOSED, row.task.due_at, _URGENCY[row.task.priority], row.external_id
