"""What a simulation tells: who would get what by each playbook, why not, and the work and money that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice, zip_longest
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from services.routing.playbooks.rulebook import Rulebook
from services.routing.simulating.outcomes import Came, Changed, Outcomes, Work

MOST_EXAMPLES: Final = 20


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Side(_Told):
    """One playbook and what it leads to."""

    playbook: str
    version: str
    mails: int
    tasks: int
    tasks_per_day: float = Field(description="on average, over the days (UTC) that were simulated")
    busiest_day: date | None = None
    tasks_on_busiest_day: int = 0
    surveys: int
    notices: int
    cost: float = Field(description="of all mails, by the `cost` of their rules")


class Line(_Told):
    """A rule and what it does, or a reason for doing nothing, and of how many answers."""

    rule: str | None = None
    what: str
    today: int
    candidate: int

    @property
    def difference(self) -> int:
        """How many more by the candidate."""
        return self.candidate - self.today


class Example(_Told):
    """An answer that comes to something else."""

    response_id: str
    received_at: datetime
    band: str | None
    today: str
    candidate: str


class Simulation(_Told):
    """A playbook tried on the answers there are. Counts are of answers, by what they come to in the end."""

    tenant: str
    since: datetime
    until: datetime
    answers: int
    left_out: int = Field(description="later words about answers from before `since`")
    changed: int
    today: Side
    candidate: Side
    rules: list[Line]
    suppressed: list[Line]
    examples: list[Example]


def reported(of: tuple[str, datetime, datetime], outcomes: Outcomes, rulebooks: Sequence[Rulebook]) -> Simulation:
    """A simulation's outcomes in a form to be shown; `of` is the tenant, and from when until when."""
    tenant, since, until = of
    days = max((until.date() - since.date()).days + 1, 1)
    today, candidate = (_side(one, work, days) for one, work in zip(rulebooks, outcomes.works, strict=True))
    return Simulation(
        tenant=tenant,
        since=since,
        until=until,
        answers=outcomes.pairs.total(),
        left_out=outcomes.before,
        changed=outcomes.changed,
        today=today,
        candidate=candidate,
        rules=_lines(outcomes, _by_rule),
        suppressed=_lines(outcomes, _by_reason),
        examples=list(islice(_examples(outcomes), MOST_EXAMPLES)),
    )


def _side(rulebook: Rulebook, work: Work, days: int) -> Side:
    busiest = max(work.tasks_by_day, key=lambda day: (work.tasks_by_day[day], day), default=None)
    return Side(
        playbook=rulebook.playbook.name,
        version=rulebook.version,
        mails=work.mails,
        tasks=work.tasks_by_day.total(),
        tasks_per_day=round(work.tasks_by_day.total() / days, 1),
        busiest_day=busiest,
        tasks_on_busiest_day=work.tasks_by_day[busiest] if busiest else 0,
        surveys=work.surveys,
        notices=work.notices,
        cost=round(work.cost, 2),
    )


_Row = tuple[str | None, str]


def _by_rule(came: Came) -> _Row | None:
    return (came.rule, came.what) if came.outcome in {"action", "none"} else None


def _by_reason(came: Came) -> _Row | None:
    return None if came.outcome in {"action", "none"} else (None, came.reason or came.outcome)


def _lines(outcomes: Outcomes, row_of: Callable[[Came], _Row | None]) -> list[Line]:
    counts: tuple[Counter[_Row], Counter[_Row]] = (Counter(), Counter())
    for pair, number in outcomes.pairs.items():
        for counted, came in zip(counts, pair, strict=True):
            row = row_of(came)
            if row:
                counted[row] += number
    rows = sorted(counts[0].keys() | counts[1].keys(), key=lambda row: (-max(one[row] for one in counts), str(row)))
    return [Line(rule=row[0], what=row[1], today=counts[0][row], candidate=counts[1][row]) for row in rows]


def _examples(outcomes: Outcomes) -> Iterator[Example]:
    """One of each change, the most frequent first, then another of each."""
    often = sorted(outcomes.examples, key=lambda pair: (-outcomes.pairs[pair], str(pair)))
    by_change = [sorted(outcomes.examples[pair], key=lambda one: (one.received_at, one.response_id)) for pair in often]
    for turn in zip_longest(*by_change):
        yield from (_example(one) for one in turn if one)


def _example(one: Changed) -> Example:
    return Example(
        response_id=one.response_id,
        received_at=one.received_at,
        band=one.band,
        today=_said(one.today),
        candidate=_said(one.candidate),
    )


def _said(came: Came) -> str:
    what = f"{came.what} ({came.reason})" if came.reason else came.what
    return f"{what} by {came.rule}" if came.rule else what
