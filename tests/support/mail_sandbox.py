"""The mail sandbox, served over real HTTP, and what tests ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from httpx2 import AsyncClient

from infra.sandbox.sendgrid.app import open_app
from infra.sandbox.sendgrid.settings import SendGridSandboxSettings
from services.chassis.clock import Clock
from tests.support.listening import listening

Json = dict[str, Any]  # JSON of any shape


@dataclass(frozen=True)
class MailSandbox:
    """A running sandbox."""

    url: str
    client: AsyncClient

    async def behave(self, *faults: Json, **behaviour: Any) -> None:  # JSON of any shape
        """How it is to behave from now on; as usual, if nothing is said."""
        answer = await self.client.put("/sandbox/behaviour", json={"faults": list(faults), **behaviour})
        assert answer.status_code == 200, answer.text

    async def mails(self, **chosen: str) -> list[Json]:
        """The mails it has taken, the newest first."""
        answer = await self.client.get("/sandbox/mails", params={"limit": "5000", **chosen})
        mails: list[Json] = answer.json()["mails"]
        return mails

    async def mail(self, number: int) -> Json:
        """One mail with all there is of it."""
        found: Json = (await self.client.get(f"/sandbox/mails/{number}")).json()
        return found

    async def counts(self) -> Json:
        """How many mails, of which kinds, and how requests were answered."""
        counts: Json = (await self.client.get("/sandbox/counts")).json()
        return counts

    async def happens(self, number: int, event: str) -> None:
        """Lets something happen to a mail."""
        answer = await self.client.post(f"/sandbox/mails/{number}/events", json={"event": event})
        assert answer.status_code == 204, answer.text

    async def public_key(self) -> str:
        """What its events are verified with."""
        key: str = (await self.client.get("/sandbox/key")).json()["public_key"]
        return key


@asynccontextmanager
async def mail_sandbox(folder: Path, clock: Clock, **given: Any) -> AsyncIterator[MailSandbox]:  # values of settings
    """A sandbox that keeps its state in this folder."""
    settings = SendGridSandboxSettings(state_dir=folder, http_port=0, **given)
    async with (
        open_app(settings, clock) as app,
        listening(app) as url,
        AsyncClient(base_url=url) as client,
    ):
        yield MailSandbox(url, client)
