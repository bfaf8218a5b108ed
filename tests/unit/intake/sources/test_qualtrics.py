"""Qualtrics: two ways to call, one way to fetch, and the signature that stands in the form."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.qualtrics import Options, parse, verify
from services.intake.sources.source import Answered, Call, Lookup, Unverified
from tests.support.kits.kit import NOW
from tests.support.kits.qualtrics import KIT, SHARED_KEY

FORM = KIT.recorded["completed"]


def options(**more: Any) -> Options:  # as in the business file
    parsed = KIT.parsed_options(**more)
    assert isinstance(parsed, Options)
    return parsed


def told(name: str, **more: Any) -> Submission:  # as in the business file
    (said,) = KIT.told(name, options(**more))
    assert isinstance(said, Answered)
    return said.submission


def believed(body: bytes, key: str = SHARED_KEY) -> bool:
    try:
        verify(Call.of({}, body), options(proof="signature"), key, NOW)
    except Unverified:
        return False
    return True


def form(message: str, key: str = SHARED_KEY, digest: str = "sha512") -> bytes:
    """As Qualtrics encodes it."""
    proof = hmac.digest(key.encode(), message.encode(), digest).hex()
    return f"Topic=b.surveyengine.completedResponse.SV_1&HMAC={proof}&MSG={quote_plus(message)}".encode()


def test_a_form_signed_with_the_shared_key_is_believed() -> None:
    assert believed(FORM)
    assert believed(form('{"SurveyID":"SV_1","ResponseID":"R_ü +%&="}'))


@pytest.mark.parametrize(
    "body",
    [
        form("{}", key="another key"),
        form("{}", digest="sha256"),
        form("{}").replace(b"MSG=", b"MSG=x"),
        form("{}").replace(b"MSG=", b"Msg="),
        form("{}").replace(b"HMAC=", b"Hmac="),
        form("{}").replace(b"HMAC=", b"HMAC=0"),
        form("{}").replace(b"HMAC=", b"HMAC=%FF%C3"),
        b"HMAC=&MSG={}",
        b"HMAC=" + b"A" * 8192 + b"&MSG={}",
        KIT.recorded["workflow"],
        b"\xff\xfe&&==%",
        b"",
    ],
    ids=str,
)
def test_a_form_that_is_not_signed_so_is_refused(body: bytes) -> None:
    assert not believed(body)


def test_a_token_proves_a_call_only_where_the_business_file_says_so() -> None:
    call = KIT.call(KIT.recorded["workflow"])
    verify(call, options(), KIT.secret, NOW)
    with pytest.raises(Unverified, match="HMAC: missing"):
        verify(call, options(proof="signature"), KIT.secret, NOW)


@pytest.mark.parametrize(("name", "response"), [("completed", "R_1a2B3c4D5e6F7g8"), ("workflow", "R_9z8Y7x6W5v4U3t2")])
def test_an_event_and_a_workflow_name_the_response_alike(name: str, response: str) -> None:
    (lookup,) = parse(KIT.call(KIT.recorded[name]), options())
    assert isinstance(lookup, Lookup)
    assert lookup.path == f"API/v3/surveys/SV_a1B2c3D4e5F6g7H/responses/{response}"


def test_the_field_that_is_named_is_the_score() -> None:
    assert told("completed").score == 9
    assert told("workflow").score == 0


def test_values_that_are_no_scores_are_read_by_the_table_of_the_business_file() -> None:
    assert told("completed", choices={9: 10}).score == 10
    with pytest.raises(Malformed, match=r"result.values.plan: must be a whole number from 0 to 10"):
        told("completed", score="plan")


def test_why_and_who_come_along_and_of_the_rest_only_what_is_named() -> None:
    submission = told("completed")
    assert submission.comment == "Delivered a day early, kiitos, hyvää!"
    assert (submission.email, submission.name) == ("lian.smith@example.org", "Lian Smith")
    assert (submission.customer_id, submission.language) == ("C-1001", "fi")
    assert (submission.attributes, submission.segments) == ({"plan": "pro", "country": "FI"}, {"country": "FI"})
    assert (told("workflow").email, told("workflow").customer_id) == (None, None)


def test_the_answer_is_dated_when_it_was_sent_in() -> None:
    assert told("completed").answered_at == datetime(2026, 5, 20, 11, 59, 40, tzinfo=UTC)
    assert (told("completed").response_id, told("completed").survey_id) == ("R_1a2B3c4D5e6F7g8", "SV_a1B2c3D4e5F6g7H")


def test_a_preview_is_a_trial() -> None:
    assert (told("workflow").test, told("completed").test) == (True, False)
    assert not told("workflow", trials=[]).test


def test_an_event_of_another_kind_says_nothing() -> None:
    assert KIT.told("another_kind", options()) == []


def test_an_event_that_is_encrypted_says_what_is_wrong() -> None:
    with pytest.raises(Malformed, match="body: not JSON"):
        parse(KIT.call(form("c2VjcmV0")), options())


def test_a_survey_without_the_question_says_which_is_missing() -> None:
    with pytest.raises(Malformed, match=r"result.values: no answer to the question QID77"):
        told("completed", score="QID77")


def test_the_signature_is_over_the_text_of_the_message_and_not_over_its_encoding() -> None:
    message = json.dumps({"SurveyID": "SV_1", "ResponseID": "R_1", "CompletedDate": "2026-05-20 05:59:40"})
    assert believed(form(message).replace(b"+", b"%20"))
