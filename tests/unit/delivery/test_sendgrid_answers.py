"""What SendGrid's answers say of a mail: the table of statuses, and moments to come back at."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.mailer import Accepted, Ambiguous, Later, Quota, Refused
from services.delivery.sendgrid_mailer import _built, outcome_of
from tests.support.answers import NOON
from tests.support.mails import MAIL

OWN_FORM = json.dumps(
    {"errors": [{"message": "Does not contain a@b.example", "field": "personalizations.0.to"}]}
).encode()
PAGE = b"<html>Bad Gateway</html>"


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (202, b"", Accepted),
        (202, b'{"half', Accepted),
        (200, b"", Ambiguous),
        (204, b"", Ambiguous),
        (302, PAGE, Ambiguous),
        (400, OWN_FORM, Refused),
        (413, OWN_FORM, Refused),
        (415, b"", Refused),
        (401, OWN_FORM, Later),
        (403, OWN_FORM, Later),
        (408, b"", Ambiguous),
        (429, OWN_FORM, Later),
        (500, OWN_FORM, Later),
        (503, OWN_FORM, Later),
        (500, PAGE, Ambiguous),
        (503, b"", Ambiguous),
        (500, b'{"errors": [{"mess', Ambiguous),
        (500, b'{"errors": "no list"}', Ambiguous),
        (502, OWN_FORM, Ambiguous),
        (504, OWN_FORM, Ambiguous),
    ],
)
def test_each_status_says_whether_sendgrid_has_the_mail(status: int, content: bytes, kind: type) -> None:
    assert type(outcome_of(status, {}, content, NOON)) is kind


@given(st.integers(100, 599), st.binary(max_size=200), st.dictionaries(st.text(max_size=30), st.text(max_size=30)))
def test_whatever_the_answer_it_says_something(status: int, content: bytes, headers: dict[str, str]) -> None:
    assert isinstance(outcome_of(status, headers, content, NOON), Accepted | Ambiguous | Later | Refused)


@given(st.sampled_from(["X-RateLimit-Reset", "Retry-After", "X-RateLimit-Limit"]), st.text(max_size=30))
def test_a_429_whatever_its_headers_names_a_moment_that_is_not_now(header: str, value: str) -> None:
    outcome = outcome_of(429, {header: value}, b"", NOON)
    assert isinstance(outcome, Later)
    assert outcome.not_before
    assert outcome.not_before > NOON


def test_the_id_of_an_accepted_mail_is_kept_if_it_can_be() -> None:
    assert outcome_of(202, {"X-Message-Id": "abc"}, b"", NOON) == Accepted(message_id="abc")
    for unusable in ("", "x" * 201, "a\x00b"):
        assert outcome_of(202, {"X-Message-Id": unusable}, b"", NOON) == Accepted(message_id=None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-RateLimit-Reset": str(int(NOON.timestamp()) + 42)}, 42),
        ({"X-RateLimit-Reset": str(int(NOON.timestamp()) + 42), "Retry-After": "7"}, 42),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": format_datetime(NOON + timedelta(seconds=90), usegmt=True)}, 90),
        ({"X-RateLimit-Reset": "1"}, 1),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "soon"}, 60),
        ({}, 60),
    ],
)
def test_a_429_is_obeyed_by_its_reset_else_by_retry_after(headers: dict[str, str], seconds: int) -> None:
    outcome = outcome_of(429, headers, b"", NOON)
    assert isinstance(outcome, Later)
    assert outcome.not_before == NOON + timedelta(seconds=seconds)


def test_the_quota_comes_with_every_answer() -> None:
    headers = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "599", "X-RateLimit-Reset": "1779278400"}
    quota = Quota(600, 599, datetime.fromtimestamp(1779278400, UTC))
    assert outcome_of(202, headers, b"", NOON).quota == quota
    assert outcome_of(400, headers, b"", NOON).quota == quota
    assert outcome_of(202, headers | {"X-RateLimit-Limit": "0"}, b"", NOON).quota is None


def test_a_refusal_names_the_field_and_never_the_address() -> None:
    outcome = outcome_of(400, {}, OWN_FORM, NOON)
    assert isinstance(outcome, Refused)
    assert outcome.detail == "400 personalizations.0.to"


def test_the_request_is_what_sendgrid_documents() -> None:
    assert _built(MAIL) == {
        "from": {"email": "hello@acme.example", "name": "Acme"},
        "subject": "Thank you",
        "personalizations": [{"to": [{"email": "ada@example.org"}]}],
        "content": [
            {"type": "text/plain", "value": "Thank you"},
            {"type": "text/html", "value": "<p>Thank you</p>"},
        ],
        "headers": {
            "List-Unsubscribe": "<https://acme.example/u/token>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "categories": ["perk"],
        "custom_args": {"delivery_id": "00000000-0000-0000-0000-000000000001", "tenant": "default"},
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
    }


def test_a_mail_shows_neither_recipient_nor_text_when_it_is_printed() -> None:
    shown = repr(MAIL)
    assert "ada@" not in shown
    assert "Thank you" not in shown
