"""Builders of answers: a test shows only what matters to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from schemas.response import Response

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


def answered(score: int | None = 9, **given: Any) -> Response:  # fields of any type, checked by the model
    """An answer as intake settles it: a live one from the website, unless said otherwise."""
    fields: dict[str, Any] = {
        "tenant": "default",
        "response_id": f"r-{uuid4()}",
        "revision": 1,
        "op": "submitted",
        "metric": "nps",
        "score": score,
        "channel": "website",
        "source": "test",
        "answered_at": NOON,
        "received_at": NOON,
    }
    fields |= given
    fields.setdefault("digest", f"{hash((fields['score'], fields['revision'], fields['op'])) & (2**128 - 1):032x}")
    return Response(**fields)
