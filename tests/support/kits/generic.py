"""Kits of a sender nobody ever saw: one for each way of proof, and one whose calls carry several answers."""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from typing import Any, Final

from tests.support.kits.kit import Headers, Kit, base64_signature, bearer, hex_signature

SECRET: Final = "a secret of the kiosk's"
OTHER_SECRET: Final = "a secret of another's"

MAP: Final[dict[str, Any]] = {  # as it stands in the business file
    "response_id": "feedback.ref",
    "revision": "feedback.version",
    "op": {
        "at": "event",
        "values": {"feedback.created": "submitted", "feedback.changed": "updated", "feedback.removed": "retracted"},
    },
    "score": "feedback.grade",
    "comment": "feedback.text",
    "answered_at": "feedback.at",
    "updated_at": "feedback.changed",
    "language": "feedback.lang",
    "callback_requested": "feedback.call_me",
    "customer_id": "feedback.guest.no",
    "email": "feedback.guest.mail",
    "phone": "feedback.guest.phone",
    "agent": {"id": "feedback.served_by.no", "team": "feedback.served_by.team"},
    "segments": {"store": "feedback.where.store", "country": {"value": "AT"}},
    "attributes": {"till": "feedback.where.till", "plan": "feedback.guest.plan"},
}
OPTIONS: Final[dict[str, Any]] = {  # as they stand in the business file
    "channel": "in_app",
    "timezone": "Europe/Vienna",
    "skip_unless": "starts_with(event, 'feedback.')",
    "map": MAP,
}


def with_time(body: bytes, secret: str, at: datetime) -> Headers:
    """HMAC-SHA-512 over version, time and body, base64."""
    sent = str(int(at.timestamp()))
    signature = hmac.digest(secret.encode(), f"v0:{sent}:".encode() + body, "sha512")
    return {"x-kiosk-signature": "v0=" + base64.b64encode(signature).decode(), "x-kiosk-time": sent}


def standard(body: bytes, secret: str, at: datetime) -> Headers:
    """Standard Webhooks 1.0."""
    name, sent = "msg_5e1f", str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{name}.{sent}.".encode() + body, "sha256")).decode()
    return {"webhook-id": name, "webhook-timestamp": sent, "webhook-signature": f"v1,{signature}"}


def own_header(_body: bytes, secret: str, _at: datetime) -> Headers:
    """A secret of ours in a header of the sender's."""
    return {"x-kiosk-key": secret}


def _kit(way: dict[str, Any], **more: Any) -> Kit:  # the kit's own fields
    given: dict[str, Any] = {"secret": SECRET, "other_secret": OTHER_SECRET, **more}  # the same
    return Kit(vendor="generic", options={**OPTIONS, "proof": way}, **given)


KITS: Final = {
    "generic-hex": _kit(
        {"kind": "hmac", "header": "X-Kiosk-Signature", "prefix": "sha256="},
        sign=hex_signature("x-kiosk-signature", "sha256="),
        proof="x-kiosk-signature",
    ),
    "generic-base64": _kit(
        {"kind": "hmac", "header": "X-Kiosk-Signature", "digest": "sha1", "encoding": "base64"},
        sign=base64_signature("x-kiosk-signature", digest="sha1"),
        proof="x-kiosk-signature",
    ),
    "generic-time": _kit(
        {
            "kind": "hmac",
            "header": "X-Kiosk-Signature",
            "digest": "sha512",
            "encoding": "base64",
            "prefix": "v0=",
            "timestamp": {"header": "X-Kiosk-Time", "joined": "v0:{timestamp}:{body}"},
        },
        sign=with_time,
        proof="x-kiosk-signature",
        time="x-kiosk-time",
    ),
    "generic-standard": _kit(
        {"kind": "standard"},
        secret="whsec_" + base64.b64encode(b"a secret of the kiosk").decode(),
        other_secret="whsec_" + base64.b64encode(b"a secret of another").decode(),
        sign=standard,
        proof="webhook-signature",
        time="webhook-timestamp",
        id="webhook-id",
        takes_several=True,
    ),
    "generic-token": _kit({"kind": "token"}, sign=bearer, signs_body=False),
    "generic-header": _kit(
        {"kind": "token", "header": "X-Kiosk-Key"}, sign=own_header, proof="x-kiosk-key", signs_body=False
    ),
    "generic-batch": Kit(
        vendor="generic",
        options={
            "proof": {"kind": "token"},
            "each": "answers",
            "skip_unless": "points",
            "timezone": "Europe/Vienna",
            "time_format": "%d.%m.%Y %H:%M",
            "map": {
                "response_id": "id",
                "score": "points",
                "answered_at": "done",
                "channel": {"value": "event"},
                "survey_id": {"call": "survey.name"},
                "attributes": "extra",
            },
        },
        secret=SECRET,
        other_secret=OTHER_SECRET,
        sign=bearer,
        signs_body=False,
        recorded_in="generic_batch",
    ),
}
