"""Google Forms's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, bearer

KIT: Final = Kit(
    vendor="google_forms",
    options={
        "score": "How likely are you to recommend us?",
        "comment": "Why?",
        "customer_id": "Customer number",
        "segment_by": {"shop": "Which shop?"},
    },
    secret="a token of ours",
    other_secret="a token of another source",
    sign=bearer,
    signs_body=False,
)
