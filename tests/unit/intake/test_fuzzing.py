"""A few hundred requests of nonsense, every time; `make chaos` sends a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from schemathesis.python import asgi

from tests.support.fake_intake import TOKEN, fake_intake
from tests.support.fuzzing import bombard, every_kit, followed, fuzzed, operations

KITS = every_kit()
CALLS = 100
CASES = 40
STORIES = 10


@pytest.mark.parametrize("kit", KITS)
async def test_whatever_a_source_sends_it_is_told_what_is_wrong(kit: str, tmp_path: Path) -> None:
    intake = fake_intake(tmp_path, KITS[kit])
    statuses = await bombard(intake.web, KITS[kit], CALLS)
    assert statuses[202] + statuses[200] > 0, "of some calls nothing was changed that matters"
    assert statuses[401] > 0


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """How a case reaches intake."""
    web: Any = fake_intake(tmp_path).web  # schemathesis has types of its own for what Starlette's are for
    with asgi.get_client(web) as client:
        yield {"session": client, "headers": {"Authorization": f"Bearer {TOKEN}"}}


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_every_answer_is_one_that_is_documented(operation: Any, sending: dict[str, Any]) -> None:
    assert fuzzed(operation, CASES, sending).total() >= CASES // 2


def test_what_follows_an_answer_is_documented_as_well(sending: dict[str, Any]) -> None:
    assert followed(STORIES, sending)[202] > STORIES
