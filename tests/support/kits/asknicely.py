"""AskNicely's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, bearer

KIT: Final = Kit(
    vendor="asknicely",
    options={"customer_id": "customer_number", "segment_by": {"plan": "segment"}},
    secret="a token of ours",
    other_secret="a token of another source",
    sign=bearer,
    signs_body=False,
)
