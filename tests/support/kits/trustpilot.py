"""Trustpilot's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, basic

KIT: Final = Kit(
    vendor="trustpilot",
    options={"reference": "customer_id"},
    secret="a token for Trustpilot",
    other_secret="a token for another",
    sign=basic,
    signs_body=False,
)
