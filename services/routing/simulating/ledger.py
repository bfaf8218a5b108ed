"""What persons and accounts were contacted about under one playbook, and what they answered, in a few bytes each.

It remembers as far back as the caps look, and answers only where a condition asks about history.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, overload

from services.chassis.records import EPOCH
from services.routing.contact_policy import Budget, ContactKind, ContactPolicy, period_start
from services.routing.playbooks.playbook import Playbook
from services.routing.playbooks.rulebook import Rulebook
from services.routing.playbooks.situation import Earlier, History
from services.routing.policy import KIND_OF, Contact
from services.routing.simulating.sharing import hash_of
from services.routing.sql_standings import MOST_REMEMBERED, Trace

KINDS: Final[tuple[ContactKind, ...]] = ("mail", "task", "survey")

_CONTACT: Final = struct.Struct("<QBq")
_ANSWER: Final = struct.Struct("<Qbq")
_US: Final = timedelta(microseconds=1)

NO_HISTORY: Final = History()


class Made(NamedTuple):
    """A contact that was made because of an answer."""

    answer: int
    kind: ContactKind
    at: datetime


def made_by(trace: Trace) -> list[Made]:
    """The contacts that an answer has led to."""
    answer = hash_of(trace.response_id)
    moments: tuple[tuple[ContactKind, datetime | None], ...]
    moments = ("mail", trace.mail_at), ("task", trace.task_at), ("survey", trace.survey_at)
    return [Made(answer, kind, at) for kind, at in moments if at]


class Whose(NamedTuple):
    """An answer, and the person and the account it is of, as hashes; zero and none where they are not known."""

    answer: int
    person: int
    account: str | None


class _Kept:
    """Contacts by whom they are with, at least as long as they matter to a cap; a whole span is forgotten at once."""

    def __init__(self, span: timedelta) -> None:
        self._span = span
        self._begun: datetime | None = None
        self._newer: dict[int | str, bytes] = {}
        self._older: dict[int | str, bytes] = {}

    def add(self, whose: int | str, contact: Made) -> None:
        """One more."""
        if self._begun is None or contact.at - self._begun > self._span:
            self._begun, self._older, self._newer = contact.at, self._newer, {}
        packed = _CONTACT.pack(contact.answer, KINDS.index(contact.kind), _us(contact.at))
        self._newer[whose] = self._newer.get(whose, b"") + packed

    def drop(self, whose: int | str, answer: int) -> None:
        """Forgets contacts because of this answer, if there were any."""
        for held in (self._newer, self._older):
            known = held.get(whose)
            if known:
                held[whose] = b"".join(_CONTACT.pack(*one) for one in _CONTACT.iter_unpack(known) if one[0] != answer)

    def of(self, whose: int | str) -> bytes:
        """Every contact that is known."""
        newer, older = self._newer.get(whose), self._older.get(whose)
        return older + newer if newer and older else newer or older or b""


class _Tasks:
    """Until when somebody is at a task, by whose it is; one that is done is forgotten."""

    def __init__(self) -> None:
        self._until: dict[int, dict[int, datetime]] = {}
        self._ends: list[tuple[datetime, int, int]] = []

    def open(self, whose: Whose, until: datetime, now: datetime) -> None:
        """Somebody is at it until then."""
        while self._ends and self._ends[0][0] <= now:
            ended, person, answer = heapq.heappop(self._ends)
            if self._until.get(person, {}).get(answer) == ended:
                self._drop(person, answer)
        self._until.setdefault(whose.person, {})[whose.answer] = until
        heapq.heappush(self._ends, (until, whose.person, whose.answer))

    def close(self, whose: Whose) -> None:
        """Nobody is at it, or not any more."""
        if whose.answer in self._until.get(whose.person, {}):
            self._drop(whose.person, whose.answer)

    def _drop(self, person: int, answer: int) -> None:
        theirs = self._until[person]
        del theirs[answer]
        if not theirs:
            del self._until[person]

    def is_open(self, whose: Whose, now: datetime) -> bool:
        """Whether somebody is at a task of this person because of another answer."""
        theirs = self._until.get(whose.person)
        return theirs is not None and any(now < until for answer, until in theirs.items() if answer != whose.answer)


class Ledger:
    """The contacts, open tasks and answers of everybody, under one playbook."""

    def __init__(self, rulebook: Rulebook, *, asks_history: bool) -> None:
        self._asks_history = asks_history
        self._asks_tasks = asks_history or rulebook.looks_back
        self._per_account = any(cap.per == "account" for cap in rulebook.policy.caps)
        spans = {kind: _span(rulebook.playbook, kind) for kind in KINDS}
        self._kinds = {kind for kind, span in spans.items() if span}
        self._kept = _Kept(max(spans.values()))
        self._answers: dict[int, bytes] = {}
        self._tasks = _Tasks()

    def note(self, whose: Whose, contact: Made) -> None:
        """A contact that is made."""
        if contact.kind not in self._kinds:
            return
        if whose.person:
            self._kept.add(whose.person, contact)
        if whose.account and self._per_account:
            self._kept.add(whose.account, contact)

    def replace(self, whose: Whose, contacts: Iterable[Made]) -> None:
        """The contacts that an answer has led to, in the place of what was known of it."""
        for one in (whose.person, whose.account):
            if one:
                self._kept.drop(one, whose.answer)
        for contact in contacts:
            self.note(whose, contact)

    def note_answer(self, whose: Whose, score: int | None, answered_at: datetime) -> None:
        """What somebody answered; none if it does not count."""
        if not (self._asks_history and whose.person):
            return
        added = b"" if score is None else _ANSWER.pack(whose.answer, score, _us(answered_at))
        known = self._answers.get(whose.person, b"")
        known = b"".join(_ANSWER.pack(*one) for one in _ANSWER.iter_unpack(known) if one[0] != whose.answer) + added
        if len(known) > MOST_REMEMBERED * _ANSWER.size:
            newest = sorted(_ANSWER.iter_unpack(known), key=lambda one: one[2])[-MOST_REMEMBERED:]
            known = b"".join(_ANSWER.pack(*one) for one in newest)
        self._answers[whose.person] = known

    def note_task(self, whose: Whose, done_at: datetime | None, now: datetime) -> None:
        """Until when somebody is at it; none if nobody is. Moments never go back."""
        if not (self._asks_tasks and whose.person):
            return
        self._tasks.close(whose)
        if done_at is not None:
            self._tasks.open(whose, done_at, now)

    def contacts(self, whose: Whose) -> Sequence[Contact]:
        """The contacts with a person or their account because of other answers, looked up whenever somebody asks."""
        return _Contacts(self, whose)

    def known(self, person: int) -> bytes:
        """All that is known of contacts with a person, to be held against another ledger."""
        return self._kept.of(person) if person else b""

    def looked_up(self, whose: Whose) -> list[Contact]:
        """The same as `contacts`, of this moment."""
        own = self.known(whose.person)
        found = (
            []
            if not own
            else [
                Contact(f"{answer:016x}", KINDS[kind], EPOCH + timedelta(microseconds=at))
                for answer, kind, at in _CONTACT.iter_unpack(own)
                if answer != whose.answer
            ]
        )
        if whose.account and self._per_account:
            found += self._of_account(whose, {one.response_id for one in found})
        return found

    def _of_account(self, whose: Whose, own: set[str]) -> Iterator[Contact]:
        for answer, kind, at in _CONTACT.iter_unpack(self._kept.of(whose.account or "")):
            name = f"{answer:016x}"
            if answer != whose.answer and name not in own:
                yield Contact(name, KINDS[kind], EPOCH + timedelta(microseconds=at), own=False)

    def history(self, whose: Whose, answered_at: datetime, now: datetime) -> History:
        """What a person answered before, newest first, and whether somebody is at one of their tasks."""
        known, is_open = self._answers.get(whose.person, b""), self._tasks.is_open(whose, now)
        if not known and not is_open:
            return NO_HISTORY
        until = _us(answered_at)
        earlier = [
            (at, score) for answer, score, at in _ANSWER.iter_unpack(known) if answer != whose.answer and at <= until
        ]
        earlier.sort(key=lambda one: -one[0])
        if not earlier and not is_open:
            return NO_HISTORY
        return History([Earlier(score, EPOCH + timedelta(microseconds=at)) for at, score in earlier], is_open)


class _Contacts(Sequence[Contact]):
    """Contacts that are looked up when they are asked for: most decisions never ask."""

    __slots__ = ("_ledger", "_whose")

    def __init__(self, ledger: Ledger, whose: Whose) -> None:
        self._ledger = ledger
        self._whose = whose

    def _all(self) -> list[Contact]:
        return self._ledger.looked_up(self._whose)

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, place: int) -> Contact: ...

    @overload
    def __getitem__(self, place: slice) -> list[Contact]: ...

    def __getitem__(self, place: int | slice) -> Contact | list[Contact]:
        return self._all()[place]


class Budgets:
    """How much of each budget is given out in its period."""

    def __init__(self, policy: ContactPolicy, spent: Mapping[str, tuple[datetime, int]] | None = None) -> None:
        self._policy = policy
        self._spent = dict(spent or {})
        """By name: when the period began, and how much since."""

    def spent(self, now: datetime) -> dict[str, int]:
        """By name, in the periods that a moment belongs to."""
        return {budget.name: self._in_period(budget, now)[1] for budget in self._policy.budgets}

    def use(self, budget: Budget, change: int, now: datetime) -> None:
        """Gives out one more, or takes one back."""
        begun, number = self._in_period(budget, now)
        self._spent[budget.name] = begun, number + change

    def _in_period(self, budget: Budget, now: datetime) -> tuple[datetime, int]:
        begun = period_start(budget.per, self._policy.timezone, now)
        known = self._spent.get(budget.name)
        return known if known and known[0] == begun else (begun, 0)


def _span(playbook: Playbook, kind: ContactKind) -> timedelta:
    """How long contacts of a kind matter; those that no rule makes matter where a cap is on contacts of any kind."""
    made = {KIND_OF.get(rule.action) for rule in playbook.rules}
    caps = playbook.policy.caps
    return max(
        (cap.within for cap in caps if cap.kind == "any" or (cap.kind == kind and kind in made)), default=timedelta(0)
    )


def _us(at: datetime) -> int:
    return (at - EPOCH) // _US
