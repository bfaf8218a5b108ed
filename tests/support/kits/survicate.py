"""Survicate's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, hex_signature

KIT: Final = Kit(
    vendor="survicate",
    options={"score": "12123", "comment": "12124", "customer_id": "user_id", "segment_by": {"plan": "plan"}},
    secret="a workspace's signing secret",
    other_secret="another workspace's",
    sign=hex_signature("hmac"),
    proof="hmac",
)
