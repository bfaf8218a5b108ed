"""SendGrid's event webhook: what became of a mail, and nothing about the person it went to.

Signed with ECDSA (P-256, SHA-256) over timestamp and raw body. SendGrid tries again for 24 hours and does not say that
it renews the timestamp, so an old one is no proof of a replay: telling one event from its copies is left to its id.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID, uuid5

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import ValidationError
from pydantic_core import from_json

from schemas.provider_event import EventType, ProviderEvent
from services.chassis.failures import Malformed
from services.intake.sources.source import Unverified

SIGNATURE_HEADER: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP_HEADER: Final = "x-twilio-email-event-webhook-timestamp"
OLDEST: Final = timedelta(hours=24, minutes=10)
NEWEST: Final = timedelta(minutes=5)
LONGEST_SIGNATURE: Final = 200
LONGEST_TIMESTAMP: Final = 20

PROVIDER: Final = "sendgrid"
EVENTS: Final = UUID("6a0c5a3e-5b0e-5d4a-9a44-7f0b9a6a3f21")
"""Namespace of the ids of SendGrid's events (RFC 9562 §5.5)."""

OURS: Final[Mapping[str, EventType]] = {
    **{name: name for name in get_args(EventType)},
    "group_unsubscribe": "unsubscribe",
}
"""The events that mean something to us; all others are passed over."""


def verify(headers: Mapping[str, str], body: bytes, public_key: str, now: datetime) -> None:
    """Returns if SendGrid, and nobody else, sent these bytes. Whatever the bytes, it fails in one way alone.

    Raises:
        Unverified: if a header is missing or of a wrong form, the time is out of bounds, or the signature does not fit.
    """
    given = {name.lower(): value for name, value in headers.items()}
    timestamp = given.get(TIMESTAMP_HEADER, "")
    _check_time(timestamp, now)
    signature = _signature(given.get(SIGNATURE_HEADER, ""))
    try:
        _key(public_key).verify(signature, timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise Unverified("the signature does not fit") from error


def parse(body: bytes) -> list[ProviderEvent]:
    """The events about our mails. Others, of kinds unknown or about mails that are not ours, are passed over.

    Raises:
        Malformed: if the body is no JSON array.
    """
    try:
        told = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed.of("body", f"not JSON: {error}") from error
    if not isinstance(told, list):
        raise Malformed.of("body", "must be a JSON array of events")
    return [event for item in told if isinstance(item, dict) and (event := _event(item))]


def _check_time(timestamp: str, now: datetime) -> None:
    if not timestamp:
        raise Unverified("no timestamp")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= LONGEST_TIMESTAMP):
        raise Unverified("the timestamp is no number")
    age = now.timestamp() - int(timestamp)
    if age > OLDEST.total_seconds():
        raise Unverified("the timestamp is too old")
    if -age > NEWEST.total_seconds():
        raise Unverified("the timestamp lies in the future")


def _signature(text: str) -> bytes:
    if not text:
        raise Unverified("no signature")
    if len(text) > LONGEST_SIGNATURE:
        raise Unverified("the signature is too long")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unverified("the signature is not base64") from error


def _key(text: str) -> ec.EllipticCurvePublicKey:
    """The verification key as SendGrid shows it: DER in base64."""
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise Unverified("our verification key is no key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Unverified("our verification key is of another kind")
    return key


def _event(item: dict[str, Any]) -> ProviderEvent | None:  # JSON of any shape
    kind = OURS.get(item["event"]) if isinstance(item.get("event"), str) else None
    if kind is None or "tenant" not in item or "delivery_id" not in item:
        return None
    try:
        return ProviderEvent(
            event_id=_event_id(item),
            provider=PROVIDER,
            tenant=item["tenant"],
            delivery_id=UUID(item["delivery_id"]),
            type=kind,
            occurred_at=datetime.fromtimestamp(item["timestamp"], UTC),
        )
    except (ValidationError, AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None  # signed, yet not as documented: its neighbours must not wait for it


def _event_id(item: dict[str, Any]) -> str:  # JSON of any shape
    """The same for every copy of an event: sg_event_id is not, it may change when SendGrid tries again."""
    parts = [item.get(name) for name in ("sg_message_id", "event", "timestamp", "url", "attempt", "email")]
    digest = hashlib.sha256("\n".join(str(part) for part in (*parts, item["tenant"], item["delivery_id"])).encode())
    return str(uuid5(EVENTS, digest.hexdigest()))
