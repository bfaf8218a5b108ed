"""Seals personal data the way intake does."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.personal_data import PersonalData
from schemas.response import Response
from services.chassis.keyring import Claim, Identity, Key, Keyring


async def sealed(keyring: Keyring, answer: Response, **personal: str) -> Response:
    """The same answer, given by somebody."""
    data = PersonalData(**personal)  # type: ignore[arg-type]  # every field given is a string
    return (await all_sealed(keyring, [(answer, data)]))[0]


async def all_sealed(keyring: Keyring, given: Sequence[tuple[Response, PersonalData]]) -> list[Response]:
    """The same for many, with one look into the keyring."""
    identities = [
        await keyring.identify(answer.tenant, Identity(data.customer_id, data.email, data.phone))
        for answer, data in given
    ]
    claims = [
        Claim(answer.tenant, one.subject if one else f"response:{answer.response_id}", one)
        for (answer, _), one in zip(given, identities, strict=True)
    ]
    keys = await keyring.admit(claims)
    made = []
    for (answer, data), claim in zip(given, claims, strict=True):
        key = keys[claim.tenant, claim.owner]
        content = data.model_dump_json(exclude_defaults=True).encode()
        sealed_data = keyring.seal(key, content) if isinstance(key, Key) else None
        subject = claim.identified.subject if claim.identified else None
        made.append(answer.model_copy(update={"subject": subject, "sealed": sealed_data}))
    return made
