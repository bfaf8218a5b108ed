"""Scoring's HTTP: what is refused, and what it says of itself. Nothing has been read yet."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from httpx2 import ASGITransport, AsyncClient

from services.chassis.business import Sections
from services.scoring.history import Desk
from services.scoring.settings import ScoringSection, ScoringSettings
from services.scoring.shelf import Shelf
from services.scoring.web import web
from tests.support.source import ROOT

MAY = {"from": "2026-05-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
TWO_DAYS = {
    "a_from": "2026-05-20T00:00:00Z",
    "a_to": "2026-05-21T00:00:00Z",
    "b_from": "2026-05-19T00:00:00Z",
    "b_to": "2026-05-20T00:00:00Z",
}


@pytest.fixture
async def asked() -> AsyncIterator[AsyncClient]:
    sections = Sections({"default": ScoringSection()})
    api = web(Desk(Shelf(sections.knows), sections), ScoringSettings(), [])
    async with AsyncClient(transport=ASGITransport(api), base_url="http://service") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/v1/scores", {"windw": "30d"}, "windw"),
        ("/v1/scores", {"tenant": "nobody"}, "tenant"),
        ("/v1/scores", {"cursor": "x"}, "cursor"),
        ("/v1/scores", {"series": "some"}, "series"),
        ("/v1/scores/series", {"to": MAY["to"]}, "from"),
        ("/v1/scores/series", {"from": MAY["to"], "to": MAY["from"]}, "to"),
        ("/v1/scores/series", {**MAY, "bucket": "minute"}, "bucket"),
        ("/v1/scores/series", {**MAY, "timezone": "Europe/Atlantis"}, "timezone"),
        ("/v1/scores/series", {"from": "1990-01-01T00:00:00Z", "to": MAY["to"], "bucket": "hour"}, "bucket"),
        ("/v1/scores/series", {"from": "2026-05-01", "to": MAY["to"]}, "from"),
        ("/v1/scores/compare", TWO_DAYS | {"b_to": "2026-05-20T00:00:01Z"}, "b_from, b_to"),
        ("/v1/scores/compare", TWO_DAYS | {"a_to": TWO_DAYS["a_from"]}, "a_to"),
    ],
)
async def test_a_wrong_question_is_refused_naming_the_field(
    asked: AsyncClient, path: str, query: dict[str, str], field: str
) -> None:
    refused = await asked.get(path, params=query)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_while_scores_are_being_read_the_answer_is_to_try_again(asked: AsyncClient) -> None:
    for path, query in (("/v1/scores", {}), ("/v1/scores/series", MAY), ("/v1/scores/compare", TWO_DAYS)):
        away = await asked.get(path, params=query)
        assert (away.status_code, "retry-after" in away.headers) == (503, True)


async def test_what_openapi_says_and_what_the_guide_says_name_the_same_routes_and_parameters(
    asked: AsyncClient,
) -> None:
    document = (await asked.get("/openapi.json")).json()
    guide = (ROOT / "docs" / "guides" / "scores.md").read_text()
    assert set(document["paths"]) == set(re.findall(r"`GET (/\S+)`", guide))
    for path, operations in document["paths"].items():
        (row,) = [line for line in guide.splitlines() if f"`GET {path}`" in line]
        own = {parameter["name"] for parameter in operations["get"]["parameters"]}
        unnamed = {name for name in own if f"`{name}`" not in row}
        assert unnamed <= {"tenant", "segment", "series"}, path
