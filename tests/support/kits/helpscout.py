"""Help Scout's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, base64_signature

KIT: Final = Kit(
    vendor="helpscout",
    options={},
    secret="a secret of the webhook",
    other_secret="a secret of another",
    sign=base64_signature("x-helpscout-signature", digest="sha1"),
    proof="x-helpscout-signature",
)
