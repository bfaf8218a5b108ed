"""Typeform's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, base64_signature

KIT: Final = Kit(
    vendor="typeform",
    options={
        "score": "likely",
        "comment": "why",
        "email": "email",
        "customer_id": "customer",
        "segment_by": {"country": "country"},
    },
    secret="a secret of the form",
    other_secret="a secret of another",
    sign=base64_signature("typeform-signature", "sha256="),
    proof="typeform-signature",
)
