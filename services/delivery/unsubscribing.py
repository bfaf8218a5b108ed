"""Unsubscribe links: signed, without an address in them, valid for as long as somebody keeps the mail.

A token is the delivery's id, a MAC under a key derived from the tenant's secret, and the tenant.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.chassis.failures import Malformed

PURPOSE: Final = b"unsubscribe link, version 1"
ID_BYTES: Final = 16
MAC_BYTES: Final = 16
LONGEST_TOKEN: Final = 200


@dataclass(frozen=True, slots=True)
class Token:
    """What a link claims, not yet believed."""

    tenant: str
    delivery_id: UUID
    mac: bytes

    def is_signed_with(self, secret: bytes) -> bool:
        """Whether we made it; takes as long whatever the answer."""
        return hmac.compare_digest(self.mac, _mac(secret, self.tenant, self.delivery_id))


def token_for(secret: bytes, tenant: str, delivery_id: UUID) -> str:
    """The token of one mail's link."""
    content = delivery_id.bytes + _mac(secret, tenant, delivery_id) + tenant.encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def parse_token(text: str) -> Token:
    """The parts of a token.

    Raises:
        Malformed: if it cannot be one of ours.
    """
    try:
        padded = text[:LONGEST_TOKEN] + "=" * (-len(text[:LONGEST_TOKEN]) % 4)
        content = base64.b64decode(padded, altchars=b"-_", validate=True)
        tenant = content[ID_BYTES + MAC_BYTES :].decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise Malformed.of("token", "not one of ours") from error
    if not tenant:
        raise Malformed.of("token", "not one of ours")
    return Token(tenant, UUID(bytes=content[:ID_BYTES]), content[ID_BYTES : ID_BYTES + MAC_BYTES])


def _mac(secret: bytes, tenant: str, delivery_id: UUID) -> bytes:
    key = hmac.digest(secret, PURPOSE, hashlib.sha256)
    return hmac.digest(key, delivery_id.bytes + tenant.encode(), hashlib.sha256)[:MAC_BYTES]
