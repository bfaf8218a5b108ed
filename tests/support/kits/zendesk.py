"""Zendesk's kit."""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from typing import Final

from tests.support.kits.kit import Headers, Kit


def _sign(body: bytes, secret: str, at: datetime) -> Headers:
    sent = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    digest = hmac.digest(secret.encode(), sent.encode() + body, "sha256")
    return {
        "x-zendesk-webhook-signature-timestamp": sent,
        "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
    }


KIT: Final = Kit(
    vendor="zendesk",
    options={"values": {"nps_8": 8}},
    secret="a webhook's signing secret",
    other_secret="another webhook's",
    sign=_sign,
    proof="x-zendesk-webhook-signature",
    time="x-zendesk-webhook-signature-timestamp",
)
