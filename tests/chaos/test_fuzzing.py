"""Nonsense by the hundred thousand: no 5xx, no status that is not documented, every refusal a problem."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import requests

from services.chassis.clock import SystemClock
from services.chassis.settings import ServiceSettings
from services.console.serving import business_of
from services.intake import commands
from services.intake.app import intake
from services.intake.settings import IntakeSettings
from services.intake.sql_keys import SCOPES, Terms
from tests.support.fake_intake import fake_intake
from tests.support.fuzzing import bombard, every_kit, followed, fuzzed, operations
from tests.support.serving import served

KITS = every_kit()
CALLS = 100_000
CASES = 2_600
STORIES = 200


async def test_a_hundred_thousand_calls_changed_by_chance_are_accepted_or_refused(tmp_path: Path) -> None:
    statuses: Counter[int] = Counter()
    for kit in KITS.values():
        statuses += await bombard(fake_intake(tmp_path, kit).web, kit, -(-CALLS // len(KITS)))
    assert statuses.total() >= CALLS
    assert {202, 401} <= statuses.keys()


@pytest.fixture
async def sending(settings: ServiceSettings) -> AsyncIterator[dict[str, Any]]:
    """How a case reaches intake, which runs on a real Kafka behind a real socket."""
    own = IntakeSettings(
        **settings.model_dump(),
        master_key=base64.b64encode(bytes(32)).decode(),
        rate_limit_per_key=0,
        rate_limit_per_address=0,
    )
    _, token = await commands.create_key(own, SystemClock(), "default", "test", Terms(SCOPES))
    async with served(own, intake(own, business_of(own), SystemClock())) as address:
        with requests.Session() as session:
            yield {"base_url": address, "session": session, "headers": {"Authorization": f"Bearer {token}"}}


# intake itself does so meanwhile, in another thread
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
async def test_ten_thousand_cases_of_the_whole_api_are_answered_as_documented(sending: dict[str, Any]) -> None:
    statuses: Counter[int] = Counter()
    for operation in operations():
        statuses += await asyncio.to_thread(fuzzed, operation, CASES, sending)
    statuses += await asyncio.to_thread(followed, STORIES, sending)
    assert statuses.total() >= 10_000
    assert {202, 400, 401, 404, 422} <= statuses.keys()
