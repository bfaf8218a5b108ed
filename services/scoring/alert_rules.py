"""What each rule finds in the counts of a segment at a moment: alarming, calm, or unclear. Pure; time is an argument.

Alarming opens an alert, calm resolves it, unclear leaves it as it is: the gap between the two is what keeps an alert
from opening and closing with every look. Spans never overlap, so no answer is on both sides of a comparison. Late and
imported answers count at the time they were given, and so as part of the usual rather than of the news.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

from schemas.alert import AlertKind
from schemas.contract import Band
from services.scoring.alert_settings import AlertsSection, BandRule, MovedRule, SilentRule, TargetRule
from services.scoring.score import INDICATIVE_FROM, Counts, Spanned, difference, reached

Between = Callable[[datetime, datetime], list[int]]
"""Answers by score 0 to 10 of a span [start, end)."""

Verdict = Literal["alarming", "calm", "unclear"]

WEEK: Final = timedelta(weeks=1)
WEEKS_BACK: Final = 4
SPANS_BACK: Final = 12
"""How far back a score may have been unclear about its target until nobody remembers on which side it was."""

LEAST_SPANS: Final = 7
LEAST_EXPECTED: Final = 5
"""A share of fewer expected answers is not nearly normal (Montgomery, Statistical Quality Control)."""

BACK_TO_USUAL: Final = 0.5
"""Share of the usual number from which on answers are coming again."""

MOVING_RANGE: Final = 1.128
"""Mean range of two normal values in standard deviations (d2 of control charts)."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a rule looks at: the counts of one segment up to a moment, and its target."""

    between: Between
    at: datetime
    target: float | None = None

    def span(self, ends_before: timedelta, length: timedelta) -> Spanned:
        """The span of a length that ended so long before the moment."""
        end = self.at - ends_before
        start = end - length
        return Spanned(Counts.of(self.between(start, end)), start, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule found, with the figures it goes by."""

    rule: str
    kind: AlertKind
    at: datetime
    verdict: Verdict
    window: Spanned
    baseline: Spanned | None = None
    p: float | None = None
    band: Band | None = None
    limits: tuple[float, float] | None = None
    target: float | None = None
    usual: float | None = None


def findings(ground: Ground, section: AlertsSection, *, anew: bool) -> list[Finding]:
    """What the rules whose turn it is find; all of them, each as of its last turn, if judged anew."""
    found: list[Finding] = []
    for rule in (section.moved, section.target, section.silent, section.band):
        if rule is None:
            continue
        turn = last_turn(ground.at, rule.every)
        if anew or turn == ground.at:
            found += _look(Ground(ground.between, turn, ground.target), rule)
    return found


def _look(ground: Ground, rule: MovedRule | TargetRule | SilentRule | BandRule) -> list[Finding]:
    match rule:
        case MovedRule():
            return _moved(ground, rule)
        case TargetRule():
            return _target(ground, rule)
        case SilentRule():
            return _silent(ground, rule)
        case BandRule():
            return _bands(ground, rule)


def last_turn(now: datetime, every: timedelta) -> datetime:
    """The last moment at which a rule of this rhythm looked, counted from midnight UTC."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return now - (now - midnight) % every


def _moved(ground: Ground, rule: MovedRule) -> list[Finding]:
    """The window against the baseline right before it, by the z test of two scores."""
    window, baseline = ground.span(timedelta(0), rule.window), ground.span(rule.window, rule.baseline)
    found = difference(window, baseline, 1 - rule.p)
    return [
        Finding(
            rule=name,
            kind="moved",
            at=ground.at,
            verdict=_has_moved(sign * (found.delta or 0.0), found.p, (window, baseline), rule),
            window=window,
            baseline=baseline,
            p=found.p,
        )
        for name, sign in (("nps-fell", -1), ("nps-rose", 1))
    ]


def _has_moved(points: float, p: float | None, spans: tuple[Spanned, Spanned], rule: MovedRule) -> Verdict:
    """The verdict on a move of so many points in the direction asked for; negative is the other one."""
    if p is None or min(span.counts.n for span in spans) < rule.least:
        return "unclear"
    if points >= rule.effect and p < rule.p:
        return "alarming"
    return "calm" if points < rule.effect / 2 or p >= rule.settled_p else "unclear"


def _target(ground: Ground, rule: TargetRule) -> list[Finding]:
    """The window against the target: crossed if an earlier window was clearly on the other side."""
    if ground.target is None:
        return []
    window = ground.span(timedelta(0), rule.window)
    probability, side = _side(window, ground.target, rule)
    before = _side_before(ground, ground.target, rule) if side else 0
    found = []
    for name, sign in (("target-missed", -1), ("target-reached", 1)):
        verdict: Verdict = "unclear"
        if side == sign and before == -sign:
            verdict = "alarming"
        elif side or (probability is not None and sign * (probability - 0.5) < 0):
            verdict = "calm"
        found.append(
            Finding(
                rule=name,
                kind="target",
                at=ground.at,
                verdict=verdict,
                window=window,
                p=probability,
                target=ground.target,
            )
        )
    return found


def _side(window: Spanned, target: float, rule: TargetRule) -> tuple[float | None, int]:
    """How probable it is that the target has been reached, and the side that is clear: 1, -1, or 0 if none is."""
    probability = reached(window.counts, target)
    if probability is None or window.counts.n < rule.least:
        return None, 0
    return probability, 1 if probability >= 1 - rule.doubt else -1 if probability <= rule.doubt else 0


def _side_before(ground: Ground, target: float, rule: TargetRule) -> int:
    """The side of the newest earlier window that was clearly on one; 0 if none was."""
    earlier = (ground.span(number * rule.window, rule.window) for number in range(1, SPANS_BACK + 1))
    return next((side for window in earlier if (side := _side(window, target, rule)[1])), 0)


def _silent(ground: Ground, rule: SilentRule) -> list[Finding]:
    """How many answered, against the same hours of the weeks before; the second smallest of them is the usual number.

    So a holiday among them does not count, nor does a segment that is younger than three weeks.
    """
    window = ground.span(timedelta(0), rule.window)
    earlier = [ground.span(number * WEEK, rule.window).counts.n for number in range(1, WEEKS_BACK + 1)]
    usual = sorted(earlier)[1]
    n = window.counts.n
    p = _at_most(n, usual)
    verdict: Verdict = "unclear"
    if n > BACK_TO_USUAL * usual:
        verdict = "calm"
    elif n <= rule.share * usual and p < rule.p:
        verdict = "alarming"
    return [Finding(rule="silent", kind="silent", at=ground.at, verdict=verdict, window=window, p=p, usual=usual)]


def _at_most(n: int, mean: float) -> float:
    """The Poisson probability of at most n where `mean` are usual; summed from n down, so that it ends early."""
    if n >= mean:
        return 1.0  # more than is usual is no silence, whatever the exact figure
    total = 0.0
    for k in range(n, -1, -1):
        term = math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
        total += term
        if term < total * 1e-12:
            break
    return total


def _bands(ground: Ground, rule: BandRule) -> list[Finding]:
    """Each band's share against the limits of a p-chart over the spans before."""
    window, baseline = ground.span(timedelta(0), rule.window), ground.span(rule.window, rule.baseline)
    spans = [
        ground.span(number * rule.window, rule.window).counts for number in range(1, rule.baseline // rule.window + 1)
    ]
    known = [counts for counts in spans if counts.n >= INDICATIVE_FROM]
    found = []
    for band, of in _BANDS:
        limits = _limits([(of(counts), counts.n) for counts in known], window.counts.n, rule)
        share = of(window.counts) / window.counts.n if window.counts.n else 0.0
        for direction, sign in (("up", 1), ("down", -1)):
            found.append(
                Finding(
                    rule=f"{band}s-{direction}",
                    kind="band",
                    at=ground.at,
                    verdict=_out_of_limits(sign, share, limits),
                    window=window,
                    baseline=baseline,
                    band=band,
                    limits=limits,
                )
            )
    return found


def _limits(shares: Sequence[tuple[int, int]], n: int, rule: BandRule) -> tuple[float, float] | None:
    """Control limits for a span of n answers; none where the normal distribution would not hold.

    p ± k r sqrt(p (1 - p) / n), where r is how restless the shares are beyond chance: the mean moving range of their
    z values over 1.128, and at least 1 (Laney, 2002).
    """
    if n < rule.least or len(shares) < LEAST_SPANS:
        return None
    centre = sum(x for x, _ in shares) / sum(of for _, of in shares)
    if n * min(centre, 1 - centre) < LEAST_EXPECTED:
        return None
    spread = math.sqrt(centre * (1 - centre))
    z = [(x / of - centre) * math.sqrt(of) / spread for x, of in shares]
    ranges = [abs(one - next_) for one, next_ in pairwise(z)]
    restless = max(1.0, sum(ranges) / len(ranges) / MOVING_RANGE)
    half = rule.sigmas * restless * spread / math.sqrt(n)
    return centre - half, centre + half


def _out_of_limits(sign: int, share: float, limits: tuple[float, float] | None) -> Verdict:
    if limits is None:
        return "unclear"
    centre, half = sum(limits) / 2, (limits[1] - limits[0]) / 2
    beyond = sign * (share - centre)
    if beyond > half:
        return "alarming"
    return "calm" if beyond <= half / 2 else "unclear"


_BANDS: Final[tuple[tuple[Band, Callable[[Counts], int]], ...]] = (
    ("promoter", lambda counts: counts.promoters),
    ("passive", lambda counts: counts.passives),
    ("detractor", lambda counts: counts.detractors),
)
