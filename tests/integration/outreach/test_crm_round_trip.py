"""What a person does in the CRM comes back through intake as a new version of the task."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from httpx2 import ASGITransport, AsyncClient

from infra.sandbox.crm.app import open_app
from infra.sandbox.crm.settings import CrmSandboxSettings
from services.intake.app import intake
from services.intake.settings import IntakeSettings
from tests.support.hosting import hosted
from tests.support.outreach import World
from tests.support.serving import served
from tests.support.tasks import requested
from tests.support.topics import DEADLINE_S

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


async def until_task(crm: AsyncClient, **expected: object) -> dict[str, Any]:  # JSON
    """The one task the CRM has, once it is as expected."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            for one in (await crm.get("/api/tasks")).json()["tasks"]:
                task: dict[str, Any] = (await crm.get(f"/api/tasks/{one['external_id']}")).json()
                if expected.items() <= task.items():
                    return task
            await asyncio.sleep(0.02)


async def test_a_note_and_a_status_come_back_from_the_crm(world: World) -> None:
    shared = world.settings.model_dump() | {"crm_webhook_secret": SECRET}
    of_intake = IntakeSettings(**shared | {"sql_url": None})
    await world.request(await world.sealed(requested(), email="a@example.org"))
    async with (
        served(of_intake, intake(of_intake, world.business, world.clock)) as address,
        hosted(world.outreach()),
    ):
        settings = CrmSandboxSettings(**shared | {"sandbox_crm_webhook_url": f"{address}/v1/webhooks/crm"})
        async with (
            open_app(settings, world.clock) as app,
            AsyncClient(transport=ASGITransport(app), base_url="http://crm") as crm,
        ):
            there = await until_task(crm, version=1)
            change = {"status": "done", "outcome": "resolved", "owner": "eva", "note": "called Olga", "author": "eva"}
            await crm.post(f"/api/tasks/{there['external_id']}/changes", json=change)
            back = await until_task(crm, version=2, unsent=0)
        task = await world.until("r", status="done")
    assert (task.version, task.outcome, task.owner) == (2, "resolved", "eva")
    assert [(note.text, note.author) for note in task.notes] == [("called Olga", "eva")]
    assert (back["status"], back["notes"][0]["text"]) == ("done", "called Olga")
