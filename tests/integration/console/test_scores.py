"""`nps scores` against a real Kafka: filters, periods that are over, and --watch."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.score import Score
from schemas.topics import SCORES
from services.chassis.frame import Frame, open_frame
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.records import Cause, outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import wanted_topic
from services.console.main import app
from tests.support.answers import NOON
from tests.support.clocks import ManualClock
from tests.support.events import scored, window

COMMAND = (sys.executable, "-m", "services.console.main", "scores", "--watch")


@pytest.fixture
async def frame(bootstrap: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Frame]:
    """A topic of scores, and the command's settings beside it. Scoring is away."""
    given = {"KAFKA_BOOTSTRAP": bootstrap, "TOPIC_PREFIX": f"t{secrets.token_hex(4)}.", "PARTITIONS": "2"}
    for name, value in (given | {"SCORING_URL": "http://127.0.0.1:9"}).items():
        monkeypatch.setenv(f"NPS_{name}", value)
    settings = ServiceSettings()
    async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), [wanted_topic(SCORES, 2)]) as frame:
        yield frame


async def publish(frame: Frame, *scores: Score) -> None:
    await frame.publisher.publish([outgoing(SCORES, score, "1", Cause("scoring", NOON)) for score in scores])


async def listed(*options: str) -> Any:  # JSON
    result = await asyncio.to_thread(CliRunner().invoke, app, ["scores", "--json", *options])
    assert result.exit_code == 0, result.output
    return [(score["segment"], score["window"]["name"]) for score in json.loads(result.stdout)]


async def test_scores_are_filtered_and_periods_that_are_over_are_left_out(frame: Frame) -> None:
    over = scored(1, window=window("month.2026-05", state="final"))
    latest = scored(1, series="latest", window=window("30d").model_copy(update={"name": "30d.latest"}))
    await publish(frame, scored(1), scored(1, segment="channel=email", name="7d"), over, latest)
    assert await listed() == [("all", "30d"), ("all", "30d.latest"), ("channel=email", "7d")]
    assert await listed("--series", "latest") == [("all", "30d.latest")]
    assert await listed("--segment", "channel=email") == [("channel=email", "7d")]
    assert ("all", "month.2026-05") in await listed("--closed")
    assert await listed("--window", "month.2026-05") == [("all", "month.2026-05")]


async def test_a_table_is_shown_while_scoring_is_away(frame: Frame) -> None:
    await publish(frame, scored(1))
    result = await asyncio.to_thread(CliRunner().invoke, app, ["scores"])
    assert (result.exit_code, "30d" in result.stdout, "30 days" in result.stdout) == (0, True, False)


def heeding_interrupts() -> None:
    """Whatever a shell starts in the background ignores them, and so does what that starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("as_json", [False, True])
async def test_watching_tells_each_change_on_a_line_until_it_is_interrupted(frame: Frame, *, as_json: bool) -> None:
    await publish(frame, scored(1))
    options = ["--json"] if as_json else []
    watching = await asyncio.create_subprocess_exec(
        *COMMAND,
        *options,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        preexec_fn=heeding_interrupts,
    )
    assert watching.stdout is not None
    async with asyncio.timeout(60):
        first = await watching.stdout.readline()
        await publish(frame, scored(1, 1))
        second = await watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert await watching.wait() == 130
    said = [json.loads(line)["n"] if as_json else line.split()[3] for line in (first, second)]
    assert said == ([1, 2] if as_json else [b"1", b"2"])
