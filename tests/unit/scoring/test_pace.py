"""How often scores are published: as asked for, and more coarsely while a round is much work."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.scoring.pace import Pace


@pytest.mark.parametrize(("worked_s", "waits_s"), [(0.001, 1.0), (0.05, 1.0), (0.06, 1.94), (0.15, 4.85), (30.0, 10.0)])
def test_a_round_of_much_work_takes_its_share_of_the_time_and_nobody_waits_longer_than_ten_seconds(
    worked_s: float, waits_s: float
) -> None:
    pace = Pace(timedelta(seconds=1))
    assert pace.is_due(0)
    pace.ended(100, worked_s)
    assert not pace.is_due(100 + waits_s - 0.01)
    assert pace.is_due(100 + waits_s + 0.01)
