"""The CRM's webhooks: which signatures are good, and what a verified body may say."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from schemas.task import Note
from services.chassis.failures import Halt, Malformed
from services.intake.sources.crm import parse, parse_secret, verify
from services.intake.sources.proofs import WEBHOOK_ID as ID
from services.intake.sources.proofs import WEBHOOK_SIGNATURE as SIGNATURE
from services.intake.sources.proofs import WEBHOOK_TIMESTAMP as TIMESTAMP
from services.intake.sources.source import Unverified

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 25))).decode()
TASK = "7d9f1b0c-5d0b-5c55-9b1e-0a4c6a6c1f11"
BODY = json.dumps(
    {"type": "task.updated", "timestamp": "2026-05-20T12:00:00Z", "data": {"tenant": "default", "task_id": TASK}}
).encode()

Headers = dict[str, str]


def signed(body: bytes = BODY, *, at: datetime = NOW, secret: str = SECRET, webhook_id: str = "msg_1") -> Headers:
    """Headers as the standard's own package makes them."""
    signature = Webhook(secret).sign(webhook_id, at, body.decode())
    return {ID: webhook_id, TIMESTAMP: str(int(at.timestamp())), SIGNATURE: signature}


def test_the_official_vector_is_good() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    verify(headers, b'{"test": 2432232314}', secret, datetime.fromtimestamp(1614265330, UTC))


GOOD_SIGNATURE = signed()[SIGNATURE]

GOOD: dict[str, Headers] = {
    "as signed": signed(),
    "names in other case": {name.title(): value for name, value in signed().items()},
    "five minutes old": signed(at=NOW - timedelta(minutes=5)),
    "five minutes ahead": signed(at=NOW + timedelta(minutes=5)),
    "another key's beside it": signed() | {SIGNATURE: f"{signed(secret=OTHER)[SIGNATURE]} {GOOD_SIGNATURE}"},
    "junk before it": signed() | {SIGNATURE: f"junk v1 , v1, v9,AAAA {GOOD_SIGNATURE}"},
    "junk after it": signed() | {SIGNATURE: f"{GOOD_SIGNATURE} v1a,!!! ,,,"},
    "8 KB of junk beside it": signed() | {SIGNATURE: "v1,AAAA " * 1024 + GOOD_SIGNATURE},
    "another version's beside it": signed() | {SIGNATURE: f"v1a,c2lnbmVk {GOOD_SIGNATURE}"},
}


@pytest.mark.parametrize("headers", GOOD.values(), ids=GOOD.keys())
def test_a_good_signature_passes(headers: Headers) -> None:
    verify(headers, BODY, SECRET, NOW)


BAD: dict[str, tuple[Headers, str]] = {
    "tampered timestamp": (signed() | {TIMESTAMP: str(int(NOW.timestamp()) + 1)}, SIGNATURE),
    "tampered id": (signed() | {ID: "msg_2"}, SIGNATURE),
    "wrong key": (signed(secret=OTHER), SIGNATURE),
    "no headers": ({}, ID),
    "no id": ({name: value for name, value in signed().items() if name != ID}, ID),
    "empty id": (signed() | {ID: ""}, ID),
    "no timestamp": ({name: value for name, value in signed().items() if name != TIMESTAMP}, TIMESTAMP),
    "no signature": ({name: value for name, value in signed().items() if name != SIGNATURE}, SIGNATURE),
    "too old": (signed(at=NOW - timedelta(minutes=5, seconds=1)), TIMESTAMP),
    "too far ahead": (signed(at=NOW + timedelta(minutes=5, seconds=1)), TIMESTAMP),
    "timestamp no number": (signed() | {TIMESTAMP: "yesterday"}, TIMESTAMP),
    "timestamp negative": (signed() | {TIMESTAMP: "-1"}, TIMESTAMP),
    "timestamp in other digits": (signed() | {TIMESTAMP: "١٦١٤٢٦٥٣٣٠"}, TIMESTAMP),
    "timestamp huge": (signed() | {TIMESTAMP: "9" * 400}, TIMESTAMP),
    "timestamp not a number": (signed() | {TIMESTAMP: "NaN"}, TIMESTAMP),
    "signature without version": (signed() | {SIGNATURE: GOOD_SIGNATURE.removeprefix("v1,")}, SIGNATURE),
    "version in other case": (signed() | {SIGNATURE: GOOD_SIGNATURE.replace("v1", "V1")}, SIGNATURE),
    "another version only": (signed() | {SIGNATURE: GOOD_SIGNATURE.replace("v1", "v2")}, SIGNATURE),
    "signature in other case": (signed() | {SIGNATURE: "v1," + GOOD_SIGNATURE[3:].swapcase()}, SIGNATURE),
    "non-ASCII signature": (signed() | {SIGNATURE: "v1,påskönt"}, SIGNATURE),
    "lone surrogate": (signed() | {SIGNATURE: "v1,\udcff", ID: "\udcff"}, SIGNATURE),
    "bad base64": (signed() | {SIGNATURE: "v1,===="}, SIGNATURE),
    "empty signature": (signed() | {SIGNATURE: "v1,"}, SIGNATURE),
    "8 KB of junk": (signed() | {SIGNATURE: "v1,AAAA " * 1024}, SIGNATURE),
    "8 KB without a space": (signed() | {SIGNATURE: "v1," + "A" * 8192}, SIGNATURE),
}


