"""When an alert opens and when it is resolved. Pure: findings come in, and with them the alert as it last stood.

An alert opens once, with an id made of what opened it, and is resolved once. After that it cools off. Looks come in the
order of time: one that is not later than the alert's last change says nothing new, so that looking again after a
restart changes nothing. An alert that could not be judged for four weeks is resolved as well, for its window has become
part of what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from schemas.alert import Alert, AlertSpan
from schemas.topic import join_key
from services.scoring.alert_rules import Finding
from services.scoring.alert_settings import AlertsSection
from services.scoring.alert_texts import share, told
from services.scoring.score import Spanned, nps

ALERT_IDS: Final = UUID("0a6dc35c-6a2d-5bb4-b5f3-4f5d5a8d5d3c")
LAPSES_AFTER: Final = timedelta(days=28)
LONGEST_TEXT: Final = 2_000


@dataclass(frozen=True, slots=True)
class About:
    """Whose alert it is."""

    tenant: str
    segment: str


def judged(last: Alert | None, finding: Finding, about: About, cool_off: timedelta) -> Alert | None:
    """The alert that a finding opens or resolves; none if all stays as it is. `last` is the rule's newest alert."""
    if last is not None and finding.at <= changed_at(last):
        return None
    if last is None or last.state == "resolved":
        cold = last is None or finding.at - changed_at(last) >= cool_off
        return _opened(finding, about) if cold and finding.verdict == "alarming" else None
    if finding.verdict == "calm":
        return _resolved(last, finding, told(about.segment, finding, "resolved"))
    if finding.verdict == "unclear" and finding.at - last.opened_at >= LAPSES_AFTER:
        return _resolved(last, finding, f"Not to be judged any more: {last.text}")
    return None


def is_watched(alert: Alert, section: AlertsSection | None, target: float | None) -> bool:
    """Whether the business file still asks for the rule that opened an alert."""
    if section is None or alert.kind is None or alert.segment not in section.watched:
        return False
    return getattr(section, alert.kind) is not None and (alert.kind != "target" or target is not None)


def given_up(alert: Alert, at: datetime) -> Alert:
    """An open alert whose rule is no longer asked for, resolved."""
    return alert.model_copy(
        update={"state": "resolved", "resolved_at": at, "text": f"No longer watched: {alert.text}"[:LONGEST_TEXT]}
    )


def changed_at(alert: Alert) -> datetime:
    """When an alert last changed."""
    return alert.resolved_at or alert.opened_at


def alert_id(about: About, rule: str, opened_at: datetime) -> str:
    """The same for the same alert, whoever opens it and however often."""
    parts = (about.tenant, about.segment, rule, opened_at.isoformat())
    return str(uuid5(ALERT_IDS, join_key(parts).decode()))


def _opened(finding: Finding, about: About) -> Alert:
    return Alert(
        alert_id=alert_id(about, finding.rule, finding.at),
        tenant=about.tenant,
        segment=about.segment,
        rule=finding.rule,
        state="open",
        text=told(about.segment, finding, "open"),
        opened_at=finding.at,
        kind=finding.kind,
        p=finding.p,
        window=_span(finding, finding.window),
        baseline=_span(finding, finding.baseline),
        band=finding.band,
        low=finding.limits[0] if finding.limits else None,
        high=finding.limits[1] if finding.limits else None,
        target=finding.target,
        usual=finding.usual,
    )


def _resolved(last: Alert, finding: Finding, text: str) -> Alert:
    now = _opened(finding, About(last.tenant, last.segment))
    return now.model_copy(
        update={
            "alert_id": last.alert_id,
            "state": "resolved",
            "text": text[:LONGEST_TEXT],
            "opened_at": last.opened_at,
            "resolved_at": finding.at,
        }
    )


def _span(finding: Finding, span: Spanned | None) -> AlertSpan | None:
    if span is None or span.start is None:
        return None
    counts = span.counts
    return AlertSpan(start=span.start, end=span.end, n=counts.n, nps=nps(counts), share=share(finding, counts))
