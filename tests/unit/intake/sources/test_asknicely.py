"""AskNicely: numbers as text, and calls that number themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.asknicely import parse
from services.intake.sources.source import Answered
from tests.support.kits.asknicely import KIT


def told(body: bytes) -> Submission:
    (said,) = parse(KIT.call(body), KIT.parsed_options())  # type: ignore[arg-type]  # its own
    assert isinstance(said, Answered)
    return said.submission


def changed(**question: Any) -> bytes:  # JSON of any shape
    payload = json.loads(KIT.recorded["scored"])
    payload["question"] |= question
    return json.dumps(payload).encode()


def test_a_score_as_text_is_a_score() -> None:
    submission = told(KIT.recorded["scored"])
    assert (submission.op, submission.score, submission.comment) == ("submitted", 9, None)
    assert submission.answered_at == datetime.fromtimestamp(1779278380, UTC)


def test_the_comment_and_a_change_come_as_higher_revisions_of_the_same_answer() -> None:
    submissions = [told(KIT.recorded[name]) for name in ("scored", "commented", "changed")]
    assert {each.response_id for each in submissions} == {"345094"}
    assert [(each.op, each.revision, each.score, each.comment) for each in submissions] == [
        ("submitted", 1, 9, None),
        ("updated", 2, 9, "Found it at once, 谢谢!"),
        ("updated", 3, 0, "Nobody called back."),
    ]


def test_fields_of_the_account_are_attributes_and_one_of_them_may_be_the_customer() -> None:
    submission = told(KIT.recorded["commented"])
    assert (submission.customer_id, submission.email, submission.name) == (
        "C-1001",
        "lian.smith@example.org",
        "Lian Smith",
    )
    assert submission.segments == {"plan": "pro"}
    assert submission.attributes["theme"] == "Staff"
    assert "firstname" not in submission.attributes


def test_somebody_nobody_knows_counts_too() -> None:
    submission = told(KIT.recorded["nobody_known"])
    assert (submission.score, submission.email, submission.customer_id) == (9, None, None)


def test_a_person_that_is_none_is_nobody() -> None:
    payload = json.loads(KIT.recorded["scored"]) | {"person": None}
    assert told(json.dumps(payload).encode()).email is None


@pytest.mark.parametrize("score", ["", None, "11", "-1", "7.5", True])
def test_what_is_no_score_is_refused(score: object) -> None:
    with pytest.raises(Malformed, match=r"question\.score: "):
        told(changed(score=score))


def test_a_call_without_its_number_is_refused() -> None:
    payload = json.loads(KIT.recorded["scored"])
    del payload["count"]
    with pytest.raises(Malformed, match="count: required"):
        told(json.dumps(payload).encode())
