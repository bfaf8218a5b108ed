"""Scores over HTTP: listed, by bucket, and two spans against each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient

from services.console.trends import trends
from tests.integration.scoring.conftest import World
from tests.support.answers import NOON, answered
from tests.support.hosting import hosted
from tests.support.serving import served

Tree = dict[str, Any]  # JSON

MAY = {"from": "2026-05-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
TWO_DAYS = {
    "a_from": "2026-05-20T00:00:00Z",
    "a_to": "2026-05-21T00:00:00Z",
    "b_from": "2026-05-19T00:00:00Z",
    "b_to": "2026-05-20T00:00:00Z",
}


async def listed(client: AsyncClient, **query: Any) -> Tree:  # parameters of any type
    found: Tree = (await client.get("/v1/scores", params=query)).raise_for_status().json()
    return found


async def test_scores_are_listed_by_segment_and_window_page_by_page(world: World) -> None:
    await world.publish(answered(9, channel="email"), answered(3, channel="phone"))
    async with hosted(world.scoring()) as client:
        for segment in ("channel=email", "channel=phone"):
            await world.score(1, segment=segment)
        await world.score(2)
        one = await listed(client, segment="channel=email", window="30d")
        assert [(score["n"], score["nps"]) for score in one["scores"]] == [(1, 100.0)]
        whole = (await listed(client))["scores"]
        assert {score["window"]["name"] for score in whole} >= {"24h", "all_time", "month.2026-05", "quarter.2026-Q2"}
        pages, cursor = [], None
        while True:
            page = await listed(client, limit=7, **({"cursor": cursor} if cursor else {}))
            pages += [(score["segment"], score["window"]["name"]) for score in page["scores"]]
            cursor = page.get("next")
            if cursor is None:
                break
        assert pages == [(score["segment"], score["window"]["name"]) for score in whole]


async def test_a_history_has_every_bucket_and_an_empty_one_has_no_score(world: World) -> None:
    await world.publish(answered(9), answered(3), answered(10, answered_at=NOON - timedelta(days=2)))
    async with hosted(world.scoring()) as client:
        await world.score(3)
        history = (await client.get("/v1/scores/series", params={**MAY, "bucket": "day"})).raise_for_status().json()
        days = history["buckets"]
        assert [(day["n"], day["nps"]) for day in days[17:20]] == [(1, 100.0), (0, None), (2, 0.0)]
        assert (len(days), days[19]["start"], days[19]["edge_minutes"]) == (31, "2026-05-20T00:00:00Z", 0)
        helsinki = {**MAY, "bucket": "month", "timezone": "Europe/Helsinki"}
        months = (await client.get("/v1/scores/series", params=helsinki)).raise_for_status().json()["buckets"]
        assert [(month["start"], month["n"]) for month in months] == [
            ("2026-04-30T21:00:00Z", 3),
            ("2026-05-31T21:00:00Z", 0),
        ]


async def test_two_spans_are_compared_with_what_the_difference_is_worth(world: World) -> None:
    before = [answered(3, answered_at=NOON - timedelta(days=1)) for _ in range(40)]
    await world.publish(*before, *(answered(9) for _ in range(40)))
    async with hosted(world.scoring()) as client:
        await world.score(80)
        found = (await client.get("/v1/scores/compare", params=TWO_DAYS)).raise_for_status().json()
    assert (found["a"]["nps"], found["b"]["nps"]) == (100.0, -100.0)
    assert (found["verdict"]["direction"], found["verdict"]["delta"]) == ("up", 200.0)
    assert found["verdict"]["p"] < 0.001


async def test_the_last_thirty_days_of_a_segment_are_drawn_as_a_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.publish(answered(9), answered(3, answered_at=NOON - timedelta(days=3)))
    async with served(world.settings, world.scoring()) as address:
        await world.score(2)
        monkeypatch.setenv("NPS_SCORING_URL", address)
        lines = await trends([("default", "all", "all"), ("nobody", "all", "all")], NOON)
    assert lines == {("default", "all", "all"): "·" * 26 + "▁··█"}
