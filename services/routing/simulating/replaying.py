"""Decides about answers under two playbooks at once, with routing's own rules, as if each had come one by one.

An answer of which there is one record needs little: what is wanted of it now and, if it waits, once more when the wait
is over. One with several is taken through the domain revision by revision. Two things stand for what others would do:
a mail has gone as soon as it is decided, and a task is done by the time it is due.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Final, NamedTuple

from schemas.response import WHOLE, Response
from services.routing.domain import (
    Decided,
    Ignored,
    Noted,
    Standing,
    Wanted,
    decide,
    fire,
    revised_by,
    settles_at,
    wanted_after,
    wanted_by,
)
from services.routing.gathering import uses
from services.routing.playbooks.rulebook import Match, Rulebook
from services.routing.playbooks.situation import Person
from services.routing.policy import KIND_OF, MAILS, Facts, Said
from services.routing.simulating.ledger import NO_HISTORY, Budgets, Ledger, Made, Whose, made_by
from services.routing.simulating.matching import Remembering
from services.routing.simulating.outcomes import Came, Outcomes, Work
from services.routing.sql_standings import trace_of

SIDES: Final = (0, 1)
"""Today's playbook and the candidate."""
BOTH: Final = -1
"""In the place of one of them, where both say the same."""


class Event(NamedTuple):
    """An answer's record, and all that is known of who is behind it."""

    answer: Response
    whose: Whose
    person: Person
    said: frozenset[Said] = frozenset()
    drawn_as: str = ""


@dataclass(slots=True)
class _Case:
    """An answer of which nothing else comes, and what it has come to so far."""

    event: Event
    standing: Standing
    matches: Sequence[Match] = ()
    """What each playbook says, where that stays as it is"""
    facts: list[Facts | None] = field(default_factory=lambda: [None, None])
    came: list[Came | None] = field(default_factory=lambda: [None, None])


