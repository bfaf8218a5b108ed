"""What the topics tell, kept in memory: records go in, in any order, and each part of a tenant's view has a version.

Bounded: the newest answers, so many scores, open tasks, alerts and segments with days; what finds no room is counted.
Pure: no clock, no IO.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from schemas.alert import Alert
from schemas.decision import Decision
from schemas.delivery import Delivery
from schemas.playbook_change import PlaybookChange
from schemas.response import Response
from schemas.score import Score
from schemas.shadow_decision import ShadowDecision
from schemas.tally import ALL, Tally
from schemas.task import Task
from schemas.topics import ALERTS, SCORES, TALLIES, TASKS
from services.monitor.answers import Answers
from services.monitor.daily_bands import DailyBands
from services.monitor.open_tasks import OpenTasks
from services.monitor.pipeline import Pipeline
from services.monitor.playbook_roles import PlaybookRoles
from services.monitor.scores import Scores

SERIES: Final = "all"
"""Every answer counts, as in the scores; the series of each subject's newest answer alone is not shown."""

EVERYBODY: Final = ""
"""Stands for every tenant where something changes for all."""

SEGMENTS_WITH_DAYS: Final = 400
ALERTS_KEPT: Final = 1_000

Payload = Response | Tally | Score | Alert | Decision | ShadowDecision | PlaybookChange | Delivery | Task

Part = Literal["scores", "days", "answers", "tasks", "alerts", "pipeline"]


