"""Histories of answers of a few people, told to routing and to a plain model in one order of arrival."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast, get_args

from schemas.consent import Consent, Purpose
from schemas.delivery import State
from schemas.personal_data import PersonalData
from schemas.response import Op, Response
from schemas.task import TaskStatus
from services.routing.domain import Decided
from services.routing.policy import GONE, NOT_GOING, drawn
from tests.support.answers import NOON
from tests.support.events import delivered, tasked
from tests.support.playbooks import book
from tests.support.routing_desk import TENANT, Desk, sealed_as
from tests.support.routing_model import (
    DAY,
    HOUR,
    MINUTE,
    PERKS_A_DAY,
    Commented,
    MailBecame,
    Model,
    Revised,
    Ruling,
    Said,
    Somebody,
    TaskBecame,
)

ZONES: Final = {"UTC": 0.0, "Asia/Tokyo": 9.0, "America/Phoenix": -7.0, "Asia/Kathmandu": 5.75}
"""Clocks that are never changed."""

COMMENTS: Final = ("", "thank you", "I will cancel this")
SCORES: Final = (0, 3, 6, 7, 8, 9, 9, 9, 10)
TRIAL: Final = "trial"

PLAYBOOK: Final = book(
    {"name": "call-back", "when": "answer.callback_requested", "action": "outreach", "priority": 100}
    | {"urgency": "urgent"},
    {"name": "warn", "when": '"leaving" in comment.keywords', "action": "notify", "to": "managers"}
    | {"then": "continue", "priority": 95},
    {"name": "fell", "when": 'history.trend == "down"', "action": "notify", "to": "managers"}
    | {"then": "continue", "priority": 94},
    {"name": "keep", "when": 'blocks.unhappy && "leaving" in comment.keywords', "action": "outreach", "priority": 90}
    | {"urgency": "urgent", "settle": "PT5M"},
    {"name": "tell-owner", "when": "blocks.unhappy && history.open_task", "action": "notify", "to": "owner"}
    | {"settle": "PT20M", "priority": 85},
    {"name": "talk", "when": "blocks.unhappy", "action": "outreach", "urgency": "high", "settle": "PT10M"}
    | {"priority": 80},
    {"name": "ask", "when": 'answer.band == "passive" && history.answers >= 1', "action": "survey_request"}
    | {"settle": "PT15M"},
    {"name": "win", "when": 'answer.band == "passive"', "action": "offer", "template": "offer", "settle": "PT30M"},
    {"name": "nothing", "when": "answer.score == 10", "action": "none", "priority": 1},
    {"name": "thank", "when": 'answer.band == "promoter"', "action": "perk", "template": "perk", "settle": "PT60M"},
    keywords={"leaving": ["cancel*"]},
    blocks={"unhappy": 'answer.band == "detractor"'},
    policy={
        "quiet_hours": {"begins": "20:00", "ends": "08:00"},
        "caps": [
            {"kind": "mail", "at_most": 1, "within": "P7D"},
            {"kind": "task", "at_most": 1, "within": "P3D"},
            {"kind": "any", "per": "account", "at_most": 3, "within": "P2D"},
        ],
        "budgets": [{"name": "perks", "action": "perk", "at_most": PERKS_A_DAY, "per": "day"}],
        "hold_out": {"share": 0.2, "name": TRIAL},
        "grounds": {"perk": "existing_customer", "offer": "consent", "survey_request": "existing_customer"},
    },
)
"""What the model's rules say, as a playbook."""

WORDS: Final[dict[Purpose, tuple[str, ...]]] = {
    "mail": ("opt_out", "allows_mail"),
    "survey": ("no_survey", "allows_survey"),
    "call": ("no_call",),
}
"""What a refusal means, and what an agreement does."""


