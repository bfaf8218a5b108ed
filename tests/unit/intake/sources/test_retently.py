"""Retently: a template of the user's own, read by expressions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.malformed import Malformed
from services.intake.sources.retently import parse
from services.intake.sources.source import Answered, OptedOut, Said
from tests.support.kits.retently import KIT


def said(body: bytes, **options: Any) -> list[Said]:  # as in the business file
    return parse(KIT.call(body), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own


def told(body: bytes, **options: Any) -> Answered:  # as in the business file
    (one,) = said(body, **options)
    assert isinstance(one, Answered)
    return one


def test_values_are_where_the_expressions_say() -> None:
    submission = told(KIT.recorded["answered"]).submission
    assert (submission.response_id, submission.score, submission.comment) == ("5f0c4e2a9d", 9, None)
    assert (submission.customer_id, submission.email, submission.name) == (
        "C-1001",
        "lian.smith@example.org",
        "Lian Smith",
    )
    assert (submission.touchpoint, submission.segments) == ("After support", {"plan": "pro"})
    assert submission.answered_at == datetime(2026, 5, 20, 11, 59, 40, tzinfo=UTC)


def test_a_score_may_be_a_number_and_a_time_seconds() -> None:
    submission = told(KIT.recorded["no_id"]).submission
    assert (submission.score, submission.answered_at) == (0, datetime.fromtimestamp(1779278380, UTC))


def test_an_answer_without_an_id_is_the_same_when_the_same_call_comes_again() -> None:
    one, two = told(KIT.recorded["no_id"]), told(KIT.recorded["no_id"])
    assert one.submission.response_id is None
    assert one.event_id == two.event_id
    assert one.event_id != told(KIT.recorded["commented"]).event_id


def test_who_opted_out_is_asked_no_more() -> None:
    assert said(KIT.recorded["opted_out"]) == [OptedOut("C-1001", "lian.smith@example.org")]


def test_who_opted_out_and_is_not_named_is_told() -> None:
    payload = json.loads(KIT.recorded["opted_out"]) | {"customer": {"email": "none"}}
    with pytest.raises(Malformed, match="fields: somebody opted out"):
        said(json.dumps(payload).encode())


def test_a_survey_that_bounced_says_nothing() -> None:
    assert said(KIT.recorded["bounced"]) == []


def test_events_that_no_expression_tells_apart_are_refused_for_want_of_a_score() -> None:
    with pytest.raises(Malformed, match=r"fields\.score: must be a whole number from 0 to 10"):
        said(KIT.recorded["bounced"], bounced=None)


def test_a_function_that_cannot_work_on_what_was_sent_names_its_field() -> None:
    payload = json.loads(KIT.recorded["answered"])
    payload["customer"]["firstName"] = None
    with pytest.raises(Malformed, match=r"fields\.name: join\(\) cannot take what was sent"):
        told(json.dumps(payload).encode())


@pytest.mark.parametrize("body", [b"", b"[", b"score=9", b"\xff"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed, match="body: not JSON"):
        said(body)


def test_a_mistake_in_an_expression_is_told_when_the_business_file_is_read() -> None:
    with pytest.raises(ValidationError, match="no JMESPath"):
        KIT.parsed_options(fields={"score": "feedback..score"})
