"""Decides how the one task of an answer stands: from the newest request, and the newest word about each field.

Requests are desired state, the highest revision wins. People speak in a CRM or over REST, and the word that was said
last about a field holds, whichever arrived last: how a task stands is a function of what was said, not of its order.

Strange cases, each with its rule:
  a withdrawal arrives first             it is kept; the request it withdraws makes no task when it comes
  a task is done and then withdrawn      stays done; nobody but a new request opens it again
  a withdrawn task is said to be done    done: somebody finished what we took back too late
  a withdrawn task is said cancelled     says nothing new: a CRM repeats what we told it
  a request comes back                   opens again what a withdrawal cancelled, never what a person closed
  `open` from a CRM, work under way      says nothing: a CRM with two states calls anything unfinished open
  `open` from a CRM, after it was closed opened again
  two words of one moment                what ends the task holds, else the greater value: any order ends alike
  a priority or due time set by a person stays when the request changes
  the same note under two update ids     one note: same words, author and moment
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, cast
from uuid import UUID, uuid5

from schemas.contract import band_of
from schemas.decision import Reason
from schemas.notice import Notice
from schemas.outreach_request import OutreachRequest, Priority
from schemas.personal_data import PersonalData
from schemas.sealed import Sealed
from schemas.survey_request import SurveyRequest
from schemas.task import CLOSED, Customer, Note, Outcome, Task, TaskStatus
from schemas.task_update import TaskUpdate

EFFECTS: Final = UUID("3e7c0c1e-4f0b-5d4c-8a53-7c1f3a0b9d26")
"""Namespace of the ids of notes and survey requests (RFC 9562 §5.5)."""

LARGEST_NOTES: Final = 256 * 1024
"""Bytes of notes that go into a published task; the oldest stay behind, so that the record fits into Kafka."""

Kind = Literal["call", "email", "todo"]
Field = Literal["status", "reopened", "owner", "outcome", "priority", "due_at"]
Ignored = Literal["older", "duplicate", "erased", "unknown"]

ALLOWED: Final[dict[TaskStatus, frozenset[TaskStatus]]] = {
    "open": frozenset({"in_progress", "waiting", "done", "cancelled"}),
    "in_progress": frozenset({"open", "waiting", "done", "cancelled"}),
    "waiting": frozenset({"open", "in_progress", "done", "cancelled"}),
    "done": frozenset({"open", "in_progress", "waiting"}),
    "cancelled": frozenset({"open", "in_progress", "waiting", "done"}),
}
"""What a person may turn a task into."""

ALLOWED_WITHDRAWN: Final[frozenset[TaskStatus]] = frozenset({"done"})
"""What is left of that once the task was taken back."""

_ACTS: Final[dict[Kind, str]] = {"call": "call back", "email": "write back", "todo": "follow up"}
_METRICS: Final = {"csat": "CSAT", "ces": "CES", "review": "Review"}


class Word(NamedTuple):
    """The last thing said about a field, when it was said last, and since when that is so."""

    at: datetime
    value: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Why and when a task was taken back."""

    reason: Reason
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How one task stands. `version` grows with each change; `published` is the last one handed on to CRMs."""

    task_id: UUID
    tenant: str
    response_id: str
    revision: int = 0
    version: int = 0
    published: int = 0
    request: OutreachRequest | None = None
    rebuilt: bool = False
    kind: Kind = "todo"
    assigned: str | None = None
    withdrawal: Withdrawal | None = None
    words: Mapping[Field, Word] = field(default_factory=dict)
    asked_again: bool = False
    erased: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def status(self) -> TaskStatus:
        """Where the task stands, of a task that was opened once."""
        word = self.words.get("status")
        said = cast("TaskStatus", word.value) if word else "open"
        if self.withdrawal:
            return "done" if said == "done" else "cancelled"
        reopened = self.words.get("reopened")
        if word and said in CLOSED and reopened and reopened.at > word.at:
            return "open"
        return said

    @property
    def owner(self) -> str | None:
        """Whose task it is."""
        word = self.words.get("owner")
        return word.value if word else self.assigned

    @property
    def priority(self) -> Priority:
        """How urgent it is: a person's word, else the request's."""
        word = self.words.get("priority")
        return cast("Priority", word.value) if word else (self.request.priority if self.request else "normal")

    @property
    def due_at(self) -> datetime:
        """When it is due: a person's word, else the request's."""
        word = self.words.get("due_at")
        if word and word.value:
            return datetime.fromisoformat(word.value)
        assert self.request is not None and self.request.due_at is not None  # noqa: PT018 a task that was opened
        return self.request.due_at

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, once done."""
        word, reopened = self.words.get("outcome"), self.words.get("reopened")
        if self.status != "done" or word is None or (reopened and reopened.at > word.at):
            return None
        return cast("Outcome", word.value)

    @property
    def closed_at(self) -> datetime | None:
        """When it was done or cancelled."""
        status, word = self.status, self.words.get("status")
        if status not in CLOSED:
            return None
        if word and word.value == status:
            return word.since
        return self.withdrawal.at if self.withdrawal else None

    @property
    def is_task(self) -> bool:
        """Whether there is a task for people to see."""
        return self.request is not None and not self.erased

    def is_overdue(self, now: datetime) -> bool:
        """Whether it was not done in time, or is not; what was cancelled is nobody's delay."""
        return self.status != "cancelled" and (self.closed_at or now) > self.due_at