@pytest.mark.parametrize(("headers", "names"), BAD.values(), ids=BAD.keys())
def test_a_bad_signature_is_refused_and_the_header_named(headers: Headers, names: str) -> None:
    with pytest.raises(Unverified, match=f"^{names}:"):
        verify(headers, BODY, SECRET, NOW)


@pytest.mark.parametrize("body", [BODY + b" ", b"", BODY[:-1], b"\xff\xfe", BODY.replace(b"default", b"defauIt")])
def test_a_tampered_body_is_refused(body: bytes) -> None:
    with pytest.raises(Unverified):
        verify(signed(), body, SECRET, NOW)


@given(
    st.dictionaries(st.sampled_from([ID, TIMESTAMP, SIGNATURE, "x"]), st.text(st.characters(exclude_categories=()))),
    st.binary(),
)
def test_whatever_stands_in_headers_and_body_is_refused_without_a_traceback(headers: Headers, body: bytes) -> None:
    with pytest.raises(Unverified):
        verify(headers, body, SECRET, NOW)
    with pytest.raises(Malformed):
        parse(body, headers)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whsec_AAAA", "påsk"])
def test_a_secret_that_is_none_stops_the_service(secret: str) -> None:
    with pytest.raises(Halt, match="NPS_CRM_WEBHOOK_SECRET"):
        parse_secret(secret)


def told(**changes: Any) -> bytes:  # fields of any type, good and bad
    """A body whose `data` says more, or something else."""
    data = {"tenant": "default", "task_id": TASK} | changes
    return json.dumps({"type": "task.updated", "timestamp": "2026-05-20T12:00:00+02:00", "data": data}).encode()


def test_a_webhook_becomes_an_update_with_its_id_and_time() -> None:
    update = parse(
        told(status="done", owner="eva", outcome="resolved", note="called Olga", author="eva", external_id="CRM-1"),
        signed(),
    )
    assert (update.update_id, str(update.task_id), update.tenant) == ("msg_1", TASK, "default")
    assert (update.status, update.owner, update.outcome, update.external_id) == ("done", "eva", "resolved", "CRM-1")
    assert update.occurred_at == datetime(2026, 5, 20, 10, tzinfo=UTC)
    note = Note.model_validate_json(update.note_content() or b"")
    assert (note.text, note.author, note.at) == ("called Olga", "eva", update.occurred_at)
    event = update.task_update(None)
    assert (event.update_id, event.status, event.occurred_at) == ("msg_1", "done", update.occurred_at)


def test_what_a_webhook_says_shows_no_note_in_logs() -> None:
    assert "Olga" not in repr(parse(told(note="called Olga"), signed()))


MALFORMED: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{", "body: not JSON"),
    "not UTF-8": (b'{"a": "\xff"}', "body: not JSON"),
    "a list": (b"[]", "body: "),
    "null": (b"null", "body: "),
    "another type": (told(status="done").replace(b"task.updated", b"task.deleted"), "type: "),
    "no timestamp": (told(status="done").replace(b"timestamp", b"timestomp"), "timestamp: required"),
    "time without offset": (told(status="done").replace(b"+02:00", b""), "timestamp: "),
    "time ahead": (told(status="done").replace(b"+02:00", b"-02:00"), "timestamp: later than the webhook was sent"),
    "says nothing": (told(), "data: one of status, owner, outcome and note is required"),
    "unknown field": (told(state="done"), "data.state: unknown field"),
    "unknown status": (told(status="closed"), "data.status: "),
    "unknown outcome": (told(status="done", outcome="meh"), "data.outcome: "),
    "no such tenant name": (told(status="done", tenant="Ä"), "data.tenant: "),
    "task no UUID": (told(status="done", task_id="17"), "data.task_id: "),
    "owner a number": (told(owner=17), "data.owner: "),
    "empty note": (told(note=""), "data.note: "),
    "note too long": (told(note="x" * 20_001), "data.note: "),
    "deep": (b'{"data":' * 5000, "body: "),
}


@pytest.mark.parametrize(("body", "says"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_that_cannot_be_read_names_the_field(body: bytes, says: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(body, signed())
    assert says in str(caught.value)


@pytest.mark.parametrize("webhook_id", ["", "x" * 201, "a\x07b"])
def test_an_id_that_is_none_is_named(webhook_id: str) -> None:
    with pytest.raises(Malformed, match=r"^webhook-id:"):
        parse(told(status="done"), signed() | {ID: webhook_id})
