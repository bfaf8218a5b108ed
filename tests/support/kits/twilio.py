"""Twilio's kit."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tests.support.kits.kit import Headers, Kit
from tests.support.twilio_sandbox import signature

URL: Final = "https://nps.example.org/v1/sources/default/sms"


def _signed(body: bytes, secret: str, _at: datetime) -> Headers:
    return {"x-twilio-signature": signature(URL, body, secret)}


KIT: Final = Kit(
    vendor="twilio",
    options={},
    secret="auth token of the account",
    other_secret="auth token of another",
    sign=_signed,
    proof="x-twilio-signature",
    content_type="application/x-www-form-urlencoded",
    url=URL,
    talks=True,
)
