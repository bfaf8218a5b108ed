"""Posts events as SendGrid does: in batches, signed, again and again with growing intervals until they are taken."""

from __future__ import annotations

import asyncio
import json
import random
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from infra.sandbox.sendgrid.mailbox import StoredEvent, StoredMail
from infra.sandbox.sendgrid.sandbox import Sandbox
from infra.sandbox.sendgrid.signing import Signer
from services.chassis.logs import logger

EVENTS_A_REQUEST: Final = 200
TURN: Final = timedelta(milliseconds=200)
TIMEOUT_S: Final = 10.0
FIRST_RETRY: Final = timedelta(seconds=1)
LONGEST_RETRY: Final = timedelta(minutes=15)
GIVEN_UP_AFTER: Final = timedelta(hours=24)

_log = logger("webhooks")


class Webhooks:
    """Posts what waits in the mailbox. Without an address everything goes on waiting."""

    def __init__(self, sandbox: Sandbox, signer: Signer, url: str | None) -> None:
        self._sandbox = sandbox
        self._mailbox = sandbox.mailbox
        self._clock = sandbox.clock
        self._signer = signer
        self._url = url

    async def run(self, stop: asyncio.Event) -> None:
        """Posts until stopped."""
        while not stop.is_set():
            posted = await self.post_due()
            if posted < EVENTS_A_REQUEST:
                try:
                    await asyncio.wait_for(stop.wait(), TURN.total_seconds())
                except TimeoutError:
                    continue

    async def post_due(self) -> int:
        """Posts the events that are due, in one request; how many there were."""
        if self._url is None or self._sandbox.behaviour.webhooks == "hold":
            return 0
        now = self._clock.now().timestamp()
        due = self._mailbox.due_events(now, EVENTS_A_REQUEST)
        if not due:
            return 0
        answer = await self._post([event_json(event, mail) for event, mail in due])
        if random.random() < self._sandbox.behaviour.repeat_events:  # noqa: S311 chance of a sandbox
            await self._post([event_json(event, mail) | {"sg_event_id": uuid4().hex} for event, mail in due])
        self._note([event for event, _ in due], answer, now)
        return len(due)

    async def _post(self, events: Sequence[dict[str, Any]]) -> str:
        body = json.dumps(events).encode()
        headers = self._signer.headers(str(int(self._clock.now().timestamp())), body)
        return await asyncio.to_thread(_posted, self._url or "", body, headers)

    def _note(self, events: Sequence[StoredEvent], answer: str, now: float) -> None:
        if answer.startswith("2"):
            self._mailbox.posted([event.number for event in events], "sent", now, answer)
            return
        _log.warning("events.not_taken", events=len(events), answer=answer)
        for event in events:
            over = now - event.at > GIVEN_UP_AFTER.total_seconds()
            wait = min(FIRST_RETRY * 2.0 ** min(event.tries, 30), LONGEST_RETRY).total_seconds()
            self._mailbox.posted([event.number], "given_up" if over else "waiting", now + wait, answer)


def event_json(event: StoredEvent, mail: StoredMail) -> dict[str, Any]:  # JSON
    """An event as SendGrid writes it: custom arguments stand beside its own fields."""
    told: dict[str, Any] = {
        "email": mail.mail.recipient,
        "timestamp": int(event.at),
        "event": event.type,
        "sg_event_id": event.event_id,
        "sg_message_id": f"{mail.message_id}.recvd-sandbox-1",
        "smtp-id": f"<{mail.message_id}@sandbox.invalid>",
        "category": list(mail.mail.categories),
    }
    if event.type == "bounce":
        told |= {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such mailbox"}
    return {**mail.mail.custom_args, **told}


def _posted(url: str, body: bytes, headers: dict[str, str]) -> str:
    """Status of a POST, or the name of what went wrong. The standard library's client, since a sandbox stays small."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})  # noqa: S310 http or https, by the settings
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with straight.open(request, timeout=TIMEOUT_S) as response:
            return str(response.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except (OSError, ValueError) as error:
        return type(error).__name__
