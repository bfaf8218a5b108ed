"""Tells nps-loop what people did: signed as Standard Webhooks says, again and again until it is taken.

Each try has the same id and a signature and time of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from infra.sandbox.crm.board import Board, CrmChange, Row
from services.chassis.backoff import Backoff
from services.chassis.clock import Clock
from services.chassis.failures import Halt
from services.chassis.logs import logger

TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 8
RETRIES: Final = Backoff(timedelta(seconds=1), timedelta(minutes=5))

_log = logger("webhooks")


def signer(secret: str) -> Webhook:
    """Signs with the secret.

    Raises:
        Halt: if it is none.
    """
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError) as error:
        raise Halt("NPS_CRM_WEBHOOK_SECRET: must be whsec_ and base64") from error


class Webhooks:
    """Posts changes in the background. Without an address or a secret they stay here."""

    def __init__(self, board: Board, clock: Clock, url: str | None, signing: Webhook | None) -> None:
        self._board = board
        self._clock = clock
        self._url = url
        self._signing = signing
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._posting: set[asyncio.Task[None]] = set()

    @property
    def missing(self) -> str | None:
        """What must be set before nps-loop can be told; none if all is there."""
        if self._url is None:
            return "NPS_SANDBOX_CRM_WEBHOOK_URL"
        return None if self._signing else "NPS_CRM_WEBHOOK_SECRET"

    def post(self, row: Row, change: CrmChange, now: datetime) -> None:
        """Posts a change, once and until it is taken."""
        if self._url is None or self._signing is None:
            self._board.not_told(row, f"{self.missing} is not set")
            return
        task = asyncio.create_task(self._post(row, _body(row, change, now), self._url, self._signing))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def close(self) -> None:
        """Gives up what has not been taken."""
        for task in self._posting:
            task.cancel()
        await asyncio.gather(*self._posting, return_exceptions=True)

    async def _post(self, row: Row, body: str, url: str, signing: Webhook) -> None:
        webhook_id = f"msg_{uuid4().hex}"
        attempt = 0
        while True:
            now = self._clock.now()
            headers = {
                "Content-Type": "application/json",
                "webhook-id": webhook_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signing.sign(webhook_id, now, body),
            }
            async with self._slots:
                answer = await asyncio.to_thread(_posted, url, body.encode(), headers)
            if answer.startswith("2"):
                self._board.told(row)
                return
            attempt += 1
            self._board.not_told(row, f"nps-loop answered {answer}; trying again")
            _log.warning("webhook.not_taken", webhook=webhook_id, answer=answer, attempt=attempt)
            await asyncio.sleep(RETRIES.wait(attempt, random.random()).total_seconds())  # noqa: S311 spreads retries


def _body(row: Row, change: CrmChange, now: datetime) -> str:
    data = {"tenant": row.task.tenant, "task_id": str(row.task.task_id), "external_id": row.external_id}
    return json.dumps({"type": "task.updated", "timestamp": now.isoformat(), "data": data | change.as_told()})


def _posted(url: str, body: bytes, headers: dict[str, str]) -> str:
    """Status of a POST, or the name of what went wrong. The standard library's client, since a sandbox stays small."""
    request = urllib.request.Request(url, body, headers)  # noqa: S310 http or https, by the settings
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with straight.open(request, timeout=TIMEOUT_S) as response:
            return str(response.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except (OSError, ValueError) as error:
        return type(error).__name__
