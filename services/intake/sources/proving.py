"""Ways of proof that a business file can name, for senders whose way is in no adapter."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from services.chassis.business import Section
from services.intake.sources.proofs import (
    check_base64,
    check_fresh,
    check_hex,
    check_standard,
    check_token,
    header,
)
from services.intake.sources.source import Call, Unverified

LONGEST_TIME: Final = 40

_TIMESTAMP: Final = "{timestamp}"
_BODY: Final = "{body}"

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$"), AfterValidator(str.lower)]


def _joins(text: str) -> str:
    if text.count(_TIMESTAMP) != 1 or text.count(_BODY) != 1:
        raise ValueError(f"must have {_TIMESTAMP} and {_BODY} once each")
    return text


class SignedTime(Section):
    """A time that is signed with the body: what is older than five minutes is refused."""

    header: HeaderName = Field(description="header with the time")
    form: Literal["seconds", "milliseconds", "iso"] = Field(default="seconds", description="how the time is written")
    joined: Annotated[str, AfterValidator(_joins)] = Field(
        default="{timestamp}.{body}", description="the text that is signed"
    )


class Hmac(Section):
    """A signature over the raw body, or over a time and the body."""

    kind: Literal["hmac"]
    header: HeaderName = Field(description="header with the signature")
    digest: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", description="text before the signature, for example sha256=")
    timestamp: SignedTime | None = None


class Standard(Section):
    """Standard Webhooks 1.0 (standardwebhooks.com)."""

    kind: Literal["standard"]


class Token(Section):
    """A secret of ours that the sender repeats: as bearer, as password of HTTP Basic, or as `?token=`."""

    kind: Literal["token"]
    header: HeaderName | None = Field(default=None, description="a header that holds the secret and nothing else")


Proof = Annotated[Hmac | Standard | Token, Field(discriminator="kind")]
"""How a sender proves that it is the sender."""


def prove(call: Call, proof: Proof, secret: str, now: datetime) -> None:
    """Returns if the call is from who holds the secret.

    Raises:
        Unverified: if it does not fit.
    """
    if isinstance(proof, Standard):
        check_standard(call, secret, now)
    elif isinstance(proof, Hmac):
        _check_signature(call, proof, secret, now)
    elif proof.header is None:
        check_token(call, secret)
    elif not hmac.compare_digest(header(call, proof.header).encode(errors="replace"), secret.encode()):
        raise Unverified(f"{proof.header}: does not fit")


def _check_signature(call: Call, proof: Hmac, secret: str, now: datetime) -> None:
    offered = header(call, proof.header).removeprefix(proof.prefix)
    signed = call.body if proof.timestamp is None else _with_time(call, proof.timestamp, now)
    check = check_hex if proof.encoding == "hex" else check_base64
    check(offered, proof.header, secret, signed, proof.digest)


def _with_time(call: Call, time: SignedTime, now: datetime) -> bytes:
    sent = header(call, time.header)
    check_fresh(_in_seconds(sent, time), time.header, now)
    before, _, after = time.joined.partition(_BODY)
    written = sent.encode(errors="replace")
    return (
        before.encode().replace(_TIMESTAMP.encode(), written)
        + call.body
        + after.encode().replace(_TIMESTAMP.encode(), written)
    )


def _in_seconds(sent: str, time: SignedTime) -> str:
    """The time in seconds since 1970; as it is where it is none, to be refused."""
    if time.form == "seconds" or len(sent) > LONGEST_TIME:
        return sent
    if time.form == "milliseconds":
        return sent[:-3] if sent.isascii() and sent.isdigit() else sent
    try:
        moment = datetime.fromisoformat(sent)
        return str(int(moment.timestamp())) if moment.tzinfo else ""
    except (ValueError, OverflowError):
        return ""
