"""Wootric's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, hex_signature

KIT: Final = Kit(
    vendor="wootric",
    options={"segment_by": {"plan": "pricing_plan"}},
    secret="an account's secret token",
    other_secret="another account's",
    sign=hex_signature("x-wootric-signature", "sha1=", "sha1"),
    proof="x-wootric-signature",
    content_type="application/x-www-form-urlencoded",
)
