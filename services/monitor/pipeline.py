"""How the line itself fares: what each group has still to read, what was refused, and whether Kafka answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schemas.topic import INBOUND_PATTERN
from schemas.topics import MESSAGES, OUTREACH, RESPONSES, TALLIES

GROUPS: Final[Mapping[str, str]] = {
    "intake": INBOUND_PATTERN,
    "scoring.tally": RESPONSES.name,
    "scoring.windows": TALLIES.name,
    "routing": RESPONSES.name,
    "delivery": MESSAGES.name,
    "outreach": OUTREACH.name,
}
"""Each consumer group and the topic it lives on, or a pattern of topics: unread from its start if nothing is committed.
What else a group reads counts as soon as it has committed anything there."""

IN_TRANSACTIONS: Final = frozenset({TALLIES.name})
"""Here a partition ends with the marker of its last transaction, which nobody reads: one record is no lag."""

SCORING: Final = ("scoring.tally", "scoring.windows")


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

    @property
    def dead_letters(self) -> int:
        """Dead letters of all topics together."""
        return sum(self.dead.values())

    @property
    def scoring_lag(self) -> int:
        """What scoring has still to read."""
        return sum(group.records for group in self.groups if group.group in SCORING)