@dataclass(frozen=True, slots=True)
class Given:
    """What a request's sealed part and the business file say of it."""

    has_email: bool = False
    has_phone: bool = False
    erased: bool = False
    owners: Sequence[str] = ()
    due_in: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Changed:
    """A new version of the task, for all to see."""

    standing: Standing


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to remember that shows nowhere."""

    standing: Standing


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The person was erased: nothing of the task may stay."""

    standing: Standing


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that is not allowed, with the reason."""

    reason: str


def follow(
    request: OutreachRequest, standing: Standing, given: Given, now: datetime
) -> Changed | Noted | Forgotten | Ignored:
    """What a request makes of the task of its answer."""
    if standing.erased:
        return "erased"
    if given.erased:
        return forget(standing, now)
    if request.revision <= standing.revision:
        if standing.rebuilt:
            return Noted(_caught_up(request, standing, given))
        return "duplicate" if request.revision == standing.revision else "older"
    followed = replace(standing, revision=request.revision)
    if request.command == "none":
        withdrawn = replace(followed, withdrawal=Withdrawal(request.reason or "changed", now))
        return _next_version(withdrawn, now) if standing.is_task else Noted(withdrawn)
    return _next_version(_opened(request, followed, given, now), now)


def hear(update: TaskUpdate, standing: Standing, now: datetime, *, new_note: bool = False) -> Changed | Noted | Ignored:
    """What a CRM's word makes of a task."""
    if standing.erased:
        return "erased"
    if not standing.is_task:
        return "unknown"
    newer = _newer(_said(update, standing), update.occurred_at, standing.words)
    heard = replace(standing, words={**standing.words, **newer})
    if new_note or _shown(heard) != _shown(standing):
        return _next_version(heard, now)
    return Noted(heard) if newer else "older"


def change(standing: Standing, wanted: Mapping[Field, str | None], now: datetime) -> Changed | Refused:
    """What a person makes of a task: somebody who saw how it stands, and so has the last word."""
    status = cast("TaskStatus | None", wanted.get("status"))
    if status and status != standing.status:
        if standing.withdrawal and status not in ALLOWED_WITHDRAWN:
            return Refused(f"status: the task was withdrawn ({standing.withdrawal.reason}); it cannot become {status}")
        if status not in ALLOWED[standing.status]:
            return Refused(f"status: a task that is {standing.status} cannot become {status}")
    latest = max((word.at for word in standing.words.values()), default=now)
    at = now if now > latest else latest + timedelta(microseconds=1)
    said = dict(wanted)
    if status and status != "done":
        said["outcome"] = None
    changed = replace(standing, words={**standing.words, **_newer(said, at, standing.words)})
    if wanted.get("outcome") and changed.status != "done":
        return Refused("outcome: only a task that is done has one")
    return _next_version(changed, now)


def annotate(standing: Standing, now: datetime) -> Changed:
    """A note makes a new version of a task."""
    return _next_version(standing, now)


