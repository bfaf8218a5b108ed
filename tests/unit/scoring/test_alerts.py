"""When an alert opens, when it is resolved, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Alert
from services.scoring.alert_rules import Finding, Verdict
from services.scoring.alert_settings import AlertsSection
from services.scoring.alert_texts import told
from services.scoring.alerts import About, alert_id, given_up, is_watched, judged
from services.scoring.score import Counts, Spanned

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FINLAND = About("default", "country=FI")


def span(counts: Counts, length: timedelta = DAY, before: timedelta = timedelta(0)) -> Spanned:
    return Spanned(counts, NOON - before - length, NOON - before)


def finding(verdict: Verdict = "alarming", at: datetime = NOON, **shown: Any) -> Finding:  # fields of any type
    fields: dict[str, Any] = {
        "rule": "nps-fell",
        "kind": "moved",
        "window": span(Counts(92, 67, 53)),
        "baseline": span(Counts(2764, 2124, 1016), 28 * DAY, DAY),
        "p": 0.0031,
    }
    return Finding(**(fields | shown | {"verdict": verdict, "at": at}))


def after(*steps: Finding, cool_off: timedelta = DAY) -> list[Alert]:
    """Every change that findings make, one after the other."""
    changes: list[Alert] = []
    for step in steps:
        changed = judged(changes[-1] if changes else None, step, FINLAND, cool_off)
        changes += [changed] if changed else []
    return changes


def states(changes: list[Alert]) -> list[str]:
    return [change.state for change in changes]


def test_an_alert_opens_once_however_long_it_lasts() -> None:
    assert states(after(*(finding(at=NOON + number * HOUR) for number in range(5)))) == ["open"]


def test_what_is_unclear_neither_opens_an_alert_nor_resolves_it() -> None:
    assert after(finding("unclear")) == []
    assert states(after(finding(), finding("unclear", NOON + HOUR))) == ["open"]


def test_an_alert_is_resolved_once_under_the_id_it_was_opened_with() -> None:
    opened, resolved = after(finding(), finding("calm", NOON + HOUR), finding("calm", NOON + 2 * HOUR))
    assert (opened.state, resolved.state, resolved.resolved_at) == ("open", "resolved", NOON + HOUR)
    assert (resolved.alert_id, resolved.opened_at) == (opened.alert_id, opened.opened_at)


def test_an_alert_cools_off_before_it_opens_again() -> None:
    calm = finding("calm", NOON + HOUR)
    soon, later = finding(at=NOON + 24 * HOUR), finding(at=NOON + 25 * HOUR)
    assert states(after(finding(), calm, soon)) == ["open", "resolved"]
    first, _, second = after(finding(), calm, soon, later)
    assert second.state == "open"
    assert second.alert_id != first.alert_id


def test_looking_again_at_the_same_hour_or_an_earlier_one_changes_nothing() -> None:
    """After a restart a turn is judged again, and late answers may let it come out otherwise."""
    assert states(after(finding(), finding("calm"), finding("calm", NOON - HOUR))) == ["open"]
    assert states(after(finding(), finding("calm", NOON + HOUR), finding(at=NOON), cool_off=0 * HOUR)) == [
        "open",
        "resolved",
    ]


@given(
    st.lists(st.tuples(st.sampled_from(["alarming", "calm", "unclear"]), st.integers(0, 80)), max_size=40),
    st.integers(0, 48),
)
def test_whatever_is_found_alerts_open_and_are_resolved_in_turn(found: list[tuple[Verdict, int]], cool: int) -> None:
    """In any order of time, as a clock that was set back or a second look after a restart would have it."""
    changes = after(*(finding(verdict, NOON + hour * HOUR) for verdict, hour in found), cool_off=cool * HOUR)
    assert states(changes) == (["open", "resolved"] * 20)[: len(changes)]
    for opened, resolved in zip(changes[::2], changes[1::2], strict=False):
        assert opened.alert_id == resolved.alert_id
        assert opened.opened_at < (resolved.resolved_at or opened.opened_at)
    for resolved, opened in zip(changes[1::2], changes[2::2], strict=False):
        assert opened.opened_at - (resolved.resolved_at or NOON) >= max(cool * HOUR, timedelta(microseconds=1))


def test_an_alert_that_cannot_be_judged_for_four_weeks_is_resolved() -> None:
    changes = after(finding(), finding("unclear", NOON + 27 * DAY), finding("unclear", NOON + 28 * DAY))
    assert states(changes) == ["open", "resolved"]
    assert changes[-1].text.startswith("Not to be judged any more: NPS of country=FI fell by")


def test_the_id_of_an_alert_is_made_of_what_opened_it() -> None:
    ids = {
        alert_id(about, rule, at)
        for about in (FINLAND, About("default", "all"), About("other", "all"))
        for rule in ("nps-fell", "nps-rose")
        for at in (NOON, NOON + HOUR)
    }
    assert len(ids) == 12
    assert alert_id(FINLAND, "nps-fell", NOON) == "c77337a7-1f9c-5226-a266-f3186429253f"


def test_machines_find_the_figures_of_a_person_s_sentence() -> None:
    (alert,) = after(finding())
    assert alert.window is not None
    assert alert.baseline is not None
    assert (alert.kind, alert.window.n, alert.baseline.n, alert.p) == ("moved", 212, 5904, 0.0031)
    assert alert.window.start == alert.baseline.end


def test_what_is_no_longer_asked_for_is_no_longer_watched() -> None:
    (alert,) = after(finding())
    asked = AlertsSection(segments=("country=FI",))
    assert is_watched(alert, asked, None)
    assert not is_watched(alert, None, None)
    assert not is_watched(alert, AlertsSection(), None)
    assert not is_watched(alert, AlertsSection(segments=("country=FI",), moved=None), None)
    of_target = alert.model_copy(update={"kind": "target"})
    assert is_watched(of_target, asked, 45)
    assert not is_watched(of_target, asked, None)
    assert given_up(alert, NOON + HOUR).text.startswith("No longer watched: NPS of country=FI fell")


DETRACTORS: dict[str, Any] = {
    "kind": "band",
    "rule": "detractors-up",
    "band": "detractor",
    "limits": (-0.01, 0.1424),
    "window": span(Counts(280, 398, 122)),
    "baseline": span(Counts(8960, 11200, 2240), 28 * DAY, DAY),
}
TARGET: dict[str, Any] = {
    "kind": "target",
    "rule": "target-missed",
    "target": 45.0,
    "baseline": None,
    "window": span(Counts(2764, 2124, 1016), 28 * DAY),
    "p": 0.0000001,
}
SILENT: dict[str, Any] = {
    "kind": "silent",
    "rule": "silent",
    "usual": 1310.0,
    "window": span(Counts(1, 0, 1), 12 * HOUR),
}

SENTENCES = [
    (
        {},
        "NPS of country=FI fell by 11.2 points",
        "The fall of NPS of country=FI is over",
        ": 18.4 in the last 24 hours (n 212) against 29.6 in the 28 days before (n 5,904); p 0.003",
    ),
    (
        TARGET,
        "NPS of country=FI fell below its target of 45",
        "NPS of country=FI and its target of 45 are no news any more",
        ": 29.6 in the last 28 days (n 5,904); probability that it is reached below 0.0001",
    ),
    (
        SILENT,
        "Answers of country=FI stay away",
        "Answers of country=FI are coming again",
        ": 2 in the last 12 hours, where 1,310 are usual in the same hours of a week",
    ),
    (
        DETRACTORS,
        "More detractors of country=FI than usual",
        "Detractors of country=FI are as usual again",
        (
            ": 15.2 % of 800 answers in the last 24 hours against 10.0 % in the 28 days before; "
            "0.0 % to 14.2 % are within limits"
        ),
    ),
]


@pytest.mark.parametrize(
    ("about", "opened", "resolved", "figures"), SENTENCES, ids=["moved", "target", "silent", "band"]
)
def test_an_alert_says_what_happened_with_figures_and_evidence(
    about: dict[str, Any], opened: str, resolved: str, figures: str
) -> None:
    assert told("country=FI", finding(**about), "open") == opened + figures
    assert told("country=FI", finding(**about), "resolved") == resolved + figures


def test_all_answers_need_no_name() -> None:
    assert told("all", finding(rule="nps-rose"), "open").startswith("NPS rose by 11.2 points: ")
    assert told("all", finding(**SILENT), "open").startswith("Answers stay away: ")


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.5, "p 0.50"), (0.012, "p 0.01"), (0.00042, "p 0.0004"), (1e-9, "p below 0.0001"), (None, "p unknown")],
)
def test_evidence_is_rounded_to_what_it_says(p: float | None, said: str) -> None:
    assert told("all", finding(p=p), "open").endswith(said)
