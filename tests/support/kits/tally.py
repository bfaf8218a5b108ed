"""Tally's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, base64_signature

KIT: Final = Kit(
    vendor="tally",
    options={
        "score": "How likely are you to recommend us?",
        "comment": "question_why",
        "email": "Your e-mail",
        "customer_id": "customer",
        "segment_by": {"country": "country"},
    },
    secret="a signing secret",
    other_secret="another form's",
    sign=base64_signature("tally-signature"),
    proof="tally-signature",
)
