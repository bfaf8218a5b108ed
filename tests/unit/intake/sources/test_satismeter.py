"""SatisMeter: surveys completed, and closed before their end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.response import Submission
from services.intake.sources.satismeter import parse
from services.intake.sources.source import Answered, Said
from tests.support.kits.satismeter import KIT


def said(name: str, **more: Any) -> list[Said]:  # JSON of any shape
    payload = json.loads(KIT.recorded[name]) | more
    return parse(KIT.call(json.dumps(payload).encode()), KIT.parsed_options())  # type: ignore[arg-type]  # its own


def told(name: str) -> Submission:
    (one,) = said(name)
    assert isinstance(one, Answered)
    return one.submission


def test_a_completed_survey_is_an_answer_with_its_person() -> None:
    submission = told("completed")
    assert (submission.response_id, submission.score, submission.comment) == ("5e0000000001", 9, "Found it at once.")
    assert (submission.customer_id, submission.email, submission.name) == (
        "1234",
        "lian.smith@example.org",
        "Lian Smith",
    )
    assert submission.answered_at == datetime(2026, 5, 20, 11, 48, 7, 648000, tzinfo=UTC)
    assert submission.attributes == {"country": "FI", "plan": "pro"}
    assert submission.segments == {"plan": "pro"}


def test_the_method_tells_the_channel() -> None:
    assert (told("completed").channel, told("closed_after_the_score").channel) == ("in_app", "email")


def test_a_score_counts_also_if_the_survey_was_closed_then_and_nobody_is_known() -> None:
    submission = told("closed_after_the_score")
    assert (submission.score, submission.comment, submission.customer_id) == (0, None, None)


@pytest.mark.parametrize("name", ["closed_without_a_score", "another_kind"])
def test_a_survey_without_a_score_says_nothing(name: str) -> None:
    assert said(name) == []


def test_an_event_of_another_kind_says_nothing() -> None:
    assert said("completed", event="shown") == []