def forget(standing: Standing, now: datetime) -> Forgotten:
    """Nothing stays but that there was a task, so that none is made again."""
    return Forgotten(
        Standing(
            task_id=standing.task_id,
            tenant=standing.tenant,
            response_id=standing.response_id,
            revision=standing.revision,
            version=standing.version,
            published=standing.version,
            erased=True,
            created_at=standing.created_at,
            updated_at=now,
        )
    )


def rebuilt(task: Task, sealed: Sealed | None) -> Standing:
    """How a task stood, from what CRMs were last told of it; its request is read again later (see `follow`)."""
    at = task.updated_at
    since = task.closed_at or at
    withdrawal = Withdrawal(task.reason, since) if task.status == "cancelled" and task.reason else None
    words: dict[Field, Word] = {"owner": Word(at, task.owner, at)}
    if not withdrawal:
        words["status"] = Word(at, task.status, since)
    if task.outcome:
        words["outcome"] = Word(at, task.outcome, at)
    request = OutreachRequest(
        tenant=task.tenant,
        response_id=task.response_id,
        revision=1,
        command="open",
        task_id=task.task_id,
        priority=task.priority,
        due_at=task.due_at,
        metric=task.metric,
        score=task.score,
        rating=task.rating,
        channel=task.channel,
        touchpoint=task.touchpoint,
        segments=task.segments,
        late=task.late,
        sealed=sealed,
    )
    return Standing(
        task_id=task.task_id,
        tenant=task.tenant,
        response_id=task.response_id,
        revision=task.revision,
        version=task.version,
        published=task.version,
        request=request,
        rebuilt=True,
        kind=task.kind,
        assigned=task.owner,
        withdrawal=withdrawal,
        words=words,
        asked_again=task.status == "done",
        created_at=task.created_at,
        updated_at=at,
    )


def ask_again(standing: Standing, after: timedelta | None) -> SurveyRequest | None:
    """Whom to ask again because his task is done; once a task, whatever follows."""
    request, closed_at = standing.request, standing.closed_at
    if after is None or standing.asked_again or standing.status != "done" or request is None or closed_at is None:
        return None
    return SurveyRequest(
        request_id=uuid5(EFFECTS, f"survey/{standing.task_id}"),
        tenant=standing.tenant,
        response_id=standing.response_id,
        task_id=standing.task_id,
        cause="task_closed",
        subject=request.subject,
        not_before=closed_at + after,
        sealed=request.sealed,
    )


def survey_wanted(notice: Notice) -> SurveyRequest | None:
    """The request that a rule's notice asks for; none if it only tells somebody."""
    if notice.kind != "survey_request":
        return None
    return SurveyRequest(
        request_id=notice.notice_id,
        tenant=notice.tenant,
        response_id=notice.response_id,
        cause="playbook",
        survey=notice.to,
        subject=notice.subject,
        not_before=notice.not_before or notice.answered_at,
        sealed=notice.sealed,
    )


def task_of(standing: Standing, person: PersonalData, comment: str | None, notes: Sequence[Note]) -> Task:
    """The whole task as it stands, for a person to read."""
    request = standing.request
    assert request is not None  # a task that was opened
    assert standing.created_at is not None  # likewise
    assert standing.updated_at is not None  # likewise
    status = standing.status
    return Task(
        task_id=standing.task_id,
        tenant=standing.tenant,
        response_id=standing.response_id,
        version=standing.version,
        revision=standing.revision,
        title=title_of(standing, standing.created_at),
        status=status,
        priority=standing.priority,
        kind=standing.kind,
        owner=standing.owner,
        due_at=standing.due_at,
        metric=request.metric,
        score=request.score,
        rating=request.rating,
        comment=comment,
        channel=request.channel,
        touchpoint=request.touchpoint,
        segments=request.segments,
        customer=Customer(**person.model_dump(exclude={"attributes", "comment"})),
        notes=list(notes),
        outcome=standing.outcome,
        reason=standing.withdrawal.reason if standing.withdrawal and status == "cancelled" else None,
        late=request.late,
        created_at=standing.created_at,
        updated_at=standing.updated_at,
        closed_at=standing.closed_at,
    )


