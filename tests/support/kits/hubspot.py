"""HubSpot's kit."""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from typing import Final

from tests.support.kits.kit import Headers, Kit

URL: Final = "https://nps.example.org/v1/sources/default/crm"


def _sign(body: bytes, secret: str, at: datetime) -> Headers:
    sent = str(int(at.timestamp() * 1000))
    digest = hmac.digest(secret.encode(), f"POST{URL}".encode() + body + sent.encode(), "sha256")
    return {"x-hubspot-request-timestamp": sent, "x-hubspot-signature-v3": base64.b64encode(digest).decode()}


KIT: Final = Kit(
    vendor="hubspot",
    options={},
    secret="an app's client secret",
    other_secret="another app's",
    sign=_sign,
    proof="x-hubspot-signature-v3",
    time="x-hubspot-request-timestamp",
    url=URL,
)
