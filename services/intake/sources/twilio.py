"""Twilio: a text message came in, by SMS or WhatsApp, and what is said back.

Signed is the address that Twilio was given, with every parameter behind it, sorted; Twilio has no rule about ports, and
its own libraries try the address with and without one. No time is signed: a copy has the same MessageSid, and is heard
once. What Twilio says of a text of ours comes in the same form, without a body, and says nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from xml.sax.saxutils import escape

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from schemas.malformed import Malformed
from schemas.response import Phone
from services.intake.sources.proofs import check_base64, header
from services.intake.sources.source import Call, Heard, Said, SourceOptions, Unverified

if TYPE_CHECKING:
    from datetime import datetime

SIGNATURE: Final = "x-twilio-signature"
WHATSAPP: Final = "whatsapp:"
MOST_PARAMETERS: Final = 500
LONGEST_BODY: Final = 20_000
TWIML: Final = "text/xml"
PORTS: Final = {"https": 443, "http": 80}

_PHONE: Final[TypeAdapter[str]] = TypeAdapter(Phone)
ContentSid = Annotated[str, StringConstraints(pattern=r"^HX[0-9a-f]{32}$")]
OurLanguage = Literal["en", "cs", "pl", "fi", "ru", "zh"]


class Options(SourceOptions):
    """A number or Messaging Service of an account whose auth token is this source's secret."""

    vendor: Literal["twilio"]
    account_sid: Annotated[str, StringConstraints(pattern=r"^AC[0-9a-f]{32}$")] | None = Field(
        default=None, description="the account that texts go out from; without it there are only answers to texts"
    )
    sender: Annotated[str, StringConstraints(pattern=r"^(MG[0-9a-f]{32}|\+?[0-9]{3,15})$")] | None = Field(
        default=None, description="the number, or the Messaging Service (MG...), that texts go out from"
    )
    question_templates: dict[OurLanguage, ContentSid] = Field(
        default_factory=dict,
        description="WhatsApp's approved templates of the question, by language; {{1}} is the name",
    )
    reminder_templates: dict[OurLanguage, ContentSid] = Field(
        default_factory=dict,
        description="WhatsApp's approved templates of the reminder, by language; {{1}} is the name",
    )


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-1 over the address and the parameters, base64, under the account's auth token.

    Raises:
        Unverified: if it does not fit.
    """
    offered = header(call, SIGNATURE)
    try:
        parameters = "".join(f"{name}{value}" for name, value in sorted(set(_parameters(call.body))))
    except ValueError as error:
        raise Unverified("body: no form") from error
    fitting = [url for url in _with_and_without_port(call.url) if _fits(offered, secret, url + parameters)]
    if not fitting:
        raise Unverified(f"{SIGNATURE}: does not fit; it signs the address as Twilio has it")


def parse(call: Call, _options: Options) -> list[Said]:
    """The message, if it is one.

    Raises:
        Malformed: naming the parameter.
    """
    try:
        told = dict(_parameters(call.body))
    except ValueError as error:
        raise Malformed.of("body", "no form, or too many parameters") from error
    if "Body" not in told:
        return []
    sender = told.get("From", "")
    try:
        phone = _PHONE.validate_python(sender.removeprefix(WHATSAPP))
    except ValidationError as error:
        raise Malformed.of("From", "no telephone number") from error
    return [
        Heard(
            phone=phone,
            text=told["Body"].replace("\x00", "")[:LONGEST_BODY],
            message_id=told.get("MessageSid") or None,
            medium="whatsapp" if sender.startswith(WHATSAPP) else "sms",
            opts_out=told.get("OptOutType", "").upper() == "STOP",
        )
    ]


def reply(say: str | None) -> bytes:
    """TwiML: a text back, or nothing."""
    message = f"<Message>{escape(say)}</Message>" if say else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'.encode()


def _parameters(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)


def _with_and_without_port(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        port, host = parts.port or PORTS.get(parts.scheme), parts.netloc.removesuffix(f":{parts.port}")
    except ValueError:
        return [url]
    return [urlunsplit(parts._replace(netloc=host)), urlunsplit(parts._replace(netloc=f"{host}:{port}"))]


def _fits(offered: str, secret: str, signed: str) -> bool:
    try:
        check_base64(offered, SIGNATURE, secret, signed.encode(errors="replace"), "sha1")
    except Unverified:
        return False
    return True
