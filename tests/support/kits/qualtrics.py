"""Qualtrics' kit: with a token, since what it signs stands in the form and in no header."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, bearer

SHARED_KEY: Final = "a shared key"
"""What the recorded forms are signed with."""

KIT: Final = Kit(
    vendor="qualtrics",
    options={
        "api": "https://fra1.qualtrics.com",
        "proof": "token",
        "score": "QID1",
        "comment": "QID2_TEXT",
        "attributes": ["plan"],
        "segment_by": {"country": "country"},
    },
    secret="a token of ours",
    other_secret="a token of others",
    sign=bearer,
    signs_body=False,
    content_type="application/x-www-form-urlencoded",
)
