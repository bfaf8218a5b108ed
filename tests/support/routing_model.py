"""A plain model of routing: it keeps the list of all that happened and derives from it, with rules written in Python.

Slow and naive on purpose. Of routing's own code it uses nothing; what it says follows from docs/guides/playbooks.md and
from the strange cases of the domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEK: Final = 7 * DAY

MAILS: Final = ("perk", "offer")
IS_OUT: Final = ("accepted", "delivered", "dropped", "bounced", "spam", "unsubscribed", "unknown")
IS_NOT_OUT: Final = ("suppressed", "refused", "withdrawn")


@dataclass(frozen=True)
class Somebody:
    """A subject: whose it is, of which account, and how many hours their clock is ahead of UTC."""

    subject: str
    person: int
    account: str | None = None
    email: bool = True
    ahead: float = 0.0
    held_out: bool = False


@dataclass(frozen=True)
class Revised:
    """A revision of an answer arrived."""

    at: datetime
    answer: str
    revision: int
    op: str
    score: int
    by: Somebody | None
    answered_at: datetime
    received_at: datetime
    comment: str = ""
    callback: bool = False
    test: bool = False
    history: bool = False

    @property
    def taken_back(self) -> str | None:
        """Why it asks for nothing."""
        return self.op if self.op in {"retracted", "excluded"} else "test" if self.test else None

    @property
    def band(self) -> str:
        return "promoter" if self.score >= 9 else "passive" if self.score >= 7 else "detractor"


@dataclass(frozen=True)
class Commented:
    """A late comment arrived."""

    at: datetime
    answer: str
    revision: int
    text: str


@dataclass(frozen=True)
class MailBecame:
    """Something became of the mail that a command of this number asked for."""

    at: datetime
    answer: str
    state: str
    number: int
    kind: str


@dataclass(frozen=True)
class TaskBecame:
    """Somebody worked on a task."""

    at: datetime
    answer: str
    status: str


@dataclass(frozen=True)
class Said:
    """Somebody said something for all their subjects: `opt_out`, `allows_mail` ... or that it is over."""

    at: datetime
    said_at: datetime
    person: int
    word: str
    over: bool


@dataclass(frozen=True)
class Ruling:
    """What was decided about an answer, the commands and who was told."""

    at: datetime
    answer: str
    outcome: str
    action: str
    rule: str | None
    reason: str | None = None
    until: datetime | None = None
    mail: str | None = None
    task: str | None = None
    urgency: str | None = None
    told: tuple[str, ...] = ()


Happened = Revised | Commented | MailBecame | TaskBecame | Said | Ruling


@dataclass(frozen=True)
class Rule:
    """A rule of the playbook under test."""

    name: str
    action: str
    settle: timedelta
    holds: Callable[[Revised, str, Sequence[Revised], bool], bool]
    urgency: str | None = None


def _leaving(comment: str) -> bool:
    return any(word.startswith("cancel") for word in comment.lower().split())


RULES: Final = (
    Rule("call-back", "outreach", 0 * MINUTE, lambda a, _c, _h, _o: a.callback, "urgent"),
    Rule("warn", "continue", 0 * MINUTE, lambda _a, c, _h, _o: _leaving(c)),
    Rule("fell", "continue", 0 * MINUTE, lambda a, _c, h, _o: bool(h) and a.score < h[0].score - 1),
    Rule("keep", "outreach", 5 * MINUTE, lambda a, c, _h, _o: a.band == "detractor" and _leaving(c), "urgent"),
    Rule("tell-owner", "notify", 20 * MINUTE, lambda a, _c, _h, o: a.band == "detractor" and o),
    Rule("talk", "outreach", 10 * MINUTE, lambda a, _c, _h, _o: a.band == "detractor", "high"),
    Rule("ask", "survey_request", 15 * MINUTE, lambda a, _c, h, _o: a.band == "passive" and len(h) >= 1),
    Rule("win", "offer", 30 * MINUTE, lambda a, _c, _h, _o: a.band == "passive"),
    Rule("nothing", "none", 0 * MINUTE, lambda a, _c, _h, _o: a.score == 10),
    Rule("thank", "perk", 60 * MINUTE, lambda a, _c, _h, _o: a.band == "promoter"),
)
"""In the order in which they are asked."""

PERKS_A_DAY: Final = 1
KIND: Final = {"perk": "mail", "offer": "mail", "outreach": "task", "survey_request": "survey"}
CAPS: Final = (("mail", "person", 1, WEEK), ("task", "person", 1, 3 * DAY), ("any", "account", 3, 2 * DAY))


@dataclass
class Model:
    """All that happened, and what follows from it."""

    everybody: Sequence[Somebody]
    log: list[Happened] = field(default_factory=list)

    def revised(self, event: Revised) -> None:
        """A revision counts if it is higher than all before it."""
        if any(one.revision >= event.revision for one in self._revisions(event.answer)):
            return
        first_told = self._is_past(event.answer)
        self.log.append(event)
        closes = self._is_past(event.answer) and not first_told and not event.taken_back
        self._decide(event.answer, event.at, closes=closes)

    def commented(self, event: Commented) -> None:
        """A comment counts if it is newer than those before it."""
        if any(isinstance(one, Commented) and one.revision >= event.revision for one in self._of(event.answer)):
            return
        self.log.append(event)
        answer = self._newest(event.answer)
        if answer is None or answer.taken_back or self._is_past(event.answer):
            return
        rulings = self._rulings(event.answer)
        rule, tell = self._matched(answer)
        more = (rule.name if rule else None) != rulings[-1].rule or set(tell) - self._told(event.answer)
        if rulings[-1].until or self._task(event.answer) == "open" or more:
            self._decide(event.answer, event.at)

    def heard(self, event: MailBecame | TaskBecame | Said) -> None:
        """What others said."""
        if isinstance(event, Said) or self._rulings(event.answer):
            self.log.append(event)

    def time(self, now: datetime) -> None:
        """All that waits and is due is decided again."""
        waiting = [(rulings[-1].until, answer) for answer in self._answers() if (rulings := self._rulings(answer))]
        for until, answer in sorted((until, answer) for until, answer in waiting if until and until <= now):
            del until
            self._decide(answer, now)

    def rulings(self) -> list[Ruling]:
        """Everything that was decided."""
        return [one for one in self.log if isinstance(one, Ruling)]

    def desired(self, answer: str) -> tuple[str | None, str | None]:
        """The mail and the task that are wanted in the end."""
        return self._mail(answer), self._task(answer)

    # what is known of an answer

    def _of(self, answer: str) -> Iterator[Happened]:
        return (one for one in self.log if not isinstance(one, Said) and one.answer == answer)

    def _answers(self) -> set[str]:
        return {one.answer for one in self.log if not isinstance(one, Said)}

    def _revisions(self, answer: str) -> list[Revised]:
        return [one for one in self._of(answer) if isinstance(one, Revised)]

    def _rulings(self, answer: str) -> list[Ruling]:
        return [one for one in self._of(answer) if isinstance(one, Ruling)]

    def _newest(self, answer: str) -> Revised | None:
        return max(self._revisions(answer), key=lambda one: one.revision, default=None)

    def _is_past(self, answer: str) -> bool:
        """It said that it was past before it was live, or led to anything."""
        before: Revised | None = None
        wanted = False
        for one in self._of(answer):
            if isinstance(one, Ruling):
                wanted = wanted or bool(one.mail or one.task)
            if isinstance(one, Revised):
                old = one.history or one.received_at - one.answered_at > WEEK
                if old and not wanted and (before is None or before.taken_back):
                    return True
                before = one
        return False

    def _subject(self, answer: str) -> Somebody | None:
        named = [one.by for one in self._revisions(answer) if one.by]
        return named[-1] if named else None

    def _account(self, answer: str) -> str | None:
        named = [one.by.account for one in self._revisions(answer) if one.by and one.by.account]
        return named[-1] if named else None

    def _comment(self, answer: Revised) -> str:
        late = [one for one in self._of(answer.answer) if isinstance(one, Commented)]
        return late[-1].text if late else answer.comment

    def _told(self, answer: str) -> set[str]:
        return {name for one in self._rulings(answer) for name in one.told}

    def _asked(self, answer: str) -> datetime | None:
        asked = [one.at for one in self._rulings(answer) if (one.outcome, one.action) == ("action", "survey_request")]
        return asked[0] if asked else None

    def _mail(self, answer: str) -> str | None:
        """The mail that is wanted, or has gone."""
        wanted = None
        for one in self._of(answer):
            if isinstance(one, Ruling) and one.mail:
                wanted = one.mail
            if isinstance(one, MailBecame) and one.state in IS_OUT:
                wanted = one.kind
        return wanted

    def _task(self, answer: str) -> str | None:
        return next((one.task for one in reversed(self._rulings(answer)) if one.task), None)

    def _gone(self, answer: str) -> bool:
        return any(isinstance(one, MailBecame) and one.state in IS_OUT for one in self._of(answer))

    def _mailed_at(self, answer: str) -> datetime | None:
        since, number, asked, gone = None, 0, 0, False
        for one in self._of(answer):
            if isinstance(one, Ruling):
                number += 1
                if one.mail:
                    asked, since = number, None if one.mail == "none" else since or one.at
            if isinstance(one, MailBecame) and one.state in IS_OUT:
                gone, since = True, since or one.at
            if isinstance(one, MailBecame) and one.state in IS_NOT_OUT and not gone and one.number == asked:
                since = None
        return since

    def _called_at(self, answer: str) -> datetime | None:
        """Since when there is a task; one that somebody closed was a contact, whatever comes later."""
        since, wanted, closed = None, None, False
        for one in self._of(answer):
            if isinstance(one, TaskBecame):
                closed = one.status in {"done", "cancelled"}
                since = since or (one.at if one.status == "done" else None)
            if isinstance(one, Ruling) and one.task:
                if one.task == "none" and not closed:
                    since = None
                if one.task == "open":
                    since = since or one.at
                closed = closed and one.task == wanted
                wanted = one.task
        return since

    def _closed(self, answer: str) -> bool:
        closed, wanted = False, None
        for one in self._of(answer):
            if isinstance(one, TaskBecame):
                closed = one.status in {"done", "cancelled"}
            if isinstance(one, Ruling) and one.task:
                closed, wanted = closed and one.task == wanted, one.task
        return closed

    # what is known of the person and others

    def _others(self, answer: Revised) -> list[str]:
        """Other answers of the same person."""
        if answer.by is None:
            return []
        mine = answer.by.person
        subjects = {one: self._subject(one) for one in self._answers() if one != answer.answer}
        return [one for one, whose in subjects.items() if whose and whose.person == mine]

    def _history(self, answer: Revised) -> list[Revised]:
        """What they answered before, newest first."""
        found = [self._newest(one) for one in self._others(answer)]
        counted = [one for one in found if one and not one.taken_back and one.answered_at <= answer.answered_at]
        return sorted(counted, key=lambda one: one.answered_at, reverse=True)

    def _contacts(self, answer: str) -> list[tuple[str, datetime]]:
        moments = {"mail": self._mailed_at(answer), "task": self._called_at(answer), "survey": self._asked(answer)}
        return [(kind, at) for kind, at in moments.items() if at]

    def _words(self, person: int) -> set[str]:
        """What holds of what they said: of each word the newest."""
        newest: dict[tuple[str, bool], datetime] = {}
        for one in self.log:
            if isinstance(one, Said) and one.person == person:
                key = one.word, one.over
                newest[key] = max(one.said_at, newest.get(key, one.said_at))
        return {
            word for (word, over), at in newest.items() if not over and not newest.get((word, True), at - DAY) >= at
        }

    # the rules

    def _matched(self, answer: Revised) -> tuple[Rule | None, list[str]]:
        comment, history = self._comment(answer), self._history(answer)
        busy = self._is_busy(answer)
        tell: list[str] = []
        for rule in RULES:
            if rule.holds(answer, comment, history, busy):
                if rule.action != "continue":
                    return rule, tell
                tell.append(rule.name)
        return None, tell

    def _is_busy(self, answer: Revised) -> bool:
        """Whether somebody is at another task of the person."""
        return any(self._task(one) == "open" and not self._closed(one) for one in self._others(answer))

    def _settled_at(self, answer: Revised, rule: Rule) -> datetime | None:
        wanted = self._mail(answer.answer) if rule.action in MAILS else self._task(answer.answer)
        stands = wanted == (rule.action if rule.action in MAILS else "open") and rule.action in {*MAILS, "outreach"}
        if not rule.settle or self._comment(answer) or answer.callback or stands:
            return None
        return self._revisions(answer.answer)[0].received_at + rule.settle

    def _decide(self, answer: str, now: datetime, *, closes: bool = False) -> None:
        self.log.append(self._with_commands(self._ruling(answer, now, closes=closes)))

    def _ruling(self, name: str, now: datetime, *, closes: bool) -> Ruling:
        answer = self._newest(name)
        assert answer is not None
        if closes:
            return Ruling(now, name, "closed", "none", None, "history")
        if answer.taken_back:
            rulings = self._rulings(name)
            waits = bool(rulings and rulings[-1].until)
            something = self._mail(name) in MAILS or self._task(name) == "open" or waits
            outcome = "withdrawn" if something or answer.op == "retracted" else "suppressed"
            return Ruling(now, name, outcome, "none", None, answer.taken_back)
        if self._is_past(name):
            return Ruling(now, name, "suppressed", "none", None, "history")
        rule, tell = self._matched(answer)
        fresh = tuple(one for one in tell if one not in self._told(name))
        if rule is None:
            return Ruling(now, name, "none", "none", None, told=fresh)
        settled_at = self._settled_at(answer, rule)
        if settled_at and now < settled_at:
            return Ruling(now, name, "held", rule.action, rule.name, "settling", settled_at)
        return self._allowed(answer, rule, fresh, now)

    def _allowed(self, answer: Revised, rule: Rule, fresh: tuple[str, ...], now: datetime) -> Ruling:
        name = answer.answer
        if rule.action == "none":
            return Ruling(now, name, "none", "none", rule.name, told=fresh)
        reason, until = self._against(answer, rule, now) if rule.action != "notify" else (None, None)
        if until:
            return Ruling(now, name, "held", rule.action, rule.name, reason, until)
        if reason:
            return Ruling(now, name, "suppressed", "none", rule.name, reason, told=fresh)
        tells = rule.action in {"notify", "survey_request"} and rule.name not in self._told(name)
        told = (*fresh, rule.name) if tells else fresh
        return Ruling(now, name, "action", rule.action, rule.name, told=told, urgency=rule.urgency)

    def _against(self, answer: Revised, rule: Rule, now: datetime) -> tuple[str | None, datetime | None]:
        """Why not, and until when if it is only put off."""
        name, kind = answer.answer, KIND[rule.action]
        if kind == "mail" and self._gone(name):
            return (None if self._mail(name) == rule.action else "already_sent"), None
        if (kind == "task" and self._task(name) == "open") or (kind == "survey" and self._asked(name)):
            return None, None
        reason = self._unwilling(answer, rule.action, kind)
        if reason is None and kind != "task" and now - answer.received_at > WEEK:
            reason = "stale"
        if kind == "task" and answer.callback and not self._is_busy(answer):
            return reason, None
        if reason is None and kind == "mail" and answer.band != "detractor" and answer.by and answer.by.held_out:
            reason = "hold_out"
        if reason is None and self._is_capped(answer, kind, now):
            reason = "cap"
        if reason is None and rule.action == "perk" and self._perks_since_midnight(name, now) >= PERKS_A_DAY:
            reason = "budget"
        if reason is None and kind != "task":
            until = _quiet_until(now, answer.by.ahead if answer.by else 0)
            return ("quiet_hours", until) if until else (None, None)
        return reason, None

    def _unwilling(self, answer: Revised, action: str, kind: str) -> str | None:
        words = self._words(answer.by.person) if answer.by else set()
        if kind == "task":
            return "opt_out" if "no_call" in words else None
        if answer.by is None or not answer.by.email:
            return "no_address"
        if "opt_out" in words or (kind == "survey" and "no_survey" in words):
            return "opt_out"
        return "consent" if action == "offer" and "allows_mail" not in words else None

    def _is_capped(self, answer: Revised, kind: str, now: datetime) -> bool:
        own = self._others(answer)
        account = answer.by.account if answer.by else None
        shared = [one for one in self._answers() if one != answer.answer and account and self._account(one) == account]
        for which, per, most, within in CAPS:
            counted = set(own) | (set(shared) if per == "account" else set())
            met = [
                one
                for other in counted
                for one in self._contacts(other)
                if which in {one[0], "any"} and now - one[1] < within
            ]
            if which in {kind, "any"} and len(met) >= most:
                return True
        return False

    def _perks_since_midnight(self, name: str, now: datetime) -> int:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        others = [one for one in self._answers() if one != name and self._mail(one) == "perk"]
        return sum((self._mailed_at(one) or midnight - DAY) >= midnight for one in others)

    def _with_commands(self, ruling: Ruling) -> Ruling:
        """What is wanted is said, and what is wanted no more is taken back."""
        name, acts = ruling.answer, ruling.outcome == "action"
        mail = ruling.action if acts and ruling.action in MAILS else None
        if mail is None and self._mail(name) in MAILS:
            mail = "none"
        task = "open" if acts and ruling.action == "outreach" else None
        if task is None and self._task(name) == "open":
            task = "none"
        fields: Mapping[str, object] = vars(ruling) | {"mail": None if self._gone(name) else mail, "task": task}
        return Ruling(**fields)  # type: ignore[arg-type]  # of itself


def _quiet_until(now: datetime, ahead: float) -> datetime | None:
    """From eight in the evening to eight in the morning, by a clock that is so many hours ahead."""
    local = now + ahead * HOUR
    if 8 <= local.hour < 20:
        return None
    morning = local.replace(hour=8, minute=0, second=0, microsecond=0)
    return (morning if local.hour < 8 else morning + DAY) - ahead * HOUR
