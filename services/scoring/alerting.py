"""Opens and resolves alerts on `nps.alerts`, at fixed hours and never in between.

How alerts stand is read back from the compacted topic once the right to publish for a partition has been taken, and
anew whenever it has been taken anew: nobody else can have changed them since. They are published in the same fenced
transactions as the scores. Nothing is judged before all answers that have arrived are counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from schemas.alert import Alert
from schemas.malformed import Malformed
from schemas.topics import ALERTS
from services.chassis.logs import logger
from services.chassis.reading import open_reader
from services.chassis.records import Cause, Outgoing, outgoing
from services.scoring.alert_rules import Between, Ground, findings, last_turn
from services.scoring.alerts import About, changed_at, given_up, is_watched, judged

if TYPE_CHECKING:
    from services.chassis.business import Sections
    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.scoring.fences import Fence
    from services.scoring.metrics import AnyMetric
    from services.scoring.settings import ScoringSection
    from services.scoring.tally_progress import Arrived

TURN: Final = timedelta(hours=1)
"""The shortest rhythm a rule may have."""

ON_THEIR_WAY: Final = timedelta(minutes=5)
"""How long answers of the hour that has ended are waited for."""

LOOK_AGAIN_S: Final = 1.0

_log = logger("alerts")

SegmentKey = tuple[str, str]
RuleKey = tuple[str, str, str]
"""Tenant, segment and rule."""


class Progress(Protocol):
    """Knows which answers have arrived, and whether they are counted."""

    async def arrived(self) -> Arrived:
        """What has arrived by now."""
        ...

    async def has_read(self, arrived: Arrived) -> bool:
        """Whether all of it is counted."""
        ...


@dataclass(frozen=True, slots=True)
class Owned:
    """One partition whose scores this worker publishes: its right to, how far it has read, and what it counts."""

    partition: int
    fence: Fence
    position: Callable[[], int]
    counts: Callable[[], Mapping[SegmentKey, Between]]
    is_held: Callable[[], bool]


@dataclass(slots=True)
class _Wait:
    """What is waited for before a turn is judged: that these answers are read, and then that the counts are."""

    turn: datetime
    arrived: Arrived
    read_at: float | None = None
    ends: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Memory:
    """How the alerts of one partition stand, as of one term of its fence, and the last turn that was judged."""

    term: int | None
    last: dict[RuleKey, Alert] = field(default_factory=dict)
    turn: datetime | None = None

    def open_ones(self) -> list[Alert]:
        """Alerts that are open."""
        return [alert for alert in self.last.values() if alert.state == "open"]


class Alerting:
    """The alerts of one worker."""

    def __init__(
        self, frame: Frame, sections: Sections[ScoringSection], progress: Progress, *, settle: timedelta
    ) -> None:
        self._kafka = frame.kafka
        self._health = frame.health
        self._metrics: Metrics[AnyMetric] = frame.metrics
        self._sections = sections
        self._progress = progress
        self._settle_s = settle.total_seconds()
        self._memories: dict[int, _Memory] = {}
        self._shown: set[tuple[str, str]] = set()
        self._look_at = 0.0
        self._wait: _Wait | None = None

    async def evaluate_due(self, owned: Sequence[Owned], now: datetime) -> None:
        """Judges every partition whose turn has come; cheap if none has."""
        self._forget(owned)
        turn = last_turn(now - ON_THEIR_WAY, TURN)
        due = [one for one in owned if one.fence.term is not None and self._turn_of(one) != turn]
        loop_time = asyncio.get_running_loop().time()
        if not due or loop_time < self._look_at:
            return
        self._look_at = loop_time + LOOK_AGAIN_S
        with self._health.pausing("alerts"):
            if await self._all_counted(due, turn):
                await self._judge(due, turn, now)

    def _forget(self, owned: Iterable[Owned]) -> None:
        """What is not ours any more, or has been taken anew since, somebody else may have changed."""
        terms = {one.partition: one.fence.term for one in owned}
        gone = [partition for partition, memory in self._memories.items() if terms.get(partition) != memory.term]
        for partition in gone:
            del self._memories[partition]
        if gone:
            self._measure()

    def _turn_of(self, owned: Owned) -> datetime | None:
        memory = self._memories.get(owned.partition)
        return memory.turn if memory else None

    async def _all_counted(self, due: Iterable[Owned], turn: datetime) -> bool:
        """Whether all that had arrived when this was first asked is counted, and the counts are here."""
        loop_time = asyncio.get_running_loop().time()
        if self._wait is None or self._wait.turn != turn:
            self._wait = _Wait(turn, await self._progress.arrived())
        wait = self._wait
        if wait.read_at is None:
            if not await self._progress.has_read(wait.arrived):
                return False
            wait.read_at = loop_time
        if loop_time - wait.read_at < self._settle_s:
            return False
        for one in due:
            if one.partition not in wait.ends:
                wait.ends[one.partition] = await one.fence.end_of_source()
        return all(one.position() >= wait.ends[one.partition] for one in due)

    async def _judge(self, due: Iterable[Owned], turn: datetime, now: datetime) -> None:
        await self._remember([one for one in due if one.partition not in self._memories])
        for one in due:
            memory = self._memories[one.partition]
            changed = await self._changes(one, memory, turn)
            if not one.is_held() or one.fence.term is None or one.fence.term != memory.term:
                continue
            if changed and not await one.fence.publish([_outgoing(alert, now) for alert in changed], now):
                continue  # the term has ended, and with it this memory
            memory.turn = turn
            for alert in changed:
                memory.last[alert.tenant, alert.segment, alert.rule] = alert
                _log.info(f"alert.{alert.state}", alert_id=alert.alert_id, tenant=alert.tenant, rule=alert.rule)
        self._measure()

    async def _remember(self, fresh: Sequence[Owned]) -> None:
        """How alerts stand in partitions that have just been taken over."""
        if not fresh:
            return
        standing = await self._read_back()
        for one in fresh:
            segments = one.counts()
            mine = {key: alert for key, alert in standing.items() if key[:2] in segments}
            self._memories[one.partition] = _Memory(one.fence.term, mine)

    async def _changes(self, owned: Owned, memory: _Memory, turn: datetime) -> list[Alert]:
        """What a turn opens and resolves in one partition. On its first, every rule is judged as of its last turn."""
        changed = []
        anew = memory.turn is None or turn - memory.turn != TURN
        standing: dict[SegmentKey, list[Alert]] = {}
        for alert in memory.open_ones():
            standing.setdefault((alert.tenant, alert.segment), []).append(alert)
        for (tenant, segment), between in owned.counts().items():
            section = self._sections.of(tenant)
            target = section.targets.get(segment)
            value = target.value if target else None
            changed += [
                given_up(alert, turn)
                for alert in standing.get((tenant, segment), ())
                if not is_watched(alert, section.alerts, value)
            ]
            if section.alerts is None or segment not in section.alerts.watched:
                continue
            for finding in findings(Ground(between, turn, value), section.alerts, anew=anew):
                last = memory.last.get((tenant, segment, finding.rule))
                change = judged(last, finding, About(tenant, segment), section.alerts.cool_off)
                changed += [change] if change else []
            await asyncio.sleep(0)
        return changed

    async def _read_back(self) -> dict[RuleKey, Alert]:
        """The newest alert of each rule, as the topic has it."""
        found: dict[RuleKey, Alert] = {}
        async with open_reader(self._kafka) as reader:
            await reader.assign([ALERTS.name])
            async for raw in reader.to_end():
                if raw.value is None:
                    continue
                try:
                    alert = ALERTS.decode(raw.headers, raw.value)
                except Malformed as error:
                    _log.warning("alert.unreadable", offset=raw.offset, reason=str(error))
                    continue
                key = (alert.tenant, alert.segment, alert.rule)
                if key not in found or changed_at(found[key]) <= changed_at(alert):
                    found[key] = alert
        return found

    def _measure(self) -> None:
        """Tells how many alerts are open; where none is left, that there is none."""
        found = Counter((a.tenant, a.rule) for memory in self._memories.values() for a in memory.open_ones())
        for tenant, rule in self._shown | found.keys():
            self._metrics.set("nps_alerts_open", found[tenant, rule], tenant=tenant, rule=rule)
        self._shown |= found.keys()


def _outgoing(alert: Alert, now: datetime) -> Outgoing:
    return outgoing(ALERTS, alert, f"{alert.alert_id}/{alert.state}", Cause("scoring", now))
