"""What a simulation counts: what each answer came to under both playbooks, and the work and money that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, NamedTuple, Self

from schemas.contract import Band
from schemas.decision import Action, Decided, Reason
from schemas.response import Response
from services.routing.domain import Wanted
from services.routing.playbooks.playbook import Playbook, Rule

EXAMPLES_PER_CHANGE: Final = 20

_FELT: Final = ("action", "template", "invites", "urgency", "due_in", "owner", "to", "ask_after")
"""Of a rule, what somebody notices."""


class Came(NamedTuple):
    """What an answer came to under one playbook."""

    outcome: Decided
    action: Action
    rule: str | None
    reason: Reason | None

    @classmethod
    def of(cls, wanted: Wanted) -> Self:
        """From what was wanted last."""
        return cls(wanted.outcome, wanted.action, wanted.rule.name if wanted.rule else None, wanted.reason)

    @property
    def what(self) -> str:
        """The action that is taken, else why none is."""
        return self.action if self.outcome == "action" else self.outcome


Pair = tuple[Came, Came]
"""Today's and the candidate's."""


class Changed(NamedTuple):
    """An answer that comes to something else. No personal data."""

    response_id: str
    received_at: datetime
    band: Band | None
    channel: str | None
    today: Came
    candidate: Came


@dataclass(slots=True)
class Work:
    """What one playbook makes others do. A withdrawn task has been opened all the same."""

    mails: int = 0
    surveys: int = 0
    notices: int = 0
    cost: float = 0.0
    tasks_by_day: Counter[date] = field(default_factory=Counter)

    def add(self, other: Work) -> None:
        """Takes in what another worker counted."""
        self.mails += other.mails
        self.surveys += other.surveys
        self.notices += other.notices
        self.cost += other.cost
        self.tasks_by_day += other.tasks_by_day


@dataclass(slots=True)
class Outcomes:
    """Everything that is told in the end, small however many answers there are."""

    differ: Callable[[Came, Came], bool] | None = None
    keep: Callable[[Changed], None] | None = None
    pairs: Counter[Pair] = field(default_factory=Counter)
    works: tuple[Work, Work] = field(default_factory=lambda: (Work(), Work()))
    examples: dict[Pair, list[Changed]] = field(default_factory=dict)
    changed: int = 0
    before: int = 0
    """Later words about answers from before, which are left out."""
    _known: dict[Pair, bool] = field(default_factory=dict)

    def note(self, answer: Response, pair: Pair) -> None:
        """Counts an answer once both playbooks are done with it."""
        self.pairs[pair] += 1
        differs = self._known.get(pair)
        if differs is None:
            differs = self._known[pair] = self.differ is not None and self.differ(*pair)
        if not differs:
            return
        self.changed += 1
        examples = self.examples.setdefault(pair, [])
        if len(examples) < EXAMPLES_PER_CHANGE or self.keep:
            one = Changed(answer.response_id, answer.received_at, answer.band(), answer.channel, *pair)
            if len(examples) < EXAMPLES_PER_CHANGE:
                examples.append(one)
            if self.keep:
                self.keep(one)

    def without_functions(self) -> Outcomes:
        """The same, fit to be handed to another process."""
        return Outcomes(None, None, self.pairs, self.works, self.examples, self.changed, self.before)


class Effects:
    """What people get by each playbook. A rule that only has another name changes nothing for anybody."""

    def __init__(self, playbooks: Iterable[Playbook]) -> None:
        self._does = [{rule.name: _effect(rule) for rule in one.rules} for one in playbooks]

    def differ(self, today: Came, candidate: Came) -> bool:
        """Whether an answer comes to something else."""
        before, after = (self._of(place, one) for place, one in enumerate((today, candidate)))
        return before != after

    def _of(self, place: int, came: Came) -> tuple[object, ...]:
        if came.outcome != "action" or came.rule is None:
            return came.outcome, came.reason
        return came.outcome, self._does[place].get(came.rule)


def _effect(rule: Rule) -> tuple[object, ...]:
    return tuple(getattr(rule, name) for name in _FELT)


def together(parts: Iterable[Outcomes]) -> Outcomes:
    """What several workers have counted."""
    whole = Outcomes()
    for part in parts:
        whole.pairs += part.pairs
        whole.changed += part.changed
        whole.before += part.before
        for pair, examples in part.examples.items():
            whole.examples.setdefault(pair, []).extend(examples)
        for work, other in zip(whole.works, part.works, strict=True):
            work.add(other)
    return whole
