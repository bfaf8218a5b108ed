"""What the sandbox takes for a mail, and how it objects: in SendGrid's words, naming the field."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sandbox.sendgrid.mail_send import Refused, parse

Fields = dict[str, Any]  # JSON of any shape

GOOD: Fields = {
    "from": {"email": "hello@acme.example", "name": "Acme"},
    "subject": "Thank you",
    "personalizations": [{"to": [{"email": "ada@example.org"}]}],
    "content": [{"type": "text/plain", "value": "text"}, {"type": "text/html", "value": "<p>html</p>"}],
    "headers": {"List-Unsubscribe": "<https://acme.example/u/t>"},
    "custom_args": {"delivery_id": "d", "tenant": "default"},
    "categories": ["perk"],
}


def objected(content: Any) -> set[str | None]:  # JSON of any shape
    with pytest.raises(Refused) as refusal:
        parse(json.dumps(content).encode())
    return {objection.field for objection in refusal.value.objections}


def without(*names: str) -> Fields:
    return {name: value for name, value in GOOD.items() if name not in names}


def test_a_mail_is_taken_with_all_there_is_of_it() -> None:
    (mail,) = parse(json.dumps(GOOD).encode())
    assert (mail.recipient, mail.sender_email, mail.sender_name) == ("ada@example.org", "hello@acme.example", "Acme")
    assert (mail.subject, mail.text, mail.html) == ("Thank you", "text", "<p>html</p>")
    assert (mail.custom_args["delivery_id"], mail.categories) == ("d", ("perk",))


def test_every_recipient_gets_a_mail() -> None:
    many = GOOD | {"personalizations": [{"to": [{"email": f"a{number}@example.org"}]} for number in range(3)]}
    assert [mail.recipient for mail in parse(json.dumps(many).encode())] == [f"a{n}@example.org" for n in range(3)]


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (without("personalizations"), {"personalizations"}),
        (without("from"), {"from.email"}),
        (without("subject"), {"subject"}),
        (without("content"), {"content"}),
        (GOOD | {"personalizations": [{"to": []}]}, {"personalizations.0.to"}),
        (GOOD | {"personalizations": [{"to": [{"email": "ada"}]}]}, {"personalizations.0.to.0.email"}),
        (GOOD | {"personalizations": [{"to": [{"email": "a@b.fi"}, {"email": "a@b.fi"}]}]}, {"personalizations"}),
        (GOOD | {"personalizations": [{"to": [{"email": "a@b.fi"}]}] * 1001}, {"personalizations"}),
        (GOOD | {"from": {"email": "Acme"}}, {"from.email"}),
        (GOOD | {"content": [{"type": "text/plain", "value": ""}]}, {"content.0.value"}),
        (GOOD | {"content": GOOD["content"][::-1]}, {"content"}),
        (GOOD | {"custom_args": {"a": 1}}, {"custom_args"}),
        (GOOD | {"custom_args": {"a": "x" * 10_001}}, {"custom_args"}),
        (GOOD | {"headers": {"Subject": "other"}}, {"headers"}),
        (GOOD | {"headers": {"X-A": "a\r\nBcc: b"}}, {"headers"}),
        (GOOD | {"headers": None}, {"headers"}),
        (GOOD | {"categories": "perk"}, {"categories"}),
        ({}, {"personalizations", "from.email", "content"}),
    ],
)
def test_each_objection_names_its_field(content: Fields, fields: set[str]) -> None:
    assert objected(content) == fields


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
def test_what_is_no_json_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(Refused, match="Bad Request"):
        parse(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*GOOD, "to", "email", "value"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), JSON))
def test_whatever_comes_is_a_mail_or_refused(changed: Fields) -> None:
    mails = []
    with suppress(Refused):
        mails = parse(json.dumps(GOOD | changed).encode())
    assert all(mail.recipient and mail.subject and mail.sender_email for mail in mails)
