"""What the sandbox does on request: faults by rate, by number and by address; a quota; what happens to a mail."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from infra.sandbox.sendgrid.behaviour import (
    UNDER_WAY,
    Behaviour,
    Fault,
    FaultRule,
    QuotaRule,
    QuotaWindow,
    afterwards,
    fault_of,
)
from tests.support.answers import NOON

SECOND = timedelta(seconds=1)


def faults(behaviour: Behaviour, *chances: float) -> list[Fault | None]:
    rules = [behaviour.fault("ada@example.org", seen_before=False, chance=chance) for chance in chances]
    return [rule.fault if rule else None for rule in rules]


def test_without_a_wish_nothing_fails() -> None:
    assert faults(Behaviour(), 0.0, 0.5, 0.99) == [None] * 3


def test_a_fault_asked_for_twice_comes_twice() -> None:
    assert faults(Behaviour(faults=[FaultRule(fault="503", times=2)]), 0.5, 0.5, 0.5) == ["503", "503", None]


def test_rates_share_out_the_requests() -> None:
    behaviour = Behaviour(faults=[FaultRule(fault="500", rate=0.1), FaultRule(fault="drop", rate=0.2)])
    assert faults(behaviour, 0.05, 0.15, 0.29, 0.31, 0.99) == ["500", "drop", "drop", None, None]


@pytest.mark.parametrize(
    ("recipient", "seen_before", "fault"),
    [
        ("503@example.org", True, "503"),
        ("503-once@example.org", False, "503"),
        ("503-once@example.org", True, None),
        ("Drop+anything@example.org", False, "drop"),
        ("ada@example.org", False, None),
        ("5030@example.org", False, None),
        ("", False, None),
    ],
)
def test_an_address_may_ask_for_a_fault(recipient: str, *, seen_before: bool, fault: str | None) -> None:
    assert fault_of(recipient, seen_before=seen_before) == fault


@pytest.mark.parametrize(
    ("recipient", "events"),
    [
        ("ada@example.org", ("processed", "delivered")),
        ("bounce+1@example.org", ("processed", "bounce")),
        ("late-bounce@example.org", ("processed", "delivered", "bounce")),
        ("spam@example.org", ("processed", "delivered", "spamreport")),
        ("silent@example.org", ()),
    ],
)
def test_an_address_may_ask_for_what_happens_afterwards(recipient: str, events: tuple[str, ...]) -> None:
    assert afterwards(recipient) == events


def test_a_wish_nobody_understands_is_an_error() -> None:
    with pytest.raises(ValidationError):
        Behaviour.model_validate({"faults": [{"fault": "418"}]})
    with pytest.raises(ValidationError):
        Behaviour.model_validate({"fault": "503"})


def test_a_window_counts_down_and_starts_anew_after_its_reset() -> None:
    window, rule = QuotaWindow(), QuotaRule(limit=2, window_s=30)
    assert [window.take(rule, NOON) for _ in range(3)] == [True, True, False]
    headers = window.headers(rule)
    assert headers == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(NOON.timestamp()) + 30),
    }
    assert not window.take(rule, NOON + 29 * SECOND)
    assert window.take(rule, NOON + 30 * SECOND)
    assert window.headers(rule)["X-RateLimit-Remaining"] == "1"


def test_who_comes_before_the_reset_is_counted_unless_already_under_way() -> None:
    window, rule = QuotaWindow(), QuotaRule()
    window.take(rule, NOON)
    window.exhaust(NOON, 10)
    assert not window.take(rule, NOON + UNDER_WAY)
    assert window.too_early == 0
    assert not window.take(rule, NOON + SECOND)
    assert window.too_early == 1
    assert window.take(rule, NOON + 10 * SECOND)


def test_a_reset_is_never_told_too_early() -> None:
    window, rule = QuotaWindow(), QuotaRule(window_s=1)
    window.take(rule, NOON + timedelta(microseconds=1))
    assert int(window.headers(rule)["X-RateLimit-Reset"]) == NOON.timestamp() + 2