def title_of(standing: Standing, created_at: datetime) -> str:
    """What is to be done, in one line and without naming anybody."""
    request = standing.request
    assert request is not None  # a task that was opened
    who = "Answer"
    if request.score is not None:
        who = f"{band_of(request.score).capitalize()} {request.score}/10"
    elif request.rating is not None:
        who = f"{_METRICS.get(request.metric, 'Answer')} {request.rating:g}"
    return f"{who}: {_ACTS[standing.kind]} {_within(standing.due_at - created_at)}"


def newest(notes: Sequence[Note]) -> list[Note]:
    """The newest notes that fit into a record, oldest first."""
    fitting: list[Note] = []
    room = LARGEST_NOTES
    for note in reversed(notes):
        room -= len(note.model_dump_json().encode())
        if room < 0:
            break
        fitting.insert(0, note)
    return fitting


def _opened(request: OutreachRequest, standing: Standing, given: Given, now: datetime) -> Standing:
    words = dict(standing.words)
    said = words.get("status")
    if standing.withdrawal and standing.is_task and not (said and said.value in CLOSED):
        words["status"] = Word(now, "open", now)
    return replace(
        standing,
        request=request if request.due_at else request.model_copy(update={"due_at": now + given.due_in}),
        rebuilt=False,
        kind=_kind(request, given),
        assigned=standing.assigned or request.owner or _picked(given.owners, standing.task_id),
        withdrawal=None,
        words=words,
        created_at=standing.created_at or now,
    )


def _caught_up(request: OutreachRequest, standing: Standing, given: Given) -> Standing:
    """A task rebuilt from what CRMs were told gets its request back; what it shows stays."""
    assert standing.request is not None  # rebuilt with one
    assert standing.updated_at is not None  # likewise
    if request.command == "none":
        withdrawal = standing.withdrawal or Withdrawal(request.reason or "changed", standing.updated_at)
        return replace(standing, withdrawal=withdrawal) if request.revision == standing.revision else standing
    if request.revision < standing.request.revision:
        return standing
    request = request if request.due_at else request.model_copy(update={"due_at": standing.due_at})
    kept: dict[Field, Word] = {}
    if request.priority != standing.priority:
        kept["priority"] = Word(standing.updated_at, standing.priority, standing.updated_at)
    if request.due_at != standing.due_at:
        kept["due_at"] = Word(standing.updated_at, standing.due_at.isoformat(), standing.updated_at)
    return replace(standing, request=request, kind=_kind(request, given), words={**kept, **standing.words})


def _said(update: TaskUpdate, standing: Standing) -> dict[Field, str | None]:
    said: dict[Field, str | None] = {}
    if update.status == "open":
        said["reopened"] = "open"
    elif update.status and not (update.status == "cancelled" and standing.withdrawal):
        said["status"] = update.status
    if update.owner:
        said["owner"] = update.owner
    if update.outcome:
        said["outcome"] = update.outcome
    return said


def _newer(said: Mapping[Field, str | None], at: datetime, words: Mapping[Field, Word]) -> dict[Field, Word]:
    """What of it is the last word about its field; who repeats a word says nothing new about since when."""
    newer: dict[Field, Word] = {}
    for name, value in said.items():
        before = words.get(name)
        if before is None or (at, _weight(value)) > (before.at, _weight(before.value)):
            newer[name] = Word(at, value, before.since if before and before.value == value else at)
    return newer


def _weight(value: str | None) -> tuple[bool, str]:
    return value in CLOSED, value or ""


def _shown(standing: Standing) -> tuple[object, ...]:
    return (
        standing.status,
        standing.owner,
        standing.priority,
        standing.due_at,
        standing.outcome,
    )


def _next_version(standing: Standing, now: datetime) -> Changed:
    return Changed(replace(standing, version=standing.version + 1, updated_at=now))


def _kind(request: OutreachRequest, given: Given) -> Kind:
    if request.callback_requested or (given.has_phone and not given.has_email):
        return "call"
    return "email" if given.has_email else "todo"


def _picked(owners: Sequence[str], task_id: UUID) -> str | None:
    return owners[task_id.int % len(owners)] if owners else None


def _within(span: timedelta) -> str:
    hours = math.ceil(span / timedelta(hours=1))
    if hours <= 0:
        return "now"
    return f"within {hours} h" if hours < 72 else f"within {math.ceil(hours / 24)} days"
