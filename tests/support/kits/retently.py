"""Retently's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, bearer

KIT: Final = Kit(
    vendor="retently",
    options={
        "fields": {
            "score": "feedback.score",
            "response_id": "feedback.id",
            "comment": "feedback.comment",
            "email": "customer.email",
            "customer_id": 'customer.properties."Customer number"',
            "name": "join(' ', [customer.firstName, customer.lastName])",
            "touchpoint": "campaign",
            "answered_at": "feedback.createdDate",
            "attributes": "customer.properties",
        },
        "opted_out": "event == 'opted_out'",
        "bounced": "event == 'bounced'",
        "segment_by": {"plan": "Plan"},
    },
    secret="a token of ours",
    other_secret="a token of another source",
    sign=bearer,
    signs_body=False,
)
