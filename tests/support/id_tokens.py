"""Issuers of id tokens: a key pair each, the public half as the set that a vendor shows."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

Json = dict[str, Any]  # JSON of any shape


@dataclass(frozen=True)
class Issuer:
    """Signs id tokens."""

    key: RSAPrivateKey
    kid: str

    @property
    def keys(self) -> str:
        """The JSON Web Key Set (RFC 7517 §5)."""
        public = self.key.public_key().public_numbers()
        numbers = {"n": _number(public.n), "e": _number(public.e)}
        return json.dumps({"keys": [{"kid": self.kid, "kty": "RSA", "alg": "RS256", "use": "sig", **numbers}]})

    def token(self, claims: Json, head: Json | None = None) -> str:
        """A token that claims so; `head` overrides what its head says."""
        parts = [{"alg": "RS256", "kid": self.kid, "typ": "JWT"} | (head or {}), claims]
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_encoded(self.key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


@cache
def issuer(name: str) -> Issuer:
    """The same one for the same name: two have different keys under the same id."""
    return Issuer(generate_private_key(65537, 2048), "a key")


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))
