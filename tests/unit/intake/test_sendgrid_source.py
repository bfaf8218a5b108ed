"""SendGrid's event webhook: which requests are SendGrid's, and what a verified body says."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from infra.sandbox.sendgrid.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, new_key_pair, signer
from schemas.provider_event import EventType
from services.chassis.failures import Malformed
from services.intake.sources.sendgrid import parse, verify
from services.intake.sources.source import Unverified

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
KEYS, OTHER = new_key_pair(), new_key_pair()
BODY = '[{"email": "älä@example.org", "event": "processed"}]\r\n'.encode()

Headers = dict[str, str]
Fields = dict[str, Any]  # JSON of any shape


def signed(body: bytes = BODY, *, at: datetime = NOW, private: str = KEYS.private) -> Headers:
    return signer(private).headers(str(int(at.timestamp())), body)


def told(**given: Any) -> Fields:  # as above
    """An event as SendGrid writes it, about a mail of ours."""
    fields: Fields = {
        "email": "ada@example.org",
        "timestamp": 1779278400,
        "event": "delivered",
        "sg_event_id": "e1",
        "sg_message_id": "m1.recvd-1",
        "smtp-id": "<m1@example.org>",
        "response": "250 OK",
        "tenant": "default",
        "delivery_id": "00000000-0000-0000-0000-000000000001",
    }
    return fields | given


def body_of(*events: Fields) -> bytes:
    return json.dumps(events).encode()


def test_the_vector_of_sendgrids_own_library_is_good() -> None:
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eN"
        "Ec6wEA3F+g=="
    )
    headers = {
        SIGNATURE_HEADER: (
            "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
        ),
        TIMESTAMP_HEADER: "1600112502",
    }
    body = (
        b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
        b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
        b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
        b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
    )
    verify(headers, body, key, datetime.fromtimestamp(1600112502, UTC))
    with pytest.raises(Unverified, match="does not fit"):
        verify(headers, body.strip(), key, datetime.fromtimestamp(1600112502, UTC))
    assert parse(body) == []  # not one of our mails


GOOD: dict[str, Headers] = {
    "as signed": signed(),
    "names in other case": {name.lower(): value for name, value in signed().items()},
    "a day old, since SendGrid tries again for a day": signed(at=NOW - timedelta(hours=24, minutes=9)),
    "five minutes ahead": signed(at=NOW + timedelta(minutes=5)),
}


@pytest.mark.parametrize("headers", GOOD.values(), ids=GOOD)
def test_what_sendgrid_signed_is_good(headers: Headers) -> None:
    verify(headers, BODY, KEYS.public, NOW)


SIGNATURE, TIMESTAMP = signed()[SIGNATURE_HEADER], signed()[TIMESTAMP_HEADER]

BAD: dict[str, tuple[Headers, str]] = {
    "no signature": ({TIMESTAMP_HEADER: TIMESTAMP}, "no signature"),
    "no timestamp": ({SIGNATURE_HEADER: SIGNATURE}, "no timestamp"),
    "nothing": ({}, "no timestamp"),
    "another key's": (signed(private=OTHER.private), "does not fit"),
    "another body's": (signed(BODY + b" "), "does not fit"),
    "another moment's": (signed() | {TIMESTAMP_HEADER: str(int(TIMESTAMP) + 1)}, "does not fit"),
    "too old": (signed(at=NOW - timedelta(hours=24, minutes=11)), "too old"),
    "of the future": (signed(at=NOW + timedelta(minutes=6)), "in the future"),
    "a timestamp that is a word": (signed() | {TIMESTAMP_HEADER: "now"}, "no number"),
    "a timestamp that is negative": (signed() | {TIMESTAMP_HEADER: "-1"}, "no number"),
    "a timestamp in other digits": (signed() | {TIMESTAMP_HEADER: "١٧٧٩"}, "no number"),
    "a timestamp of 8 KB": (signed() | {TIMESTAMP_HEADER: "1" * 8192}, "no number"),
    "a signature that is not base64": (signed() | {SIGNATURE_HEADER: "!!!!"}, "not base64"),
    "a signature that is not ASCII": (signed() | {SIGNATURE_HEADER: "ä" * 40}, "not base64"),
    "a signature of 8 KB": (signed() | {SIGNATURE_HEADER: "A" * 8192}, "too long"),
    "a signature that is none": (signed() | {SIGNATURE_HEADER: "AAAA"}, "does not fit"),
    "a signature cut off": (signed() | {SIGNATURE_HEADER: SIGNATURE[:-4]}, "does not fit"),
}


@pytest.mark.parametrize(("headers", "reason"), BAD.values(), ids=BAD)
def test_what_sendgrid_did_not_sign_is_refused_and_says_why(headers: Headers, reason: str) -> None:
    with pytest.raises(Unverified, match=reason):
        verify(headers, BODY, KEYS.public, NOW)


def test_a_body_that_was_changed_in_one_byte_is_refused() -> None:
    for place in range(len(BODY)):
        changed = bytearray(BODY)
        changed[place] ^= 1
        with pytest.raises(Unverified):
            verify(signed(), bytes(changed), KEYS.public, NOW)


def test_a_body_that_was_parsed_and_written_again_is_refused() -> None:
    with pytest.raises(Unverified):
        verify(signed(), json.dumps(json.loads(BODY)).encode(), KEYS.public, NOW)


@pytest.mark.parametrize("key", ["", "!!!", "AAAA", base64.b64encode(b"x" * 91).decode(), "ä"])
def test_a_verification_key_that_is_none_verifies_nothing(key: str) -> None:
    with pytest.raises(Unverified, match="is no key"):
        verify(signed(), BODY, key, NOW)


def test_a_verification_key_of_another_kind_verifies_nothing() -> None:
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    encoded = other.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Unverified, match="of another kind"):
        verify(signed(), BODY, base64.b64encode(encoded).decode(), NOW)


@given(
    st.dictionaries(st.sampled_from([SIGNATURE_HEADER, TIMESTAMP_HEADER, "other"]), st.text(max_size=300)),
    st.binary(max_size=200),
)
def test_whatever_comes_is_refused_in_the_one_way_there_is(headers: Headers, body: bytes) -> None:
    with pytest.raises(Unverified):
        verify(headers, body, KEYS.public, NOW)


def test_an_event_keeps_delivery_kind_and_moment_and_nothing_of_the_person() -> None:
    (event,) = parse(body_of(told()))
    assert event.model_dump(exclude={"event_id"}) == {
        "provider": "sendgrid",
        "tenant": "default",
        "delivery_id": UUID(int=1),
        "type": "delivered",
        "occurred_at": NOW,
    }
    assert "ada" not in event.model_dump_json()


def test_an_event_that_is_tried_again_under_another_id_is_the_same_event() -> None:
    first, second = parse(body_of(told(sg_event_id="e1"), told(sg_event_id="e2")))
    assert first == second


@pytest.mark.parametrize(
    "other",
    [
        {"event": "open"},
        {"timestamp": 1779278401},
        {"delivery_id": "00000000-0000-0000-0000-000000000002"},
        {"tenant": "other"},
        {"url": "https://acme.example"},
        {"sg_message_id": "m2"},
        {"attempt": "2"},
    ],
)
def test_another_event_has_another_id(other: Fields) -> None:
    first, second = parse(body_of(told(), told(**other)))
    assert first.event_id != second.event_id


def test_every_kind_we_know_is_kept_and_unsubscribing_from_a_group_is_unsubscribing() -> None:
    kinds = get_args(EventType)
    assert [event.type for event in parse(body_of(*[told(event=kind) for kind in kinds]))] == list(kinds)
    assert parse(body_of(told(event="group_unsubscribe")))[0].type == "unsubscribe"


STRANGE: list[Any] = [  # JSON of any shape
    told(event="group_resubscribe"),
    told(event="of_tomorrow"),
    told(event=None),
    told(event=["delivered"]),
    {key: value for key, value in told().items() if key != "tenant"},
    {key: value for key, value in told().items() if key != "delivery_id"},
    {key: value for key, value in told().items() if key != "timestamp"},
    told(tenant="NO TENANT"),
    told(tenant=7),
    told(delivery_id="not a uuid"),
    told(delivery_id=7),
    told(timestamp="yesterday"),
    told(timestamp=10**30),
    told(timestamp=None),
    "a string",
    None,
    [],
]


def test_what_is_not_ours_or_not_understood_is_passed_over_and_its_neighbours_are_kept() -> None:
    body = json.dumps([told(), *STRANGE, told(event="open")]).encode()
    assert [event.type for event in parse(body)] == ["delivered", "open"]


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'"text"', b"null", b"\xff\xfe", b"[NaN]", b"[" * 100_000])
def test_a_body_that_is_no_array_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="body"):
        parse(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_whatever_json_comes_it_is_events_or_malformed(content: Any) -> None:  # JSON of any shape
    try:
        assert parse(json.dumps(content).encode()) == []
    except Malformed:
        assert not isinstance(content, list) or "NaN" in json.dumps(content) or "Infinity" in json.dumps(content)
