"""SatisMeter's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, bearer

KIT: Final = Kit(
    vendor="satismeter",
    options={"segment_by": {"plan": "plan"}},
    secret="a token of ours",
    other_secret="a token of another source",
    sign=bearer,
    signs_body=False,
)
