"""PostHog's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, bearer

KIT: Final = Kit(
    vendor="posthog",
    options={
        "score": "7d1c7a9e-likely",
        "comment": "51e3ab20-why",
        "customer_id": "distinct_id",
        "segment_by": {"plan": "plan"},
    },
    secret="a token for PostHog",
    other_secret="a token for another",
    sign=bearer,
    signs_body=False,
)