@dataclass
class History:
    """One history: what comes is told to routing and to the model, and both say what follows."""

    chance: random.Random
    now: datetime = NOON
    number: int = 0

    def __post_init__(self) -> None:
        self.everybody = self._everybody()
        self.desk = Desk(PLAYBOOK)
        groups: dict[int, frozenset[str]] = {}
        for one in self.everybody:
            groups[one.person] = groups.get(one.person, frozenset()) | {one.subject}
        self.desk.linked = {one.subject: groups[one.person] for one in self.everybody}
        self.model = Model(self.everybody)
        self.answers = [f"r{n}" for n in range(self.chance.randrange(1, 9))]
        self.first: dict[str, datetime] = {}
        self.seen: list[Revised | Commented] = []

    def play(self, longest: int) -> None:
        """So many things happen at most."""
        for _ in range(self.chance.randrange(2, longest)):
            self._time_passes()
            self.chance.choices(
                (self._batch, self._due, self._mail, self._task, self._word), weights=(8, 4, 3, 3, 2), k=1
            )[0]()
        self._time_passes()
        self._due()

    def decided(self) -> list[Ruling]:
        """What routing decided, in the model's words."""
        return [_as_ruling(one) for one in self.desk.decided]

    def desired(self) -> dict[str, tuple[str | None, str | None]]:
        """What routing wants in the end."""
        return {name: (one.mail, one.task) for name, one in self.desk.standings.items() if one.number}

    def _everybody(self) -> list[Somebody]:
        subjects = [f"{n:032x}" for n in self.chance.sample(range(1000), self.chance.randrange(1, 6))]
        persons = [self.chance.randrange(1, 5) for _ in subjects]
        lowest = {
            person: min(s for s, p in zip(subjects, persons, strict=True) if p == person) for person in set(persons)
        }
        zones = {person: self.chance.choice(list(ZONES)) for person in lowest}
        return [
            Somebody(
                subject,
                person,
                self.chance.choice((None, None, "a" * 32, "b" * 32)),
                self.chance.random() < 0.9,
                ZONES[zones[person]],
                drawn(f"{TRIAL}/{TENANT}/{lowest[person]}") < 0.2,
            )
            for subject, person in zip(subjects, persons, strict=True)
        ]

    def _time_passes(self) -> None:
        spans = (0 * MINUTE, 2 * MINUTE, 6 * MINUTE, 11 * MINUTE, HOUR, 7 * HOUR, DAY, 4 * DAY, 9 * DAY)
        self.now += self.chance.choices(spans, weights=(6, 6, 4, 4, 6, 3, 2, 1, 1))[0]

    def _batch(self) -> None:
        """A few events in one batch, some of them seen before."""
        events = [
            self.chance.choice(self.seen) if self.seen and self.chance.random() < 0.15 else self._event()
            for _ in range(self.chance.randrange(1, 4))
        ]
        told = [_at(event, self.now) for event in events]
        self.desk.answers([self._response(event) for event in told], self.now)
        for event in told:
            if isinstance(event, Revised):
                self.model.revised(event)
            else:
                self.model.commented(event)
        self.seen += events

    def _event(self) -> Revised | Commented:
        self.number += 1
        answer = self.chance.choice(self.answers)
        if self.chance.random() < 0.25:
            return Commented(self.now, answer, self.chance.randrange(1, 9), self.chance.choice(COMMENTS[1:]))
        first = self.first.setdefault(answer, self.now)
        answered_at = first + timedelta(microseconds=self.number)
        op = self.chance.choices(("submitted", "retracted", "excluded"), weights=(8, 1, 1))[0]
        return Revised(
            self.now,
            answer,
            self.chance.randrange(1, 12),
            op,
            self.chance.choice(SCORES),
            self.chance.choice((*self.everybody, None) if op == "retracted" else self.everybody * 5 + [None]),
            answered_at - (8 * DAY if self.chance.random() < 0.05 else 0 * DAY),
            self.now,
            self.chance.choices(COMMENTS, weights=(6, 1, 1))[0],
            callback=self.chance.random() < 0.08,
            test=self.chance.random() < 0.04,
            history=self.chance.random() < 0.04,
        )

    def _response(self, event: Revised | Commented) -> Response:
        """The event as intake would settle it."""
        whose, fields = None, _whole(event) if isinstance(event, Revised) else _late(event)
        if isinstance(event, Revised):
            whose = event.by
        text = event.comment if isinstance(event, Revised) else event.text
        name = f"n{len(self.desk.people)}"
        self.desk.people[name] = self._data(whose, text)
        sealed = sealed_as(name) if whose or text else None
        named = whose.subject if whose else None
        return Response.model_validate(fields | {"subject": named, "sealed": sealed, "digest": "0" * 32})

    def _data(self, whose: Somebody | None, text: str) -> PersonalData:
        if whose is None:
            return PersonalData(comment=text or None)
        zone = next(name for name, ahead in ZONES.items() if ahead == whose.ahead)
        email = "ada@example.org" if whose.email else None
        return PersonalData(email=email, account_id=whose.account, timezone=zone, comment=text or None)

    def _due(self) -> None:
        self.desk.due(self.now)
        self.model.time(self.now)

    def _mail(self) -> None:
        """Something becomes of a mail, maybe late: of a command that is no more."""
        commands = [one.message for one in self.desk.decided if one.message]
        if commands:
            message = self.chance.choice(commands[-3:])
            asked = next((one for one in commands if one.command != "none" and _same(one, message)), message)
            state: State = self.chance.choice(sorted(GONE)[:3] + sorted(NOT_GOING))
            kind: Any = asked.command if state in GONE else message.command
            self.desk.mail(
                delivered(message.response_id, state=state, kind=kind, revision=message.revision, at=self.now)
            )
            self.model.heard(MailBecame(self.now, message.response_id, state, message.revision, kind))

    def _task(self) -> None:
        """Somebody works on a task."""
        asked = [one.outreach.response_id for one in self.desk.decided if one.outreach]
        if asked:
            answer, status = self.chance.choice(asked[-4:]), self.chance.choice(get_args(TaskStatus))
            self.desk.task(tasked(answer, status=status, updated_at=self.now))
            self.model.heard(TaskBecame(self.now, answer, status))

    def _word(self) -> None:
        """Somebody agrees or objects, and this may come late."""
        one, purpose = self.chance.choice(self.everybody), self.chance.choice(("mail", *WORDS))
        granted = self.chance.random() < 0.7
        said_at = self.now - self.chance.choice((0, 0, 3)) * HOUR + timedelta(microseconds=len(self.model.log))
        word = Consent(tenant=TENANT, subject=one.subject, purpose=purpose, granted=granted, source="test", at=said_at)
        for said, over in zip(WORDS[purpose], (granted, not granted), strict=False):
            self.desk.word(word, cast("Any", said), lifts=over)
            self.model.heard(Said(self.now, said_at, one.person, said, over))


