"""Health: a dependency that is away makes a loop wait, and nothing more."""

from __future__ import annotations

import pytest

from services.chassis.failures import Halt, Transient
from services.chassis.health import Health
from tests.support.clocks import ManualClock


async def test_a_turn_that_finds_a_dependency_away_waits_and_the_next_goes_on(clock: ManualClock) -> None:
    health = Health(clock)
    with health.pausing("erasing"):
        raise Transient("database: gaierror")
    assert await health.not_ready() == {"erasing": "database: gaierror"}
    assert health.stalled() == []
    with health.pausing("erasing"):
        pass
    assert await health.not_ready() == {}


def test_what_is_no_dependency_is_not_waited_for(clock: ManualClock) -> None:
    with pytest.raises(Halt), Health(clock).pausing("erasing"):
        raise Halt("the keyring is another")
