"""The newest answers and what became of each: decision, mail and task, joined by the answer's id.

Beside the decision stands what the playbook on trial would have decided.
They come from topics of their own and in any order. What tells of an answer not read yet waits for it in a small
place; the highest revision, number or version holds. All of it is bounded: the oldest makes room.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schemas.contract import Band
from schemas.decision import Action, Decision, Reason
from schemas.delivery import Delivery, State
from schemas.response import WHOLE, Metric, Op, Response
from schemas.shadow_decision import ShadowDecision
from schemas.tally import ALL
from schemas.task import Task, TaskStatus

PER_TENANT: Final = 2_000
IN_ALL: Final = 10_000
EARLY: Final = 2_000

TAKES_BACK: Final[frozenset[Op]] = frozenset({"retracted", "excluded"})


Place = tuple[datetime, int]
"""When an answer was received, and the order of arrival here where two were received at once."""


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
    """What routing decided last, and by which version of the playbook."""

    number: int
    outcome: str
    action: Action
    rule: str | None
    reason: Reason | None
    version: str | None
    notices: tuple[str, ...]
    at: datetime

    @classmethod
    def of(cls, decision: Decision) -> Decided:
        """Without whose answer it is about, and without the evidence."""
        return cls(
            number=decision.number,
            outcome=decision.outcome,
            action=decision.action,
            rule=decision.rule,
            reason=decision.reason,
            version=decision.playbook_version,
            notices=decision.notices,
            at=decision.decided_at,
        )


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a playbook on trial would have decided last; of the facts of the decision with the same number."""

    number: int
    outcome: str
    action: Action
    rule: str | None
    version: str
    differs: bool


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
    place: Place | None = None
    changed: int = 0
    answer: Answer | None = None
    decided: Decided | None = None
    shadowed: Shadowed | None = None
    mailed: Mailed | None = None
    tasked: Tasked | None = None


@dataclass(slots=True)
class _Tenant:
    """The answers of one tenant; `places` is a heap of when each was received, the oldest on top."""

    answers: dict[str, Followed] = field(default_factory=dict)
    places: list[tuple[Place, str]] = field(default_factory=list)
    newest: Place | None = None

    def add(self, followed: Followed, place: Place) -> None:
        followed.place = place
        self.answers[followed.response_id] = followed
        heapq.heappush(self.places, (place, followed.response_id))
        self.newest = max(self.newest or place, place)

    def drop_oldest(self) -> None:
        _, response_id = heapq.heappop(self.places)
        del self.answers[response_id]


class Answers:
    """The answers that are followed, of every tenant."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, _Tenant] = {}
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
        if followed.answer is None and not self._admit(response, followed):
            return False
        followed.answer = Answer.of(response)
        followed.changed = version
        return True

    def decided(self, decision: Decision, version: int) -> bool:
        """Takes over a decision; returns whether that changed anything."""
        followed = self._entry(decision.tenant, decision.response_id)
        if followed.decided and followed.decided.number >= decision.number:
            return False
        followed.decided = Decided.of(decision)
        followed.changed = version
        return True

    def shadowed(self, shadow: ShadowDecision) -> bool:
        """Takes over what would have been decided; returns whether that was news. What became of the answer stays."""
        followed = self._entry(shadow.tenant, shadow.response_id)
        if followed.shadowed and followed.shadowed.number >= shadow.number:
            return False
        followed.shadowed = Shadowed(
            shadow.number, shadow.outcome, shadow.action, shadow.rule, shadow.playbook_version, shadow.differs
        )
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
        mine = self._by_tenant.get(tenant, _Tenant()).answers.values()
        found = [(one, one.answer) for one in mine if one.answer and one.answer.belongs_to(segment)]
        return sorted(found, key=lambda pair: _place(pair[0]), reverse=True)

    def newest(self) -> Mapping[str, Place]:
        """Of each tenant with answers, when its newest one was received."""
        return {tenant: mine.newest for tenant, mine in self._by_tenant.items() if mine.newest}

    def __len__(self) -> int:
        return self._kept

    def _entry(self, tenant: str, response_id: str) -> Followed:
        """The answer's entry, among those that wait for their answer if it has not come yet."""
        mine = self._by_tenant.get(tenant)
        if mine and response_id in mine.answers:
            return mine.answers[response_id]
        early = self._early.setdefault((tenant, response_id), Followed(response_id))
        if len(self._early) > EARLY:
            self._early.popitem(last=False)
        return early

    def _admit(self, response: Response, followed: Followed) -> bool:
        """Follows one more answer, if it is not older than all that are kept."""
        self._early.pop((response.tenant, response.response_id), None)
        self._arrived += 1
        mine = self._by_tenant.setdefault(response.tenant, _Tenant())
        mine.add(followed, (response.received_at, self._arrived))
        if len(mine.answers) > PER_TENANT:
            mine.drop_oldest()
        elif self._kept == IN_ALL:
            max(self._by_tenant.values(), key=lambda tenant: len(tenant.answers)).drop_oldest()
        else:
            self._kept += 1
        return response.response_id in mine.answers


def _place(followed: Followed) -> Place:
    assert followed.place is not None  # only what was admitted is listed
    return followed.place
