"""How the line itself fares: what each group has still to read, what was refused, and whether Kafka answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schemas.topic import INBOUND_PATTERN
from schemas.topics import MESSAGES, OUTREACH, PEOPLE, RESPONSES, TALLIES

TALLY: Final = "scoring.tally"
PEOPLE_TALLY: Final = "scoring.people"

GROUPS: Final[Mapping[str, str]] = {
    "intake": INBOUND_PATTERN,
    TALLY: RESPONSES.name,
    PEOPLE_TALLY: PEOPLE.name,
    "scoring.windows": TALLIES.name,
    "routing": RESPONSES.name,
    "delivery": MESSAGES.name,
    "outreach": OUTREACH.name,
}
"""Each consumer group and the topic it lives on, or a pattern of topics: unread from its start if nothing is committed.
What else a group reads counts as soon as it has committed anything there."""

GENERATED: Final = frozenset({TALLY, PEOPLE_TALLY})
"""Each generation of counts has a group of its own, called so or so and a name of its own behind a dot."""

OPTIONAL: Final = frozenset({PEOPLE_TALLY})
"""Nobody need count people: the group is passed over while there is nothing for it to read."""

REBUILT_BELOW: Final = 0.9
REBUILT_FROM: Final = 1_000
"""A tally that has read less than this share of all answers, and so many fewer, is being built or was away for long."""

IN_TRANSACTIONS: Final = frozenset({TALLIES.name, PEOPLE.name})
"""Here a partition ends with the marker of its last transaction, which nobody reads: one record is no lag."""

SCORING: Final = (TALLY, "scoring.windows")


@dataclass(frozen=True, slots=True)
class GroupLag:
    """What one group has still to read, by topic. A group that never committed has not started, or had nothing."""

    group: str
    by_topic: Mapping[str, int]
    started: bool

    @property
    def records(self) -> int:
        """Records of all topics together."""
        return sum(self.by_topic.values())


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: where its record was, and why it was refused."""

    topic: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a look at Kafka found. `kafka_away` is the reason why there was nothing to find."""

    kafka_away: str | None = None
    missing: tuple[str, ...] = ()
    groups: tuple[GroupLag, ...] = ()
    dead: Mapping[str, int] = field(default_factory=dict)
    latest: Letter | None = None
    answers: int = 0
    rebuilt: float | None = None
    """Share of all answers that a tally has read which is being built at present."""

    @property
    def dead_letters(self) -> int:
        """Dead letters of all topics together."""
        return sum(self.dead.values())

    @property
    def scoring_lag(self) -> int:
        """What scoring has still to read."""
        return sum(group.records for group in self.groups if group.group in SCORING)


def furthest(read: Mapping[str, int]) -> str:
    """Of the groups of all generations, the one that has read most."""
    return max(read, key=lambda group: (read[group], group))


def rebuilt(read: int, answers: int) -> float | None:
    """The share that a tally has read, if it is one that is being built."""
    behind = answers - read
    return read / answers if behind >= REBUILT_FROM and read < answers * REBUILT_BELOW else None
