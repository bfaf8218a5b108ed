"""The newest answers and what became of each: decision, mail and task, joined by the answer's id.

They come from topics of their own and in any order. What tells of an answer not read yet waits for it in a small
place; the highest revision, number or version holds. All of it is bounded: the oldest makes room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.contract import Band
from schemas.decision import Action, Decision, Reason
from schemas.delivery import Delivery, State
from schemas.response import WHOLE, Metric, Op, Response
from schemas.task import Task, TaskStatus

ALL: Final = "all"
"""The segment of every answer."""

PER_TENANT: Final = 2_000
IN_ALL: Final = 10_000
EARLY: Final = 2_000

TAKES_BACK: Final[frozenset[Op]] = frozenset({"retracted", "excluded"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page shows of an answer: nothing that names anybody."""

    revision: int
    op: Op
    metric: Metric
    score: int | None
    rating: float | None
    band: Band | None
    channel: str | None
    touchpoint: str | None
    segments: Mapping[str, str]
    test: bool
    history: bool
    at: datetime

    @classmethod
    def of(cls, response: Response) -> Answer:
        """Without what is sealed, and without what nobody looks at."""
        return cls(
            revision=response.revision,
            op=response.op,
            metric=response.metric,
            score=response.score,
            rating=response.rating,
            band=response.band(),
            channel=response.channel,
            touchpoint=response.touchpoint,
            segments=response.segments,
            test=response.test,
            history=response.history,
            at=response.answered_at,
        )

    def belongs_to(self, segment: str) -> bool:
        """Whether a segment of the scores holds it."""
        if segment in (ALL, f"channel={self.channel}"):
            return True
        key, _, value = segment.partition("=")
        return self.segments.get(key) == value

    def counts(self) -> bool:
        """Whether it is part of NPS."""
        return self.op in WHOLE and self.metric == "nps" and not self.test


@dataclass(frozen=True, slots=True)
class Decided:
    """What routing decided last."""

    number: int
    outcome: str
    action: Action
    rule: str | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Mailed:
    """How the mail stands."""

    version: int
    kind: str
    state: State
    reason: str | None


@dataclass(frozen=True, slots=True)
class Tasked:
    """How the task stands."""

    version: int
    status: TaskStatus
    outcome: str | None
    reason: Reason | None


@dataclass(slots=True)
class Followed:
    """One answer and what has become of it so far. `changed` is the view's version at the last change."""

    response_id: str
    order: int = 0
    changed: int = 0
    answer: Answer | None = None
    decided: Decided | None = None
    mailed: Mailed | None = None
    tasked: Tasked | None = None


class Answers:
    """The answers that are followed, of every tenant."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, OrderedDict[str, Followed]] = {}
        self._early: OrderedDict[tuple[str, str], Followed] = OrderedDict()
        self._arrived = 0
        self._kept = 0

    def arrived(self, response: Response, version: int) -> bool:
        """Takes over an answer or a revision of one; returns whether that changed anything."""
        if response.op == "commented":
            return False
        followed = self._entry(response.tenant, response.response_id)
        if followed.answer and followed.answer.revision >= response.revision:
            return False
        if followed.answer is None:
            self._admit(response.tenant, followed)
        followed.answer = Answer.of(response)
        followed.changed = version
        return True

    def decided(self, decision: Decision, version: int) -> bool:
        """Takes over a decision; returns whether that changed anything."""
        followed = self._entry(decision.tenant, decision.response_id)
        if followed.decided and followed.decided.number >= decision.number:
            return False
        followed.decided = Decided(decision.number, decision.outcome, decision.action, decision.rule, decision.reason)
        followed.changed = version
        return True

    def mailed(self, delivery: Delivery, version: int) -> bool:
        """Takes over how a mail stands; returns whether that changed anything."""
        followed = self._entry(delivery.tenant, delivery.response_id)
        if followed.mailed and followed.mailed.version >= delivery.version:
            return False
        followed.mailed = Mailed(delivery.version, delivery.kind, delivery.state, delivery.reason)
        followed.changed = version
        return True

    def tasked(self, task: Task, version: int) -> bool:
        """Takes over how a task stands; returns whether that changed anything."""
        followed = self._entry(task.tenant, task.response_id)
        if followed.tasked and followed.tasked.version >= task.version:
            return False
        followed.tasked = Tasked(task.version, task.status, task.outcome, task.reason)
        followed.changed = version
        return True

    def of(self, tenant: str, segment: str = ALL) -> list[tuple[Followed, Answer]]:
        """The answers of a segment, the newest first."""
        mine = reversed(self._by_tenant.get(tenant, OrderedDict()).values())
        return [(one, one.answer) for one in mine if one.answer and one.answer.belongs_to(segment)]

    def newest(self) -> Mapping[str, int]:
        """Of each tenant with answers, the place of its newest one in the order of arrival."""
        return {
            tenant: answers[next(reversed(answers))].order for tenant, answers in self._by_tenant.items() if answers
        }

    def __len__(self) -> int:
        return self._kept

    def _entry(self, tenant: str, response_id: str) -> Followed:
        """The answer's entry, among those that wait for their answer if it has not come yet."""
        mine = self._by_tenant.get(tenant)
        if mine and response_id in mine:
            return mine[response_id]
        early = self._early.setdefault((tenant, response_id), Followed(response_id))
        if len(self._early) > EARLY:
            self._early.popitem(last=False)
        return early

    def _admit(self, tenant: str, followed: Followed) -> None:
        self._early.pop((tenant, followed.response_id), None)
        self._arrived += 1
        followed.order = self._arrived
        mine = self._by_tenant.setdefault(tenant, OrderedDict())
        mine[followed.response_id] = followed
        self._kept += 1
        if len(mine) > PER_TENANT:
            self._drop_oldest(mine)
        elif self._kept > IN_ALL:
            self._drop_oldest(max(self._by_tenant.values(), key=len))

    def _drop_oldest(self, answers: OrderedDict[str, Followed]) -> None:
        answers.popitem(last=False)
        self._kept -= 1
