"""The sandbox's webhooks over real HTTP: signed, in batches, again and again until they are taken."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.sandbox.sendgrid.mail_send import Mail
from infra.sandbox.sendgrid.mailbox import open_mailbox
from infra.sandbox.sendgrid.sandbox import Sandbox
from infra.sandbox.sendgrid.signing import new_key_pair, signer
from infra.sandbox.sendgrid.webhooks import Webhooks
from services.intake.sources.sendgrid import parse, verify
from tests.support.clocks import ManualClock
from tests.support.listening import listening
from tests.support.mail_sandbox import MailSandbox, mail_sandbox
from tests.support.topics import eventually

KEYS = new_key_pair()
DELIVERY = "00000000-0000-0000-0000-000000000001"


@dataclass
class Receiver:
    """What intake would be: verifies, and takes or refuses."""

    clock: ManualClock
    status: int = 204
    bodies: list[bytes] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        body = await request.body()
        verify(request.headers, body, KEYS.public, self.clock.now())
        self.bodies.append(body)
        return Response(status_code=self.status)

    def events(self) -> list[dict[str, Any]]:  # JSON
        return [event for body in self.bodies for event in json.loads(body)]

    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events()]


@pytest.fixture
def receiver(clock: ManualClock) -> Receiver:
    return Receiver(clock)


@pytest.fixture
async def sandbox(tmp_path: Path, clock: ManualClock, receiver: Receiver) -> AsyncIterator[MailSandbox]:
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with (
        listening(app) as url,
        mail_sandbox(
            tmp_path, clock, sandbox_webhook_url=f"{url}/hook", sandbox_sendgrid_private_key=KEYS.private
        ) as sandbox,
    ):
        yield sandbox


async def send(sandbox: MailSandbox, recipient: str = "ada@example.org", **headers: str) -> None:
    mail = {
        "from": {"email": "hello@acme.example"},
        "subject": "Thank you",
        "personalizations": [{"to": [{"email": recipient}]}],
        "content": [{"type": "text/plain", "value": "text"}],
        "custom_args": {"delivery_id": DELIVERY, "tenant": "default"},
        "headers": headers,
    }
    answer = await sandbox.client.post("/v3/mail/send", json=mail, headers={"Authorization": "Bearer SG.test"})
    assert answer.status_code == 202


async def test_events_are_posted_signed_in_order_and_in_batches(sandbox: MailSandbox, receiver: Receiver) -> None:
    await sandbox.behave(webhooks="hold")
    for _ in range(3):
        await send(sandbox)
    await sandbox.behave()
    await eventually(lambda: receiver.kinds() == ["processed", "delivered"] * 3)
    assert len(receiver.bodies) == 1
    assert len(parse(receiver.bodies[0])) == 6


async def test_what_is_not_taken_is_posted_again_later_and_later_for_a_day(
    tmp_path: Path, clock: ManualClock, receiver: Receiver
) -> None:
    app = Starlette(routes=[Route("/", receiver.take, methods=["POST"])])
    mail = Mail("ada@example.org", "hello@acme.example", "Acme", "Thank you", "", "text")
    receiver.status = 503
    async with listening(app) as url:
        with open_mailbox(tmp_path / "mails.sqlite3") as mailbox:
            webhooks = Webhooks(Sandbox(mailbox, clock), signer(KEYS.private), url)
            mailbox.take(mail, "m", clock.now().timestamp(), [("processed", "e-1")])
            waits = []
            while mailbox.events_of([1])[1][0].state == "waiting":
                assert await webhooks.post_due() == 1
                (event,) = mailbox.events_of([1])[1]
                waits.append(round(event.due - clock.now().timestamp()))
                assert await webhooks.post_due() == 0
                clock.advance(seconds=waits[-1])
    assert waits[:6] == [1, 2, 4, 8, 16, 32]
    assert max(waits) == 900
    assert {event["sg_event_id"] for event in receiver.events()} == {"e-1"}
    assert timedelta(hours=24) < timedelta(seconds=sum(waits)) < timedelta(hours=25)


async def test_an_event_may_come_twice_under_another_id_and_is_the_same_to_whoever_parses_it(
    sandbox: MailSandbox, receiver: Receiver
) -> None:
    await sandbox.behave(repeat_events=1.0)
    await send(sandbox)
    await eventually(lambda: len(receiver.bodies) == 2)
    assert len({event["sg_event_id"] for event in receiver.events()}) == 4
    assert parse(receiver.bodies[0]) == parse(receiver.bodies[1])


async def test_a_button_posts_its_event(sandbox: MailSandbox, receiver: Receiver) -> None:
    await send(sandbox)
    await sandbox.client.post("/mails/1/events", data={"event": "bounce"})
    await eventually(lambda: receiver.kinds()[-1:] == ["bounce"])
    assert receiver.kinds().count("bounce") == 1


async def test_pressing_one_click_does_what_a_mail_program_does(sandbox: MailSandbox) -> None:
    pressed: list[tuple[str, bytes]] = []

    async def unsubscribe(request: Request) -> Response:
        pressed.append((request.headers["content-type"], await request.body()))
        return Response(status_code=200 if request.url.path == "/u/t" else 302, headers={"Location": "/u/t"})

    routes = [Route("/u/t", unsubscribe, methods=["POST"]), Route("/elsewhere", unsubscribe, methods=["POST"])]
    async with listening(Starlette(routes=routes)) as url:
        for path, note in (("/u/t", "unsubscribed"), ("/elsewhere", "failed")):
            header = {"List-Unsubscribe": f"<{url}{path}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
            await send(sandbox, **header)
            number = (await sandbox.mails())[0]["number"]
            answer = await sandbox.client.post(f"/mails/{number}/one-click")
            assert answer.headers["location"].endswith(f"note={note}")
    assert pressed == [("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click")] * 2


async def test_one_click_reaches_delivery_where_a_setting_says_it_answers(tmp_path: Path, clock: ManualClock) -> None:
    pressed: list[str] = []

    async def unsubscribe(request: Request) -> Response:
        pressed.append(request.url.path)
        return Response()

    routes = [Route("/nps/u/t", unsubscribe, methods=["POST"])]
    async with (
        listening(Starlette(routes=routes)) as url,
        mail_sandbox(tmp_path, clock, sandbox_delivery_url=url) as sandbox,
    ):
        header = {"List-Unsubscribe": "<https://nobody.invalid/nps/u/t>", "List-Unsubscribe-Post": "One-Click"}
        await send(sandbox, **header)
        answer = await sandbox.client.post("/mails/1/one-click")
    assert answer.headers["location"].endswith("note=unsubscribed")
    assert pressed == ["/nps/u/t"]
