"""What the rules of a playbook did, and what the one on trial would have done.

Answers are counted, each by its newest decision.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.monitor.answers import Decided, Followed, Shadowed

OF_THE_FILE: Final = "file-"
"""How versions of the playbook in the business file begin."""

TOLD: Final = "told"
"""A rule told somebody and let others decide."""

NO_RULE: Final = None

MOST_ROWS: Final = 20
MOST_IDS: Final = 3

Outcomes = Counter[str]


def by_rule(answers: Iterable[Followed]) -> dict[str | None, Outcomes]:
    """Answers by the rule that decided, and by what came of it; those that no rule decided about are under none."""
    found: defaultdict[str | None, Outcomes] = defaultdict(Counter)
    for decided in _decisions(answers):
        found[decided.rule][decided.outcome] += 1
        for notice in decided.notices:
            found[notice][TOLD] += 1
    return dict(found)


def version_of_file(answers: Iterable[Followed]) -> str | None:
    """The version of the business file's playbook that decided last; none if it has not decided."""
    versions = [(decided.at, decided.version) for decided in _decisions(answers) if decided.version]
    return max((one for one in versions if one[1].startswith(OF_THE_FILE)), default=(None, None))[1]


def decided_by(answers: Iterable[Followed], version: str | None) -> int:
    """How many answers a version decided about."""
    return sum(decided.version == version for decided in _decisions(answers))


def _decisions(answers: Iterable[Followed]) -> Iterator[Decided]:
    return (followed.decided for followed in answers if followed.decided)


class Came(NamedTuple):
    """What a playbook makes of an answer."""

    rule: str | None
    action: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What was decided, what would have been, of how many answers, and the newest of these."""

    before: Came
    after: Came
    number: int
    response_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a playbook on trial has shown so far: the differences, the most frequent first."""

    decided: int
    differing: int
    differences: tuple[Difference, ...]


def trial(answers: Iterable[Followed], version: str) -> Trial:
    """A playbook on trial beside what was decided; answers come with the newest first.

    Only decisions of one number are of the same facts, and only those are compared.
    """
    decided = 0
    found: defaultdict[tuple[Came, Came], list[str]] = defaultdict(list)
    for response_id, one, other in _compared(answers, version):
        decided += 1
        if other.differs:
            found[_came(one), _came(other)].append(response_id)
    often = sorted(found.items(), key=lambda item: (-len(item[1]), str(item[0])))
    return Trial(
        decided=decided,
        differing=sum(map(len, found.values())),
        differences=tuple(Difference(*pair, len(ids), tuple(ids[:MOST_IDS])) for pair, ids in often[:MOST_ROWS]),
    )


def _compared(answers: Iterable[Followed], version: str) -> Iterator[tuple[str, Decided, Shadowed]]:
    for followed in answers:
        decided, shadowed = followed.decided, followed.shadowed
        if decided and shadowed and shadowed.version == version and shadowed.number == decided.number:
            yield followed.response_id, decided, shadowed


def _came(one: Decided | Shadowed) -> Came:
    return Came(one.rule, one.action, one.outcome)


def rest(counts: Mapping[str | None, Outcomes], rules: Iterable[str]) -> dict[str, int]:
    """Rules that a playbook does not have, and how many answers they decided about, the larger number first."""
    known = set(rules)
    others = {name: outcomes.total() for name, outcomes in counts.items() if name is not NO_RULE and name not in known}
    return dict(sorted(others.items(), key=lambda item: (-item[1], item[0])))
