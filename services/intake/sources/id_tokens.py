"""Id tokens of OpenID Connect: a caller proves with a token that its provider signed for us, RS256 alone.

A token says who holds it and whom it is for, and nothing of the body it came with; it is good for an hour at most. What
is claimed in it is read only once the signature fits (OpenID Connect Core 1.0 §3.1.3.7, RFC 7515 §5.2).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import ValidationError

from services.intake.sources.proofs import TOLERANCE, header
from services.intake.sources.source import Call, Unverified, VendorModel

AUTHORIZATION: Final = "authorization"
LONGEST_TOKEN: Final = 8192


class _Head(VendorModel):
    alg: Literal["RS256"]
    kid: str


class _Claims(VendorModel):
    iss: str
    aud: str
    email: str
    email_verified: bool
    exp: int
    iat: int


class _Key(VendorModel):
    kid: str = ""
    kty: str
    n: str = ""
    e: str = ""


class _Keys(VendorModel):
    keys: list[_Key]


M = TypeVar("M", bound=VendorModel)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it must be, whom it must be for, and who may have signed it."""

    email: str
    audience: str
    issuers: frozenset[str]


def check_id_token(call: Call, keys: str, holder: Holder, now: datetime) -> None:
    """Refuses a call that shows no token of this holder; `keys` is the issuer's JSON Web Key Set.

    Raises:
        Unverified: saying which check failed.
    """
    scheme, _, token = header(call, AUTHORIZATION).partition(" ")
    parts = token.strip().split(".")
    if scheme.lower() != "bearer" or len(parts) != 3 or len(token) > LONGEST_TOKEN:
        raise Unverified(f"{AUTHORIZATION}: no id token")
    head = _read(_Head, _decoded(parts[0]))
    _check_signature(head, keys, f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2]))
    _check_claims(_read(_Claims, _decoded(parts[1])), holder, now)


def _check_claims(claims: _Claims, holder: Holder, now: datetime) -> None:
    seconds, tolerance = now.timestamp(), TOLERANCE.total_seconds()
    checks = {
        "of another issuer": claims.iss in holder.issuers,
        "for another audience": claims.aud == holder.audience,
        "held by somebody else": claims.email == holder.email and claims.email_verified,
        "its time is over": seconds <= claims.exp + tolerance,
        "its time has not come": seconds >= claims.iat - tolerance,
    }
    for reason, holds in checks.items():
        if not holds:
            raise Unverified(f"id token: {reason}")


def _check_signature(head: _Head, keys: str, signed: bytes, signature: bytes) -> None:
    key = next((one for one in _read(_Keys, keys.encode()).keys if one.kid == head.kid and one.kty == "RSA"), None)
    if key is None:
        raise Unverified("id token: signed with an unknown key")
    try:
        RSAPublicNumbers(_number(key.e), _number(key.n)).public_key().verify(signature, signed, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError) as error:
        raise Unverified("id token: the signature does not fit") from error


def _decoded(text: str) -> bytes:
    """Base64 with the letters for addresses and without padding (RFC 7515 §2)."""
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unverified("id token: not base64") from error


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")


def _read(model: type[M], content: bytes) -> M:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise Unverified("id token: not of the form that is expected") from error
