"""Seals personal data the way intake does."""

from __future__ import annotations

from schemas.personal_data import PersonalData
from schemas.response import Response
from services.chassis.keyring import Claim, Identity, Key, Keyring


async def sealed(keyring: Keyring, answer: Response, **personal: str) -> Response:
    """The same answer, given by somebody."""
    data = PersonalData(**personal)  # type: ignore[arg-type]  # every field given is a string
    identity = Identity(data.customer_id, data.email, data.phone)
    one = await keyring.identify(answer.tenant, identity)
    owner = one.subject if one else f"response:{answer.response_id}"
    key = (await keyring.admit([Claim(answer.tenant, owner, one)]))[answer.tenant, owner]
    content = data.model_dump_json(exclude_defaults=True).encode()
    return answer.model_copy(
        update={
            "subject": one.subject if one else None,
            "sealed": keyring.seal(key, content) if isinstance(key, Key) else None,
        }
    )