@dataclass(slots=True)
class _Thread:
    """An answer of which several records come, and how it stands under each playbook."""

    left: int
    standings: list[Standing]
    event: Event | None = None
    """that of the revision that holds"""
    written: str = ""
    """the late comment that holds"""
    held_as: list[Whose | None] = field(default_factory=lambda: [None, None])
    opened: list[bool] = field(default_factory=lambda: [False, False])
    done_at: list[datetime | None] = field(default_factory=lambda: [None, None])
    came: list[Came | None] = field(default_factory=lambda: [None, None])

    def standing(self, place: int, now: datetime) -> Standing:
        """How it stands under one playbook; a task is done by the time it is due."""
        standing, done_at = self.standings[place], self.done_at[place]
        is_done = standing.task == "open" and not standing.task_closed and done_at is not None and done_at <= now
        return standing._replace(task_closed=True) if is_done else standing

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more that could change it."""
        return self.left <= 0 and all(standing.due_at is None for standing in self.standings)


@dataclass(frozen=True, slots=True)
class Side:
    """One playbook and what it has led to."""

    rulebook: Rulebook
    ledger: Ledger
    budgets: Budgets
    work: Work

    def facts(self, event: Event, comment: str, now: datetime, own: Standing | None = None) -> Facts:
        """All that a decision needs to know."""
        policy, spent = self.rulebook.policy, {}
        if policy.budgets:
            spent = self.budgets.spent(now)
            for budget in policy.budgets if own else ():
                assert own is not None  # as asked
                spent[budget.name] -= uses(trace_of(own), budget, policy, now)
        return Facts(
            person=event.person,
            history=self.ledger.history(event.whose, event.answer.answered_at, now),
            comment=comment,
            said=event.said,
            contacts=self.ledger.contacts(event.whose),
            spent=spent,
            drawn_as=event.drawn_as,
            account=event.whose.account,
        )


class Replay:
    """Two playbooks beside each other, over answers in the order in which they arrived."""

    def __init__(self, rulebooks: Sequence[Rulebook], repeated: Mapping[int, int], outcomes: Outcomes) -> None:
        together = Remembering.all(rulebooks)
        asks_history = any(one.asks_history for one in rulebooks)
        self._sides = [
            Side(one, Ledger(one, asks_history=asks_history), Budgets(one.policy), work)
            for one, work in zip(together, outcomes.works, strict=True)
        ]
        assert together[0].matching is not None  # made together
        self._matching = together[0].matching
        first, second = (one.policy for one in rulebooks)
        shared = first.budgets or any(cap.per == "account" for cap in first.caps)
        self._alike = first.model_dump() == second.model_dump() and not shared and self._matching.stays
        self._repeated = repeated
        self._outcomes = outcomes
        self._threads: dict[int, _Thread] = {}
        self._waiting: list[tuple[datetime, int, int, _Case | _Thread]] = []
        self._numbers = count()
        self._now: datetime | None = None

    @property
    def sides(self) -> Sequence[Side]:
        """Both, for whoever knows what was before."""
        return self._sides

    def take(self, event: Event) -> None:
        """One record, at the moment at which it was received."""
        received_at = event.answer.received_at
        now = self._now = max(self._now or received_at, received_at)
        self._fire(now)
        if event.whose.answer in self._repeated:
            self._next_of(event, now)
        elif event.answer.op != "commented":
            self._only(event, now)

    def finish(self) -> None:
        """Lets everything come that still waits, and ends what is open."""
        self._fire(None)
        for key in list(self._threads):
            self._end(key)

    def _fire(self, until: datetime | None) -> None:
        """Decides about what has waited for long enough; about everything if no moment is given."""
        while self._waiting and (until is None or self._waiting[0][0] <= until):
            due_at, _, place, what = heapq.heappop(self._waiting)
            if isinstance(what, _Case):
                self._decide_only(what, place, due_at)
            else:
                self._fire_next_of(what, place, due_at)

    def _wait(self, due_at: datetime, place: int, what: _Case | _Thread) -> None:
        heapq.heappush(self._waiting, (due_at, next(self._numbers), place, what))

    def _only(self, event: Event, now: datetime) -> None:
        answer, fresh = event.answer, Standing(event.answer.tenant, event.answer.response_id)
        case = _Case(event, revised_by(answer, fresh, event.whose.account, now))
        if self._matching.stays and not case.standing.past and answer.op in WHOLE and not answer.test:
            comment = event.person.data.comment or ""
            case.matches = self._matching.of(answer, event.person, NO_HISTORY, comment, now.date())
            if self._alike and case.matches[0] is case.matches[1] and not answer.callback_requested:
                self._settle(case, BOTH, now)
                return
        for place in SIDES:
            self._settle(case, place, now)
        score = answer.score if answer.counts() else None
        for side in self._sides:
            side.ledger.note_answer(event.whose, score, answer.answered_at)

    def _settle(self, case: _Case, place: int, now: datetime) -> None:
        """Waits, if that is all there is to decide as yet."""
        if case.matches:
            comment = case.event.person.data.comment or ""
            until = settles_at(case.standing, case.matches[max(place, 0)].rule, comment)
            if until is not None and until > now:
                self._wait(until, place, case)
                return
        self._decide_only(case, place, now)

    def _decide_only(self, case: _Case, place: int, now: datetime) -> None:
        """Decides for one playbook; or once for both, where they say the same and know of the same contacts."""
        if place == BOTH:
            person = case.event.whose.person
            if self._sides[0].ledger.known(person) != self._sides[1].ledger.known(person):
                for one in SIDES:
                    self._decide_only(case, one, now)
                return
        wanted = self._wanted(case, max(place, 0), now)
        if wanted.until is not None:
            self._wait(wanted.until, place, case)
            return
        for one in SIDES if place == BOTH else (place,):
            self._came_of_only(case, one, wanted, now)
        self._tell(case.event.answer, case.came)

    def _wanted(self, case: _Case, place: int, now: datetime) -> Wanted:
        side, event = self._sides[place], case.event
        facts = case.facts[place]
        if facts is None or not case.matches or side.rulebook.policy.budgets:
            facts = case.facts[place] = side.facts(event, event.person.data.comment or "", now)
        if case.matches:
            return wanted_by(case.matches[place], case.standing, facts, side.rulebook, now)
        fresh = Standing(case.standing.tenant, case.standing.response_id)
        return wanted_after(case.standing, fresh, facts, side.rulebook, now)

    def _came_of_only(self, case: _Case, place: int, wanted: Wanted, now: datetime) -> None:
        side, whose, rule = self._sides[place], case.event.whose, wanted.rule
        side.work.notices += len(wanted.notices)
        if wanted.outcome == "action" and rule is not None:
            _count(side.work, wanted, now)
            kind = KIND_OF.get(rule.action)
            if kind:
                side.ledger.note(whose, Made(whose.answer, kind, now))
            if kind == "task":
                side.ledger.note_task(whose, (case.standing.first_decided_at or now) + rule.due_in, now)
            for budget in side.rulebook.policy.budgets:
                if budget.action == rule.action and budget.channel in {None, case.standing.channel}:
                    side.budgets.use(budget, 1, now)
        case.came[place] = Came.of(wanted)

    def _next_of(self, event: Event, now: datetime) -> None:
        key, answer = event.whose.answer, event.answer
        thread = self._threads.get(key)
        if thread is None:
            fresh = Standing(answer.tenant, answer.response_id)
            thread = self._threads[key] = _Thread(self._repeated[key], [fresh, fresh])
        thread.left -= 1
        about, late = event, answer.op == "commented"
        comment = (event.person.data.comment if late else thread.written) or ""
        if late and thread.event:
            about = thread.event
        comment = comment or about.person.data.comment or ""
        for place, side in enumerate(self._sides):
            before = thread.standings[place] = thread.standing(place, now)
            outcome = decide(answer, before, side.facts(about, comment, now, before), side.rulebook, now)
            self._came_of_next(thread, place, outcome, now)
        if thread.standings[0].answer is answer:
            thread.event = event
        if thread.standings[0].comment is answer:
            thread.written = event.person.data.comment or ""
        for place in SIDES:
            self._remember(thread, place, now)
        if thread.is_over:
            self._end(key)

    def _fire_next_of(self, thread: _Thread, place: int, now: datetime) -> None:
        before, side, event = thread.standing(place, now), self._sides[place], thread.event
        thread.standings[place] = before
        if before.due_at != now or event is None:
            return  # it was decided about meanwhile
        comment = thread.written or event.person.data.comment or ""
        outcome = fire(before, side.facts(event, comment, now, before), side.rulebook, now)
        self._came_of_next(thread, place, outcome, now)
        self._remember(thread, place, now)
        if thread.is_over:
            self._end(event.whose.answer)

    def _came_of_next(self, thread: _Thread, place: int, outcome: Decided | Noted | Ignored, now: datetime) -> None:
        if isinstance(outcome, str):
            return
        before, after, side = thread.standings[place], outcome.standing, self._sides[place]
        if isinstance(outcome, Decided):
            decision = outcome.decision
            thread.came[place] = Came(decision.outcome, decision.action, decision.rule, decision.reason)
            if outcome.message and outcome.message.command in MAILS:
                rule = side.rulebook.rule_named(decision.rule)
                side.work.mails += 1
                side.work.cost += rule.cost if rule else 0.0
                after = after._replace(mail_gone=True)
            if outcome.outreach and outcome.outreach.command == "open":
                side.work.tasks_by_day[now.date()] += not thread.opened[place]
                thread.opened[place] = True
                thread.done_at[place] = outcome.outreach.due_at
            asked = sum(one.kind == "survey_request" for one in outcome.notices)
            side.work.surveys += asked
            side.work.notices += len(outcome.notices) - asked
            if after.due_at is not None:
                self._wait(after.due_at, place, thread)
        for budget in side.rulebook.policy.budgets:
            policy = side.rulebook.policy
            change = uses(trace_of(after), budget, policy, now) - uses(trace_of(before), budget, policy, now)
            side.budgets.use(budget, change, now)
        thread.standings[place] = after

    def _remember(self, thread: _Thread, place: int, now: datetime) -> None:
        """Has the ledger know what the answer has led to, under the person it is of now."""
        standing, ledger, event = thread.standings[place], self._sides[place].ledger, thread.event
        answer = standing.answer
        if event is None or answer is None:
            return
        held_as = thread.held_as[place]
        person = event.whose.person or (held_as.person if held_as else 0)
        whose = Whose(event.whose.answer, person, standing.account)
        if held_as and held_as != whose:
            ledger.replace(held_as, ())
            ledger.note_answer(held_as, None, answer.answered_at)
            ledger.note_task(held_as, None, now)
        thread.held_as[place] = whose
        ledger.replace(whose, made_by(trace_of(standing)))
        ledger.note_answer(whose, answer.score if answer.counts() else None, answer.answered_at)
        is_open = standing.task == "open" and not standing.task_closed
        ledger.note_task(whose, thread.done_at[place] if is_open else None, now)

    def _end(self, key: int) -> None:
        thread = self._threads.pop(key)
        if thread.event is not None:
            self._tell(thread.event.answer, thread.came)

    def _tell(self, answer: Response, came: Sequence[Came | None]) -> None:
        today, candidate = came
        if today is not None and candidate is not None:
            self._outcomes.note(answer, (today, candidate))


def _count(work: Work, wanted: Wanted, now: datetime) -> None:
    """An action that is taken."""
    action, rule = wanted.action, wanted.rule
    if action in MAILS:
        work.mails += 1
        work.cost += rule.cost if rule else 0.0
    elif action == "outreach":
        work.tasks_by_day[now.date()] += 1
    elif action == "survey_request":
        work.surveys += 1
    else:
        work.notices += 1
