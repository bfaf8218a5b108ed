"""Signs event webhooks as SendGrid does: ECDSA on P-256 with SHA-256 over timestamp and raw body."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.chassis.failures import Halt

SIGNATURE_HEADER: Final = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER: Final = "X-Twilio-Email-Event-Webhook-Timestamp"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both halves as DER in base64: PKCS 8 for the sandbox, SubjectPublicKeyInfo for who verifies."""

    private: str = field(repr=False)
    public: str


class Signer:
    """Signs with one key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> str:
        """What verifiers need, as SendGrid's settings page shows it."""
        encoded = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(encoded).decode()

    def headers(self, timestamp: str, body: bytes) -> dict[str, str]:
        """The headers of one webhook request."""
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SIGNATURE_HEADER: base64.b64encode(signature).decode(), TIMESTAMP_HEADER: timestamp}


def new_key_pair() -> KeyPair:
    """A key pair for one stack: the private half for the sandbox, the public one for intake."""
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(base64.b64encode(encoded).decode(), Signer(key).public_key)


def signer(private: str | None) -> Signer:
    """A signer with this key, or with one of its own.

    Raises:
        Halt: if it is no P-256 key.
    """
    if private is None:
        return Signer(ec.generate_private_key(ec.SECP256R1()))
    try:
        key = serialization.load_der_private_key(base64.b64decode(private, validate=True), None)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Halt("NPS_SANDBOX_SENDGRID_PRIVATE_KEY: no PKCS 8 key in base64") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Halt("NPS_SANDBOX_SENDGRID_PRIVATE_KEY: must be a P-256 key")
    return Signer(key)
