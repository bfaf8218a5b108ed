"""Alerts in words: what happened, with the figures and how sure they are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, Literal

from schemas.alert import AlertKind
from schemas.tally import ALL
from services.scoring.alert_rules import Finding
from services.scoring.score import Counts, Spanned, nps

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SMALLEST_P: Final = 0.0001

State = Literal["open", "resolved"]


def told(segment: str, finding: Finding, state: State) -> str:
    """What an alert says when it is opened or resolved."""
    return _SENTENCES[finding.kind](finding, "" if segment == ALL else f" of {segment}", state)


def _moved(finding: Finding, of: str, state: State) -> str:
    window, baseline = finding.window, finding.baseline
    assert baseline is not None, "a move has something it moved from"
    new, old = nps(window.counts) or 0.0, nps(baseline.counts) or 0.0
    verb, noun = ("fell", "fall") if finding.rule == "nps-fell" else ("rose", "rise")
    news = f"NPS{of} {verb} by {abs(new - old):.1f} points" if state == "open" else f"The {noun} of NPS{of} is over"
    figures = f"{new:.1f} in the last {_length(window)} (n {window.counts.n:,})"
    before = f"{old:.1f} in the {_length(baseline)} before (n {baseline.counts.n:,})"
    return f"{news}: {figures} against {before}; p {_p(finding.p)}"


def _target(finding: Finding, of: str, state: State) -> str:
    verb = "fell below" if finding.rule == "target-missed" else "reached"
    news = f"NPS{of} {verb} its target of {finding.target:g}"
    if state == "resolved":
        news = f"NPS{of} and its target of {finding.target:g} are no news any more"
    points = nps(finding.window.counts) or 0.0
    figures = f"{points:.1f} in the last {_length(finding.window)} (n {finding.window.counts.n:,})"
    return f"{news}: {figures}; probability that it is reached {_p(finding.p)}"


def _silent(finding: Finding, of: str, state: State) -> str:
    news = f"Answers{of} stay away" if state == "open" else f"Answers{of} are coming again"
    n, length = finding.window.counts.n, _length(finding.window)
    return f"{news}: {n:,} in the last {length}, where {finding.usual:,.0f} are usual in the same hours of a week"


def _band(finding: Finding, of: str, state: State) -> str:
    window, baseline = finding.window.counts, finding.baseline
    assert baseline is not None, "a share has something it is held against"
    more = "More" if finding.rule.endswith("-up") else "Fewer"
    news = f"{more} {finding.band}s{of} than usual"
    if state == "resolved":
        news = f"{str(finding.band).capitalize()}s{of} are as usual again"
    figures = f"{_percent(finding, window)} of {window.n:,} answers in the last {_length(finding.window)}"
    before = f"{_percent(finding, baseline.counts)} in the {_length(baseline)} before"
    limits = finding.limits
    usual = f"; {100 * max(limits[0], 0):.1f} % to {100 * min(limits[1], 1):.1f} % are within limits" if limits else ""
    return f"{news}: {figures} against {before}{usual}"


def share(finding: Finding, counts: Counts) -> float | None:
    """The share of the band a finding is about; none if it is about no band, or nobody answered."""
    by_band = {"promoter": counts.promoters, "passive": counts.passives, "detractor": counts.detractors}
    return by_band[finding.band] / counts.n if finding.band and counts.n else None


def _percent(finding: Finding, counts: Counts) -> str:
    return f"{100 * (share(finding, counts) or 0.0):.1f} %"


def _length(span: Spanned) -> str:
    assert span.start is not None, "rules look at spans that begin somewhere"
    length = span.end - span.start
    if length > DAY and not length % DAY:
        return f"{length // DAY} days"
    hours = length // HOUR
    return "hour" if hours == 1 else f"{hours} hours"


def _p(p: float | None) -> str:
    if p is None:
        return "unknown"
    if p < SMALLEST_P:
        return f"below {SMALLEST_P:.4f}"
    return f"{p:.1g}" if p < 0.01 else f"{p:.2f}"


_SENTENCES: Final[Mapping[AlertKind, Callable[[Finding, str, State], str]]] = {
    "moved": _moved,
    "target": _target,
    "silent": _silent,
    "band": _band,
}
