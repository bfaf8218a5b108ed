"""Why nothing is to be seen: the likeliest reason first, each from facts."""

from __future__ import annotations

import pytest

from services.monitor.silence import FIRST_ANSWER, LIST_LETTERS, MAKE_TOPICS, Facts, why_nothing

SCORED = Facts(on_topic=5, answers=5, counting=5, shown=5, all_time=5)


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        (SCORED, []),
        (Facts(kafka_away="no answer"), ["kafka_away"]),
        (Facts(kafka_away="no answer", missing_topics=("nps.scores",)), ["kafka_away", "topics_missing"]),
        (Facts(missing_topics=("nps.scores",), reading=True), ["topics_missing"]),
        (Facts(reading=True), ["reading"]),
        (Facts(), ["no_answers"]),
        (Facts(on_topic=5), ["other_tenants"]),
        (Facts(dead_letters=3), ["only_dead_letters"]),
        (Facts(on_topic=2, answers=2, tests=2), ["only_tests"]),
        (Facts(on_topic=2, answers=2, tests=1, taken_back=1), ["only_tests"]),
        (Facts(on_topic=2, answers=2, taken_back=2), ["taken_back"]),
        (Facts(on_topic=2, answers=2, tests=1), ["no_nps"]),
        (Facts(on_topic=5, answers=5, counting=5, scoring_lag=5), ["scoring_lags"]),
        (Facts(on_topic=5, answers=5, counting=5), ["not_scored"]),
        (Facts(on_topic=5, answers=5, counting=5, shown=0, all_time=5), ["outside_window"]),
        (Facts(shown=0, all_time=5), ["outside_window"]),
    ],
)
def test_each_state_of_things_has_its_reasons(facts: Facts, codes: list[str]) -> None:
    assert [reason.code for reason in why_nothing(facts)] == codes


def test_kafka_away_is_said_even_where_there_is_something_to_see() -> None:
    facts = Facts(kafka_away="no answer", on_topic=5, answers=5, counting=5, shown=5, all_time=5)
    assert [reason.code for reason in why_nothing(facts)] == ["kafka_away"]


@pytest.mark.parametrize(
    ("facts", "command"),
    [
        (Facts(), FIRST_ANSWER),
        (Facts(missing_topics=("nps.scores",)), MAKE_TOPICS),
        (Facts(dead_letters=3), LIST_LETTERS),
    ],
)
def test_what_helps_can_be_copied(facts: Facts, command: str) -> None:
    assert why_nothing(facts)[0].command == command


def test_missing_topics_are_named() -> None:
    (reason,) = why_nothing(Facts(missing_topics=("nps.scores", "nps.tasks")))
    assert "nps.scores, nps.tasks" in reason.text


def test_the_last_dead_letter_says_field_and_reason() -> None:
    (reason,) = why_nothing(Facts(dead_letters=1, latest_letter="score: required (responses.email)"))
    assert reason.text == (
        "Nothing that came could be read: 1 record refused. The last one: score: required (responses.email)"
    )
