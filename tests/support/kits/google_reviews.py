"""Google Business Profile's kit: Pub/Sub proves with an id token, which Google signs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from tests.support.id_tokens import issuer
from tests.support.kits.kit import Headers, Kit

ISSUERS: Final = {issuer(name).keys: issuer(name) for name in ("google", "another")}

ACCOUNT: Final = "push@example.iam.gserviceaccount.com"
AUDIENCE: Final = "https://intake.example.org/v1/sources/default/google_reviews"


def claims(at: datetime, **more: Any) -> dict[str, Any]:  # JSON of any shape
    """What Pub/Sub claims, for an hour."""
    seconds = int(at.timestamp())
    return {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": "113774264463038321964",
        "sub": "113774264463038321964",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": seconds,
        "exp": seconds + 3600,
        **more,
    }


def sign(_body: bytes, secret: str, at: datetime) -> Headers:
    """A token of the issuer whose public keys take the place of a secret."""
    return {"authorization": f"Bearer {ISSUERS[secret].token(claims(at))}"}


KIT: Final = Kit(
    vendor="google_reviews",
    options={"segment_by": {"place": "location"}, "service_account": ACCOUNT, "audience": AUDIENCE},
    secret=issuer("google").keys,
    other_secret=issuer("another").keys,
    sign=sign,
    signs_body=False,
)
