"""How scores are shown: in which order, what of a period that is over, and days as a line of blocks."""

from __future__ import annotations

import pytest

from services.console.scores import _order, line
from services.console.trends import drawn
from tests.support.events import PERIODS, SPANS, scored, window


def test_scores_come_by_tenant_all_answers_first_the_shortest_window_first_and_the_calendar_last() -> None:
    names = [*SPANS, *PERIODS]
    found = [
        scored(1, name=name, tenant=tenant, segment=segment)
        for name in reversed(names)
        for segment in ("channel=email", "all")
        for tenant in ("default", "acme")
    ]
    assert [(s.tenant, s.segment, s.window.name) for s in sorted(found, key=_order)] == [
        (tenant, segment, name)
        for tenant in ("acme", "default")
        for segment in ("all", "channel=email")
        for name in names
    ]


def test_a_line_says_what_a_score_is_worth_and_whether_its_period_is_over() -> None:
    score = scored(*[0] * 9, 3, window=window("month.2026-05", state="restated"))
    assert line(score) == "default  all  month.2026-05 (restated)  3  100  95 to 100  2026-05-20 12:00Z"


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([], ""),
        ([None, None], "··"),
        ([-100.0, None, 0.0, 100.0], "▁·▅█"),
        ([30.0, 30.0], "▄▄"),
        ([30.0, 31.0], "▁█"),
    ],
)
def test_days_are_drawn_between_the_lowest_and_the_highest(values: list[float | None], shown: str) -> None:
    assert drawn(values) == shown