def _at(event: Revised | Commented, now: datetime) -> Revised | Commented:
    """The same event once more."""
    return type(event)(**{**vars(event), "at": now})


def _whole(event: Revised) -> dict[str, Any]:  # fields of any type, checked by the model
    return {
        "tenant": TENANT,
        "response_id": event.answer,
        "revision": event.revision,
        "op": cast("Op", event.op),
        "score": event.score,
        "channel": "website",
        "answered_at": event.answered_at,
        "received_at": event.received_at,
        "callback_requested": event.callback,
        "test": event.test,
        "history": event.history,
    }


def _late(event: Commented) -> dict[str, Any]:  # likewise
    return {
        "tenant": TENANT,
        "response_id": event.answer,
        "revision": event.revision,
        "op": "commented",
        "answered_at": event.at,
        "received_at": event.at,
    }


def _same(one: Any, other: Any) -> bool:  # two messages
    return bool(one.response_id == other.response_id)


def _as_ruling(one: Decided) -> Ruling:
    decision = one.decision
    urgent = one.outreach.priority if one.outreach and one.outreach.command == "open" else None
    return Ruling(
        decision.decided_at,
        decision.response_id,
        decision.outcome,
        decision.action,
        decision.rule,
        decision.reason,
        decision.until,
        one.message.command if one.message else None,
        one.outreach.command if one.outreach else None,
        urgent,
        tuple(notice.rule for notice in one.notices),
    )


def counted(histories: list[History]) -> Counter[str]:
    """How often each outcome, with its reason or action, came up."""
    return Counter(f"{one.outcome} {one.reason or one.action}" for history in histories for one in history.decided())
