"""Intercom's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, hex_signature

KIT: Final = Kit(
    vendor="intercom",
    options={"score": "q-likely", "comment": "q-why"},
    secret="an app's client secret",
    other_secret="another app's",
    sign=hex_signature("x-hub-signature", "sha1=", "sha1"),
    proof="x-hub-signature",
)
