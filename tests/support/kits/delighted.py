"""Delighted's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, hex_signature

KIT: Final = Kit(
    vendor="delighted",
    options={},
    secret="a project's API key",
    other_secret="another project's",
    sign=hex_signature("x-delighted-webhook-signature", "sha256="),
    proof="x-delighted-webhook-signature",
)