class View:
    """All tenants, as the topics tell of them.

    `complete` once everything there was at the start has been read but for the days, which follow. Playbooks have no
    version here: their page asks again and again.
    """

    def __init__(self) -> None:
        self.version = 0
        self.complete = False
        self.days_complete = False
        self.pipeline = Pipeline()
        self.scores: Final = Scores()
        self.answers: Final = Answers()
        self.tasks: Final = OpenTasks()
        self.playbooks: Final = PlaybookRoles()
        self.days: Final[dict[tuple[str, str], DailyBands]] = {}
        self.alerts: Final[dict[tuple[str, str], Alert]] = {}
        self._changed: dict[tuple[str, Part], int] = {}
        self._shrunk: dict[str, int] = {}
        self._told: datetime | None = None
        self._segments_left_out = 0

    def apply(self, payload: Payload) -> tuple[Part, ...]:
        """Takes over a record; returns which parts of its tenant's view changed.

        Raises:
            Malformed: if the record cannot be one of ours.
        """
        parts = self._apply(payload, self.version + 1)
        self._touch(payload.tenant, parts)
        return parts

    def forget(self, topic: str, key: Sequence[str]) -> tuple[Part, ...]:
        """Takes over a tombstone; the key's parts are in the order of the catalogue."""
        if topic == TALLIES.name:
            generation, tenant, segment, *_cell = key
            days = self.days.get((tenant, segment))
            return self._touch(tenant, ("days",) if days and days.drop(generation) else ())
        if topic == TASKS.name:
            tenant, task_id = key
            return self._touch(tenant, ("tasks",) if self.tasks.drop(tenant, task_id) else ())
        if topic == ALERTS.name:
            tenant, alert_id = key
            return self._touch(tenant, ("alerts",) if self.alerts.pop((tenant, alert_id), None) else ())
        if topic == SCORES.name:
            tenant, segment, window = key
            return self._touch(tenant, self._drop_score(tenant, segment, window))
        return ()

    def tell(self, pipeline: Pipeline) -> None:
        """Takes over how the line fares."""
        if pipeline != self.pipeline:
            self.pipeline = pipeline
            self._touch(EVERYBODY, ("pipeline",))

    def complete_days(self) -> None:
        """Every day there was at the start has been read."""
        if not self.days_complete:
            self.days_complete = True
            self._touch(EVERYBODY, ("days",))

    def tick(self, now: datetime) -> None:
        """Time goes on: tasks become overdue, a day ends."""
        before, self._told = self._told, now
        if before is None or before.date() != now.date():
            for tenant, _ in self.days:
                self._touch(tenant, ("days",))
        if before is None or before.replace(second=0, microsecond=0) != now.replace(second=0, microsecond=0):
            for tenant in self.tasks.tenants():
                self._touch(tenant, ("tasks",))

    def tenants(self) -> list[str]:
        """Whoever is known, the one with the newest answer first."""
        newest = self.answers.newest()
        others = {*self.scores.tenants(), *self.tasks.tenants(), *(tenant for tenant, _ in self.days)} - newest.keys()
        return [*sorted(newest, key=newest.__getitem__, reverse=True), *sorted(others)]

    def version_of(self, tenant: str, part: Part) -> int:
        """The view's version when this part of a tenant changed last."""
        return max(self._changed.get((one, part), 0) for one in (tenant, EVERYBODY))

    def shrunk(self, tenant: str) -> int:
        """The version when something of a tenant was taken away last: what was told before must be told anew."""
        return self._shrunk.get(tenant, 0)

    def left_out(self) -> Mapping[str, int]:
        """Records that found no room, by what they were; empty if none."""
        found = {
            "scores": self.scores.left_out,
            "tasks": self.tasks.left_out,
            "segments": self._segments_left_out,
            "playbooks": self.playbooks.left_out,
        }
        return {what: number for what, number in found.items() if number}

    def _apply(self, payload: Payload, version: int) -> tuple[Part, ...]:
        match payload:
            case Response():
                changed = self.answers.arrived(payload, version)
            case Decision():
                changed = self.answers.decided(payload, version)
            case Delivery():
                changed = self.answers.mailed(payload, version)
            case Task():
                followed = self.answers.tasked(payload, version)
                return (*(("tasks",) if self.tasks.put(payload) else ()), *(("answers",) if followed else ()))
            case Score():
                return self._put_score(payload, version)
            case Tally():
                return ("days",) if self._put_day(payload) else ()
            case Alert():
                return ("alerts",) if self._put_alert(payload) else ()
            case ShadowDecision() | PlaybookChange():
                changed = self._put_playbook(payload)
        return ("answers",) if changed else ()

    def _put_playbook(self, payload: ShadowDecision | PlaybookChange) -> bool:
        """Takes over what is said about playbooks; nothing that has a version changes."""
        if isinstance(payload, ShadowDecision):
            self.answers.shadowed(payload)
        else:
            self.playbooks.put(payload)
        return False

    def _put_score(self, score: Score, version: int) -> tuple[Part, ...]:
        """A calendar window is shown while its period lasts: closed ones only ever grow in number."""
        if score.series != SERIES:
            return ()
        if score.window.state == "open":
            return ("scores",) if self.scores.put(score, version) else ()
        return self._drop_score(score.tenant, score.segment, score.window.name)

    def _put_day(self, tally: Tally) -> bool:
        key = (tally.tenant, tally.segment)
        if tally.series != SERIES:
            return False
        if key not in self.days and tally.segment != ALL and len(self.days) >= SEGMENTS_WITH_DAYS:
            self._segments_left_out += 1
            return False
        self.days.setdefault(key, DailyBands()).put(tally)
        return True

    def _put_alert(self, alert: Alert) -> bool:
        key = (alert.tenant, alert.alert_id)
        if alert.state == "resolved":
            return self.alerts.pop(key, None) is not None
        if key not in self.alerts and len(self.alerts) >= ALERTS_KEPT:
            return False
        self.alerts[key] = alert
        return True

    def _drop_score(self, tenant: str, segment: str, window: str) -> tuple[Part, ...]:
        if not self.scores.drop(tenant, segment, window):
            return ()
        self._shrunk[tenant] = self.version + 1
        return ("scores",)

    def _touch(self, tenant: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        self.version += bool(parts)
        for part in parts:
            self._changed[tenant, part] = self.version
        return parts
