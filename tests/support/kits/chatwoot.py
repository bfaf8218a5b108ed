"""Chatwoot's kit."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

from tests.support.kits.kit import Headers, Kit


def _sign(body: bytes, secret: str, at: datetime) -> Headers:
    sent = str(int(at.timestamp()))
    signature = hmac.digest(secret.encode(), f"{sent}.".encode() + body, "sha256").hex()
    return {"x-chatwoot-timestamp": sent, "x-chatwoot-signature": f"sha256={signature}"}


KIT: Final = Kit(
    vendor="chatwoot",
    options={},
    secret="a secret of the webhook",
    other_secret="a secret of another",
    sign=_sign,
    proof="x-chatwoot-signature",
    time="x-chatwoot-timestamp",
)
