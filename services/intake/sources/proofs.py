"""How a caller proves who it is: a signature over the raw bytes, a Standard Webhooks signature, or a token of ours.

Vendors differ in header, text signed and encoding; what is compared is compared here, in constant time, and whatever
stands in a header is passed over or refused, never an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from services.intake.sources.source import Call, Unverified

TOLERANCE: Final = timedelta(minutes=5)
"""How far the time that is signed may lie from ours."""

LONGEST_TIMESTAMP: Final = 10

WEBHOOK_ID: Final = "webhook-id"
WEBHOOK_TIMESTAMP: Final = "webhook-timestamp"
WEBHOOK_SIGNATURE: Final = "webhook-signature"
WEBHOOK_VERSION: Final = "v1"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 a form, no secret

TOKEN_PARAMETER: Final = "token"  # noqa: S105 a name, no secret


def header(call: Call, name: str) -> str:
    """A header that must be there.

    Raises:
        Unverified: if it is missing or empty.
    """
    value = call.headers.get(name, "")
    if not value:
        raise Unverified(f"{name}: missing")
    return value


def is_timestamp(text: str) -> bool:
    """Whether this is a number of seconds since 1970."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_TIMESTAMP


def check_fresh(sent: str, name: str, now: datetime) -> None:
    """Refuses a time, in seconds since 1970, that is more than five minutes from ours.

    Raises:
        Unverified: naming the header.
    """
    if not is_timestamp(sent):
        raise Unverified(f"{name}: must be seconds since 1970")
    _check_age(now - datetime.fromtimestamp(int(sent), UTC), name)


def check_fresh_iso(sent: str, name: str, now: datetime) -> None:
    """The same for a time in ISO 8601, with its offset.

    Raises:
        Unverified: naming the header.
    """
    try:
        moment = datetime.fromisoformat(sent)
    except ValueError as error:
        raise Unverified(f"{name}: must be a time in ISO 8601") from error
    if moment.tzinfo is None:
        raise Unverified(f"{name}: must have its offset")
    _check_age(now - moment, name)


def _check_age(age: timedelta, name: str) -> None:
    if age > TOLERANCE:
        raise Unverified(f"{name}: more than five minutes ago")
    if -age > TOLERANCE:
        raise Unverified(f"{name}: more than five minutes ahead")


def check_hex(offered: str, name: str, key: str, signed: bytes, digest: str = "sha256") -> None:
    """Refuses what is not the HMAC, in hexadecimal of either case, of the bytes that were signed.

    Raises:
        Unverified: naming the header.
    """
    _check(offered.lower(), name, hmac.digest(key.encode(), signed, digest).hex())


def check_base64(offered: str, name: str, key: str, signed: bytes, digest: str = "sha256") -> None:
    """Refuses what is not the HMAC, in base64, of the bytes that were signed.

    Raises:
        Unverified: naming the header.
    """
    _check(offered, name, base64.b64encode(hmac.digest(key.encode(), signed, digest)).decode())


def _check(offered: str, name: str, expected: str) -> None:
    if not hmac.compare_digest(offered.encode(errors="replace"), expected.encode()):
        raise Unverified(f"{name}: does not fit")


def check_standard(call: Call, secret: str, now: datetime) -> None:
    """Standard Webhooks 1.0: HMAC-SHA-256 over `id.timestamp.body`; one of several signatures that fits is enough.

    Raises:
        Unverified: naming the header.
    """
    name_of_call, sent = header(call, WEBHOOK_ID), header(call, WEBHOOK_TIMESTAMP)
    offered = header(call, WEBHOOK_SIGNATURE)
    check_fresh(sent, WEBHOOK_TIMESTAMP, now)
    signed = f"{name_of_call}.{sent}.".encode(errors="replace") + call.body
    expected = base64.b64encode(hmac.digest(_standard_key(secret), signed, hashlib.sha256))
    if not any(hmac.compare_digest(expected, one) for one in _signatures(offered)):
        raise Unverified(f"{WEBHOOK_SIGNATURE}: none fits")


def _standard_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unverified("our secret is none: it must be whsec_ and base64") from error


def _signatures(offered: str) -> Iterable[bytes]:
    tokens = (token.partition(",") for token in offered.split())
    return [
        signature.encode(errors="replace")
        for version, comma, signature in tokens
        if comma and version == WEBHOOK_VERSION
    ]


def check_token(call: Call, token: str) -> None:
    """For senders that sign nothing: a secret of ours as bearer, as password of HTTP Basic, or as `?token=`.

    Raises:
        Unverified: if it is in none of these places.
    """
    scheme, _, credentials = call.headers.get("authorization", "").partition(" ")
    offered = [call.query.get(TOKEN_PARAMETER, "")]
    if scheme.lower() == "bearer":
        offered.append(credentials.strip())
    elif scheme.lower() == "basic":
        offered.append(_password(credentials))
    fits = [hmac.compare_digest(one.encode(errors="replace"), token.encode()) for one in offered]
    if not any(fits):
        raise Unverified("token: missing or wrong")


def _password(credentials: str) -> str:
    try:
        pair = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(":")[2]
