"""The month of May from the brief, as answers of one tenant: 400 promoters, 500 passives, 100 detractors.

Thirty-one days are laid on the last six, since what is older than a week belongs to the past and contacts nobody.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

PROMOTERS: Final = 400
PASSIVES: Final = 500
DETRACTORS: Final = 100
ANSWERS: Final = PROMOTERS + PASSIVES + DETRACTORS
RETRACTED: Final = 10
EDITED: Final = 30
SENT_TWICE: Final = 50
SPREAD: Final = timedelta(days=6)
SOURCE: Final = "demo"
CHANNELS: Final = ("email", "website", "in_app", "sms", "phone", "chatbot")
NEIGHBOUR: Final = {10: 9, 9: 10, 8: 7, 7: 8} | {score: (score + 1) % 7 for score in range(7)}
"""Another score of the same band."""

Way = Literal["http", "topic", "csv"]
Answer = dict[str, Any]  # JSON of a Submission

CSV_COLUMNS: Final = (
    "response_id",
    "source",
    "score",
    "channel",
    "answered_at",
    "email",
    "name",
    "comment",
    "segment.country",
)


@dataclass(frozen=True, slots=True)
class Month:
    """Everything the demo sends, in the order it sends it."""

    by_way: dict[Way, list[Answer]]
    again: dict[Way, list[Answer]]
    edits: list[Answer]
    taken_back: list[Answer]

    @property
    def retractions(self) -> list[Answer]:
        """What takes the last ten back."""
        return [
            {"op": "retracted", "response_id": answer["response_id"], "source": SOURCE} for answer in self.taken_back
        ]

    @property
    def recipients(self) -> set[str]:
        """Who must get one mail each: every promoter and passive."""
        return {answer["email"] for answers in self.by_way.values() for answer in answers if answer["score"] >= 7}


def may(tenant: str, now: datetime, seed: int = 5) -> Month:
    """The month, shuffled the same way every time."""
    chance = random.Random(seed)  # noqa: S311 made-up answers guard nothing
    scores = [
        *_scores(chance, (9, 10), PROMOTERS),
        *_scores(chance, (7, 8), PASSIVES),
        *_scores(chance, range(7), DETRACTORS),
    ]
    chance.shuffle(scores)
    answers = [_answer(tenant, number, score, now, chance) for number, score in enumerate(scores)]
    by_way: dict[Way, list[Answer]] = {"http": answers[0::3], "topic": answers[1::3], "csv": answers[2::3]}
    again: dict[Way, list[Answer]] = {
        "http": by_way["http"][:17],
        "topic": by_way["topic"][:17],
        "csv": by_way["csv"][:16],
    }
    edits = [_edit(answer, now) for answer in chance.sample(answers, EDITED)]
    taken_back = [_answer(tenant, ANSWERS + number, number % 7, now, chance) for number in range(RETRACTED)]
    return Month(by_way, again, edits, taken_back)


def write_csv(path: Path, answers: Iterable[Answer]) -> None:
    """Answers as a file for `nps import`."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for answer in answers:
            flat = answer | {"segment.country": answer["segments"]["country"]}
            writer.writerow([flat[column] for column in CSV_COLUMNS])


def _scores(chance: random.Random, band: Iterable[int], number: int) -> list[int]:
    return chance.choices(list(band), k=number)


def _answer(tenant: str, number: int, score: int, now: datetime, chance: random.Random) -> Answer:
    return {
        "response_id": f"{tenant}-{number}",
        "source": SOURCE,
        "score": score,
        "channel": CHANNELS[number % len(CHANNELS)],
        "answered_at": (now - SPREAD * chance.random()).isoformat(),
        "email": f"{tenant}.{number}@example.org",
        "name": f"Customer {number}",
        "comment": "It was what it was." if number % 2 else "As agreed.",
        "segments": {"country": chance.choice(("FI", "CZ", "PL"))},
    }


def _edit(answer: Answer, now: datetime) -> Answer:
    """The same answer with another score of its band."""
    return answer | {"op": "updated", "score": NEIGHBOUR[answer["score"]], "updated_at": now.isoformat()}
