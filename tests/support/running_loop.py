"""The whole loop as users run it: processes on this machine, driven by the command line and HTTP alone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx2

from infra.local.stack import Ports, Stack
from schemas.score import Score
from schemas.topics import SCORES
from services.chassis.kafka import Kafka
from services.chassis.settings import ServiceSettings
from services.console import topic_views

T = TypeVar("T")

DEADLINE_S = 60.0
LOOK_EVERY_S = 0.2


class Loop:
    """A stack of its own; every test plays as a tenant of its own."""

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder, Ports.any_free(), {"NPS_SENDGRID_TIMEOUT_S": "2"})
        self.http = httpx2.Client(timeout=30)
        self.kafka = Kafka(ServiceSettings(kafka_bootstrap=self.stack.broker.bootstrap))

    def start(self) -> None:
        self.stack.start(lambda _what: None)

    def stop(self) -> None:
        self.http.close()
        self.stack.stop()

    def nps(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs the `nps` command."""
        done = subprocess.run(
            [sys.executable, "-m", "services.console.main", *arguments],
            env={**os.environ, **self.stack.env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"exit {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def told(self, *arguments: str) -> Any:  # JSON of any shape
        """What a reading command says as JSON."""
        return json.loads(self.nps(*arguments, "--json").stdout)

    def tenant(self) -> Tenant:
        """A tenant nobody else plays as."""
        return Tenant(self, f"demo-{uuid4().hex[:8]}")


class Tenant:
    """One business on the loop."""

    def __init__(self, loop: Loop, name: str) -> None:
        self.loop = loop
        self.name = name
        self.token = loop.told("keys", "create", "--tenant", name)["key"]

    def post(self, path: str = "/v1/responses", **answer: Any) -> httpx2.Response:
        """Sends one answer over HTTP."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.loop.http.post(self.loop.stack.url("intake") + path, json=answer, headers=headers)

    def answer(self, **answer: Any) -> str:
        """Sends one answer that must be accepted; returns its id."""
        told = self.post(**({"channel": "website"} | answer))
        assert told.status_code == 202, told.text
        return str(told.json()["response_id"])

    def mails(self) -> list[dict[str, Any]]:
        """What is in the inbox."""
        url = f"{self.loop.stack.url('sendgrid')}/sandbox/mails"
        return list(self.loop.http.get(url, params={"tenant": self.name, "limit": 5000}).json()["mails"])

    def tasks(self) -> list[dict[str, Any]]:
        """What the CRM has."""
        url = f"{self.loop.stack.url('crm')}/api/tasks"
        return list(self.loop.http.get(url, params={"tenant": self.name, "limit": 5000}).json()["tasks"])

    def score(self, segment: str = "all", window: str = "all_time") -> dict[str, Any] | None:
        """The newest score."""
        return self.scores(window).get(segment)

    def scores(self, window: str = "all_time") -> dict[str, dict[str, Any]]:
        """The newest score of each segment."""

        def mine(score: Score) -> bool:
            return (score.tenant, score.window.name) == (self.name, window)

        found = asyncio.run(topic_views.newest(self.loop.kafka, SCORES, mine))
        return {score.segment: score.model_dump(mode="json") for score in found}

    def steps(self, response_id: str) -> list[tuple[str, str]]:
        """Each step of one answer: topic and what happened."""
        found = asyncio.run(topic_views.trace(self.loop.kafka, self.name, response_id))
        return [(step.where, step.what) for step in found]


def until(look: Callable[[], T], enough: Callable[[T], object], *, deadline_s: float = DEADLINE_S) -> T:
    """Looks again and again until it is enough; fails with what was seen last."""
    deadline = time.monotonic() + deadline_s
    while True:
        seen = look()
        if enough(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {deadline_s} s; last seen: {str(seen)[:1500]}"
        time.sleep(LOOK_EVERY_S)
