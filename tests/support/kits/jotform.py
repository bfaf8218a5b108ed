"""Jotform's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, bearer

KIT: Final = Kit(
    vendor="jotform",
    options={
        "score": "howLikely",
        "comment": "why",
        "email": "email",
        "customer_id": "customer",
        "segment_by": {"shop": "shop"},
    },
    secret="a token of ours",
    other_secret="a token of another source",
    sign=bearer,
    signs_body=False,
    content_type="multipart/form-data; boundary=------------------------kMvq3TzQm8",
)
