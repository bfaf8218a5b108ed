"""What Twilio is sent, and what its answers say of a text."""

from __future__ import annotations

import pytest

from services.intake.conversations.texter import Accepted, Ambiguous, Later, Outcome, PhoneText, Refused
from services.intake.conversations.twilio_texter import form_of, outcome_of

TEXT = PhoneText(account="AC1", token="t", sender="+15005550006", to="+420601123456", body="How likely?")


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (201, None, Accepted()),
        (400, 21211, Refused("400 21211")),
        (400, 21610, Refused("400 21610", opted_out=True)),
        (404, 20404, Refused("404 20404")),
        (401, 20003, Later("401 20003")),
        (403, None, Later("403")),
        (429, 20429, Later("429 20429")),
        (408, None, Ambiguous("408")),
        (500, 20500, Ambiguous("500 20500")),
        (502, None, Ambiguous("502")),
        (503, None, Ambiguous("503")),
        (200, None, Ambiguous("200")),
        (302, None, Ambiguous("302")),
    ],
)
def test_an_answer_says_whether_twilio_may_have_the_text(status: int, code: int | None, outcome: Outcome) -> None:
    assert outcome_of(status, code) == outcome


def test_a_text_goes_out_from_a_number() -> None:
    assert form_of(TEXT) == {"To": "+420601123456", "From": "+15005550006", "Body": "How likely?"}


def test_a_text_goes_out_from_a_messaging_service() -> None:
    service = PhoneText(account="AC1", token="t", sender="MG1", to="+420601123456", body="How likely?")
    assert form_of(service) == {"To": "+420601123456", "MessagingServiceSid": "MG1", "Body": "How likely?"}


def test_a_template_goes_out_instead_of_the_body() -> None:
    templated = PhoneText(
        account="AC1",
        token="t",
        sender="+1",
        to="whatsapp:+420601123456",
        body="How likely?",
        template="HX1",
        variables={"1": "Shop"},
    )
    assert form_of(templated) == {
        "To": "whatsapp:+420601123456",
        "From": "+1",
        "ContentSid": "HX1",
        "ContentVariables": '{"1": "Shop"}',
    }


def test_neither_number_nor_token_shows_in_a_log() -> None:
    shown = repr(TEXT)
    assert "420601123456" not in shown
    assert "token" not in shown
    assert "How likely" not in shown
