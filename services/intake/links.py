"""Links to a form: who is asked about what, sealed, so that nothing about anybody stands in an address in clear.

A token is the tenant and, behind a dot, the content under AES-SIV (RFC 5297) with a key derived from the tenant's
secret. That needs no nonce: the same content is the same token, and whoever changes a bit has none. Before that it is
deflated with the words it is made of, which halves the address; nothing but what we sealed is ever inflated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from datetime import datetime
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from pydantic import Field, ValidationError

from schemas.contract import Channel, Identifier, Language, Moment, Segments, ShortText, Stranger, Tenant
from schemas.malformed import Malformed
from schemas.response import Email, Phone, SubmittedAgent

SEALING: Final = b"form link, version 1"
NAMING: Final = b"answer behind a form link, version 1"
ID_BYTES: Final = 16
LONGEST_TOKEN: Final = 1_500
"""An address with it stays below 2,000 characters, which every browser and mail program takes."""

WORDS: Final = (
    b'","name":"","phone":"","account_id":"","segments":{"","agent":{"id":"","team":""},"test":true,"touchpoint":"",'
    b'"survey_id":"","language":"","customer_id":"","email":"{"tenant":"default","expires_at":"202T00:00:00Z",'
    b'"response_id":"'
)
"""What deflate finds in most links (RFC 1951). Links in old mails need it as it is."""


class Link(Stranger):
    """What a link says. Without `response_id` it takes many answers, one after the other."""

    tenant: Tenant
    expires_at: Moment
    response_id: Identifier | None = None
    channel: Channel = "email"
    language: Language | None = None
    survey_id: Identifier | None = None
    touchpoint: ShortText | None = None
    segments: Segments = Field(default_factory=dict)
    agent: SubmittedAgent | None = None
    customer_id: Identifier | None = None
    account_id: Identifier | None = None
    email: Email | None = None
    phone: Phone | None = None
    name: ShortText | None = None
    test: bool = False

    @property
    def many(self) -> bool:
        """Whether it takes many answers."""
        return self.response_id is None

    def is_expired(self, now: datetime) -> bool:
        """Whether it takes no answer any more."""
        return now >= self.expires_at


ABOUT_PEOPLE: Final = ("customer_id", "account_id", "email", "phone", "name")
PREFILLED: Final = ("language", "survey_id", "touchpoint", "segments", "agent", "test", *ABOUT_PEOPLE)
"""What of a link every answer behind it carries."""


def token_for(secret: bytes, link: Link) -> str:
    """The token of a link.

    Raises:
        Malformed: if it would be too long for an address.
    """
    content = link.model_dump_json(exclude_defaults=True).encode()
    deflate = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=WORDS)
    short = deflate.compress(content) + deflate.flush()
    sealed = _cipher(secret).encrypt(short, [link.tenant.encode()])
    token = f"{link.tenant}.{_written(sealed)}"
    if len(token) > LONGEST_TOKEN:
        raise Malformed.of("link", f"{len(token)} characters, at most {LONGEST_TOKEN}: say less in it")
    return token


def tenant_of(token: str) -> str:
    """Whose link a token claims to be, not yet believed; empty if it says none."""
    return token.partition(".")[0] if len(token) <= LONGEST_TOKEN else ""


def opened(secret: bytes, token: str) -> Link:
    """What a token says.

    Raises:
        Malformed: if it is not one of ours.
    """
    tenant, _, text = token.partition(".")
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        short = _cipher(secret).decrypt(sealed, [tenant.encode()])
        if _written(sealed) != text:
            raise ValueError("not as we write it")  # spare bits at the end: a second name for the same link
        inflate = zlib.decompressobj(-zlib.MAX_WBITS, zdict=WORDS)
        return Link.model_validate_json(inflate.decompress(short) + inflate.flush())
    except (binascii.Error, InvalidTag, ValidationError, ValueError, zlib.error) as error:
        raise Malformed.of("link", "not one of ours") from error


def answer_id(secret: bytes, *parts: str) -> str:
    """An id that is the same for the same parts, and tells nothing of them."""
    told = b"".join(f"{len(part)}:{part}".encode() for part in parts)
    return hmac.digest(_derived(secret, NAMING), told, hashlib.sha256)[:ID_BYTES].hex()


def mark_of(secret: bytes, text: str) -> str:
    """What tells whether a text is the same again, and nothing else of it."""
    return answer_id(secret, "text", text)


def _written(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


@cache
def _cipher(secret: bytes) -> AESSIV:
    return AESSIV(_derived(secret, SEALING))


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """64 bytes, which is AES-256-SIV."""
    return hmac.digest(secret, purpose, hashlib.sha512)
