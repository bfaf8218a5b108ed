"""Sample answers, so that there is something to see at once: two months of history, then one every few seconds.

All of it made up: addresses end in example.org, which nobody owns (RFC 2606).
"""

from __future__ import annotations

import asyncio
import csv
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from services.chassis.logs import logger

CUSTOMERS: Final = (10_000, 100_000)
HISTORY_ANSWERS: Final = 2_500
HISTORY: Final = timedelta(days=70)
EVERY_S: Final = (1.0, 5.0)
EDITED: Final = 0.04
RETRACTED: Final = 0.01

CHANNELS: Final = {
    "email": 34,
    "website": 18,
    "in_app": 16,
    "sms": 10,
    "live_chat": 8,
    "phone": 6,
    "chatbot": 5,
    "social": 3,
}
COUNTRIES: Final = {"FI": 30, "CZ": 22, "PL": 22, "DE": 14, "SE": 12}
PLANS: Final = {"free": 40, "pro": 45, "enterprise": 15}
TOUCHPOINTS: Final = ("purchase", "support", "onboarding", "renewal", "delivery")
SCORES: Final = {10: 24, 9: 20, 8: 17, 7: 14, 6: 8, 5: 6, 4: 3, 3: 3, 2: 2, 1: 1, 0: 2}
COMMENTS: Final = {
    "promoter": ("Quick and friendly.", "It simply works.", "Support answered within minutes.", "Would order again."),
    "passive": ("Fine, but the app is slow.", "Good price, plain design.", "Delivery took a while."),
    "detractor": ("Nobody called me back.", "The parcel came damaged.", "Too many mails.", "Cancelling was hard."),
}

_log = logger("samples")


def _pick(chance: random.Random, weights: dict[Any, int]) -> Any:  # keys of any type
    return chance.choices(list(weights), list(weights.values()))[0]


def sample(chance: random.Random, number: int) -> dict[str, Any]:
    """One answer as an app would send it."""
    score = _pick(chance, SCORES)
    band = "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"
    answer: dict[str, Any] = {
        "response_id": f"sample-{number}-{chance.randrange(16**8):08x}",
        "source": "samples",
        "score": score,
        "channel": _pick(chance, CHANNELS),
        "touchpoint": chance.choice(TOUCHPOINTS),
        "segments": {"country": _pick(chance, COUNTRIES), "plan": _pick(chance, PLANS)},
        "email": f"customer{number}@example.org",
        "name": f"Customer {number}",
    }
    if chance.random() < 0.55:
        answer["comment"] = chance.choice(COMMENTS[band])
    if band == "detractor" and chance.random() < 0.3:
        answer |= {"callback_requested": True, "phone": f"+35850{number % 10_000_000:07d}"}
    return answer


def write_history(path: Path, now: datetime, seed: int) -> None:
    """Two months of answers as a CSV for `nps import`."""
    chance = random.Random(seed)  # noqa: S311 made-up answers guard nothing
    columns = (
        "response_id",
        "source",
        "score",
        "channel",
        "touchpoint",
        "answered_at",
        "segment.country",
        "segment.plan",
    )
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for number in range(HISTORY_ANSWERS):
            answer = sample(chance, number)
            at = now - HISTORY * chance.random()
            segments = answer["segments"]
            writer.writerow(
                [
                    f"history-{number}",
                    *(answer[name] for name in columns[1:5]),
                    at.isoformat(),
                    segments["country"],
                    segments["plan"],
                ]
            )


def _stream(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Answers without end, some of them edited or retracted later."""
    recent: list[dict[str, Any]] = []
    while True:
        lot = chance.random()
        if recent and lot < RETRACTED:
            old = recent.pop(chance.randrange(len(recent)))
            yield {"op": "retracted", "response_id": old["response_id"], "source": "samples"}
        elif recent and lot < RETRACTED + EDITED:
            yield chance.choice(recent) | {"op": "updated", "score": _pick(chance, SCORES)}
        else:
            recent = [*recent[-50:], sample(chance, chance.randrange(*CUSTOMERS))]
            yield recent[-1]


async def publish(url: str, token: str, stop: asyncio.Event) -> None:
    """Publishes sample answers over HTTP until stopped; waits while intake is away."""
    import aiohttp  # noqa: PLC0415 slow to load, and needed here alone

    chance = random.Random()  # noqa: S311 made-up answers guard nothing
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=20)) as session:
        for answer in _stream(chance):
            try:
                async with session.post(f"{url}/v1/responses", data=json.dumps(answer)) as told:
                    if told.status not in {202, 503}:
                        _log.warning("sample.refused", status=told.status)
            except (aiohttp.ClientError, TimeoutError):
                _log.debug("sample.unsent")
            try:
                await asyncio.wait_for(stop.wait(), chance.uniform(*EVERY_S))
            except TimeoutError:
                continue
            return
