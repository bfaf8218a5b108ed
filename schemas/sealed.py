"""Personal data, sealed: what lies in it can be read with the owner's key alone, and never again once that is gone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.contract import Contract

Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class Sealed(Contract):
    """AES-256-GCM over a JSON object, bound to its tenant and owner by the associated data."""

    kid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] = Field(description="random id of the key")
    nonce: Base64 = Field(description="96 random bits")
    ciphertext: Base64 = Field(description="ciphertext and 128-bit tag")
