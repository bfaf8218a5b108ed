"""Why nothing is to be seen, from facts, the likeliest reason first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FIRST_ANSWER: Final = "nps publish --score 9 --email you@example.org"
MAKE_TOPICS: Final = "nps topics create"
LIST_LETTERS: Final = "nps dlq list"
EXAMINE: Final = "nps doctor"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when somebody wonders. Answers are the tenant's newest ones; `shown` is n of the chosen score."""

    kafka_away: str | None = None
    missing_topics: tuple[str, ...] = ()
    reading: bool = False
    on_topic: int = 0
    answers: int = 0
    counting: int = 0
    tests: int = 0
    taken_back: int = 0
    shown: int | None = None
    all_time: int = 0
    scoring_lag: int = 0
    dead_letters: int = 0
    latest_letter: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, and a command that helps, if there is one."""

    code: str
    text: str
    command: str | None = None


def why_nothing(facts: Facts) -> list[Reason]:
    """The reasons that fit; none if there is something to see."""
    found = [reason for rule in ALWAYS if (reason := rule(facts))]
    if found or facts.shown:
        return found
    return [reason for rule in WHEN_EMPTY if (reason := rule(facts))]


def _kafka_away(facts: Facts) -> Reason | None:
    if facts.kafka_away is None:
        return None
    text = f"{facts.kafka_away}. What is shown may be old; it goes on by itself when Kafka is back."
    return Reason("kafka_away", text, EXAMINE)


def _topics_missing(facts: Facts) -> Reason | None:
    if not facts.missing_topics:
        return None
    named = ", ".join(facts.missing_topics)
    return Reason(
        "topics_missing", f"Topics are missing: {named}. The services make them when they start.", MAKE_TOPICS
    )


def _reading(facts: Facts) -> Reason | None:
    waits = facts.kafka_away is not None or bool(facts.missing_topics)
    return Reason("reading", "Reading what has happened so far.") if facts.reading and not waits else None


def _refused(facts: Facts) -> Reason | None:
    if facts.answers or not facts.dead_letters:
        return None
    last = f" The last one: {facts.latest_letter}" if facts.latest_letter else ""
    text = f"Nothing that came could be read: {_records(facts.dead_letters)} refused.{last}"
    return Reason("only_dead_letters", text, LIST_LETTERS)


def _no_answers(facts: Facts) -> Reason | None:
    if facts.answers or facts.all_time or facts.dead_letters:
        return None
    if facts.on_topic:
        return Reason("other_tenants", "Nobody has answered for this tenant yet; for others, somebody has.")
    return Reason("no_answers", "No answer has arrived yet. Publish the first one:", FIRST_ANSWER)


def _only_tests(facts: Facts) -> Reason | None:
    if not facts.answers or facts.counting or facts.tests + facts.taken_back < facts.answers:
        return None
    if not facts.tests:
        return Reason("taken_back", "Every answer so far was taken back or excluded.")
    return Reason("only_tests", "Every answer so far is a test, and tests enter no score.")


def _no_nps(facts: Facts) -> Reason | None:
    if not facts.answers or facts.counting or facts.tests + facts.taken_back == facts.answers:
        return None
    return Reason("no_nps", "Nobody has answered the NPS question yet; other ratings enter no score.")


def _scoring_lags(facts: Facts) -> Reason | None:
    if not (facts.counting and facts.scoring_lag):
        return None
    return Reason(
        "scoring_lags", f"Answers are here; scoring has {_records(facts.scoring_lag)} still to read.", EXAMINE
    )


def _not_scored(facts: Facts) -> Reason | None:
    if not facts.counting or facts.scoring_lag or facts.shown is not None:
        return None
    return Reason("not_scored", "Answers are here, and no score has been published for this choice yet.")


def _outside_window(facts: Facts) -> Reason | None:
    if facts.shown is None or not facts.all_time:
        return None
    return Reason("outside_window", f"Nobody has answered in this window. All time has {_answers(facts.all_time)}.")


def _records(number: int) -> str:
    return f"{number:,} record" + ("" if number == 1 else "s")


def _answers(number: int) -> str:
    return f"{number:,} answer" + ("" if number == 1 else "s")


Rule = Callable[[Facts], Reason | None]

ALWAYS: Final[tuple[Rule, ...]] = (_kafka_away, _topics_missing, _reading)
"""Worth saying even where there is something to see."""

WHEN_EMPTY: Final[tuple[Rule, ...]] = (
    _refused,
    _no_answers,
    _only_tests,
    _no_nps,
    _scoring_lags,
    _not_scored,
    _outside_window,
)
