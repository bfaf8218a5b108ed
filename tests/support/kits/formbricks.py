"""Formbricks's kit."""

from __future__ import annotations

from typing import Final

from tests.support.kits.kit import Kit, standard_signature

KIT: Final = Kit(
    vendor="formbricks",
    options={
        "score": "nps",
        "comment": "why",
        "customer_id": "customer",
        "segment_by": {"plan": "plan"},
    },
    secret="whsec_Zm9ybWJyaWNrcy1zaWducy13aXRoLXRoaXM=",
    other_secret="whsec_YW5vdGhlci1zdXJ2ZXkncy1zZWNyZXQtb25l",
    sign=standard_signature,
    proof="webhook-signature",
    time="webhook-timestamp",
    id="webhook-id",
    takes_several=True,
)
