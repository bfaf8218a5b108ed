"""The demo as users run it: the month of May, undisturbed, with every service killed, with every service frozen."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

EXACT: dict[str, Any] = {
    "n": 1000,
    "promoters": 400,
    "passives": 500,
    "detractors": 100,
    "nps": 30.0,
    "perk_mails": 400,
    "offer_mails": 500,
    "tasks": 100,
    "duplicate_effects": 0,
    "lost": 0,
}
ROUNDED = {"interval_low": 25.9450, "interval_high": 33.8756}
MOST_MEMORY_MIB = 1.2 * 1024


def demo(*arguments: str) -> dict[str, Any]:
    """The last line of what the demo prints."""
    done = subprocess.run(
        [sys.executable, "-m", "services.console.main", "demo", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("disturbance", [(), ("--kill",), ("--freeze",)], ids=["undisturbed", "killed", "frozen"])
def test_the_month_of_may_comes_out_exactly(disturbance: tuple[str, ...]) -> None:
    told = demo(*disturbance)
    assert {name: told[name] for name in EXACT} == EXACT
    assert {name: round(told[name], 4) for name in ROUNDED} == ROUNDED
    assert told.keys() == EXACT.keys() | ROUNDED.keys() | {"seconds", "rss_mib"}
    assert told["rss_mib"] <= MOST_MEMORY_MIB
