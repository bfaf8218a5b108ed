"""Whatever comes in whatever order: each decision and what is wanted in the end are what a plain model derives."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.routing_histories import History, counted

LONGEST = 40


@settings(max_examples=5_000, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.integers(0, 2**63))
def test_every_history_ends_as_a_plain_model_says(seed: int) -> None:
    history = History(random.Random(seed))
    history.play(LONGEST)
    assert history.decided() == history.model.rulings()
    assert history.desired() == {name: history.model.desired(name) for name in history.desired()}


def test_histories_meet_every_reason_that_a_policy_has() -> None:
    histories = [History(random.Random(seed)) for seed in range(300)]
    for history in histories:
        history.play(LONGEST)
    met = counted(histories)
    expected = {f"suppressed {reason}" for reason in ("opt_out", "no_address", "consent", "stale", "hold_out", "cap")}
    expected |= {"suppressed budget", "suppressed already_sent", "suppressed history", "closed history"}
    expected |= {"held settling", "held quiet_hours", "withdrawn retracted", "withdrawn excluded", "withdrawn test"}
    expected |= {f"action {action}" for action in ("perk", "offer", "outreach", "survey_request", "notify")}
    assert expected <= met.keys(), met
