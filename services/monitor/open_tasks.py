"""The tasks that wait for somebody: how many, how many overdue, and which are next. Nothing that names anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.outreach_request import Priority
from schemas.task import CLOSED, Task, TaskStatus

KEPT: Final = 20_000
NEXT: Final = 20

URGENCY: Final[Mapping[Priority, int]] = {"urgent": 0, "high": 1, "normal": 2, "low": 3}


@dataclass(frozen=True, slots=True)
class OpenTask:
    """One task, without the customer and without whose it is."""

    task_id: str
    status: TaskStatus
    priority: Priority
    owned: bool
    due_at: datetime
    score: int | None
    rating: float | None
    channel: str | None
    touchpoint: str | None
    late: bool

    def urgency(self) -> tuple[int, datetime, str]:
        """What comes first: by priority, then by when it is due."""
        return URGENCY[self.priority], self.due_at, self.task_id


class OpenTasks:
    """The open tasks of every tenant, bounded: of more, those that came last are left out and counted."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, dict[str, OpenTask]] = {}
        self._kept = 0
        self.left_out = 0

    def put(self, task: Task) -> bool:
        """Takes over how a task stands; returns whether that changed anything."""
        task_id = str(task.task_id)
        if task.status in CLOSED:
            return self.drop(task.tenant, task_id)
        mine = self._by_tenant.setdefault(task.tenant, {})
        if task_id not in mine:
            if self._kept >= KEPT:
                self.left_out += 1
                return False
            self._kept += 1
        mine[task_id] = _open(task, task_id)
        return True

    def drop(self, tenant: str, task_id: str) -> bool:
        """Forgets a task; returns whether it was open."""
        gone = self._by_tenant.get(tenant, {}).pop(task_id, None)
        self._kept -= gone is not None
        return gone is not None

    def tenants(self) -> Iterator[str]:
        """Whoever has had an open task."""
        return iter(self._by_tenant)

    def of(self, tenant: str) -> list[OpenTask]:
        """A tenant's open tasks, the most urgent first."""
        return sorted(self._by_tenant.get(tenant, {}).values(), key=OpenTask.urgency)


def _open(task: Task, task_id: str) -> OpenTask:
    return OpenTask(
        task_id=task_id,
        status=task.status,
        priority=task.priority,
        owned=task.owner is not None,
        due_at=task.due_at,
        score=task.score,
        rating=task.rating,
        channel=task.channel,
        touchpoint=task.touchpoint,
        late=task.late,
    )
