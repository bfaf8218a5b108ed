"""Reads the body of `POST /v3/mail/send` and objects to it in SendGrid's words, field by field."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

MOST_PERSONALIZATIONS: Final = 1000
LARGEST_CUSTOM_ARGS: Final = 10_000
RESERVED_HEADERS: Final = frozenset(
    {
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    }
)

_ADDRESS: Final = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+\.[^\s@<>\"]+")

Json = dict[str, Any]  # JSON of any shape: it is checked here


class Objection(NamedTuple):
    """One thing SendGrid does not take."""

    message: str
    field: str | None = None


class Refused(Exception):
    """The body is not acceptable."""

    def __init__(self, objections: list[Objection]) -> None:
        super().__init__("; ".join(objection.message for objection in objections))
        self.objections = objections


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient, as far as the sandbox shows it."""

    recipient: str
    sender_email: str
    sender_name: str
    subject: str
    html: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    custom_args: dict[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()


def parse(body: bytes) -> list[Mail]:
    """The mails a request asks for, one for each recipient.

    Raises:
        Refused: with every objection.
    """
    try:
        content = json.loads(body)
    except ValueError as error:
        raise Refused([Objection("Bad Request")]) from error
    if not isinstance(content, dict):
        raise Refused([Objection("Bad Request")])
    objections = [
        *_personalizations(content.get("personalizations"), has_subject=bool(content.get("subject"))),
        *_sender(content.get("from")),
        *_contents(content.get("content")),
        *_extras(content),
    ]
    if objections:
        raise Refused(objections)
    return _mails(content)


def _personalizations(given: object, *, has_subject: bool) -> list[Objection]:
    if not isinstance(given, list) or not given:
        message = "The personalizations field is required and must have at least one personalization."
        return [Objection(message, "personalizations")]
    if len(given) > MOST_PERSONALIZATIONS:
        return [Objection("No more than 1000 personalizations are allowed.", "personalizations")]
    found = []
    for index, one in enumerate(given):
        recipients = one.get("to") if isinstance(one, dict) else None
        found += _recipients(recipients, f"personalizations.{index}.to")
        if not has_subject and not (isinstance(one, dict) and one.get("subject")):
            message = (
                "The subject is required. You can get around this requirement if you use a template with a subject "
                "defined or if every personalization has a subject defined."
            )
            found.append(Objection(message, "subject"))
    return found


def _recipients(given: object, place: str) -> list[Objection]:
    if not isinstance(given, list) or not given:
        message = (
            "The to array is required for all personalization objects, and must have at least one email object with "
            "a valid email address."
        )
        return [Objection(message, place)]
    addresses = [one.get("email") if isinstance(one, dict) else None for one in given]
    found = [
        Objection("Does not contain a valid address.", f"{place}.{index}.email")
        for index, address in enumerate(addresses)
        if not _is_address(address)
    ]
    if len(set(addresses)) < len(addresses):
        message = "Each email address in the personalization block should be unique between to, cc, and bcc."
        found.append(Objection(message, "personalizations"))
    return found


def _sender(given: object) -> list[Objection]:
    if isinstance(given, dict) and _is_address(given.get("email")):
        return []
    message = (
        "The from object must be provided for every email send. It is an object that requires the email parameter, "
        "but may also contain a name parameter."
    )
    return [Objection(message, "from.email")]


def _contents(given: object) -> list[Objection]:
    if not isinstance(given, list) or not given:
        message = (
            "Unless a valid template_id is provided, the content parameter is required. There must be at least one "
            "defined content block."
        )
        return [Objection(message, "content")]
    found = []
    for index, one in enumerate(given):
        if not isinstance(one, dict) or not isinstance(one.get("value"), str) or not one["value"]:
            message = "The content value must be a string at least one character in length."
            found.append(Objection(message, f"content.{index}.value"))
    kinds = [one.get("type") for one in given if isinstance(one, dict)]
    if "text/html" in kinds and "text/plain" in kinds and kinds.index("text/plain") > kinds.index("text/html"):
        message = "If present, text/plain must be first, followed by text/html, followed by any other content."
        found.append(Objection(message, "content"))
    return found


def _extras(content: Json) -> list[Objection]:
    found = []
    custom = content.get("custom_args", {})
    if not isinstance(custom, dict) or not all(isinstance(value, str) for value in custom.values()):
        found.append(Objection("custom_args must be an object of strings.", "custom_args"))
    elif len(json.dumps(custom)) > LARGEST_CUSTOM_ARGS:
        found.append(Objection("custom_args may not exceed 10000 bytes.", "custom_args"))
    headers = content.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        found.append(Objection("headers must be an object of strings.", "headers"))
    elif RESERVED_HEADERS & {name.lower() for name in headers}:
        found.append(Objection("A header given is reserved and may not be set.", "headers"))
    elif any("\r" in value or "\n" in value for value in headers.values()):
        found.append(Objection("Header values may not break lines.", "headers"))
    categories = content.get("categories", [])
    if not isinstance(categories, list) or not all(isinstance(one, str) for one in categories):
        found.append(Objection("categories must be an array of strings.", "categories"))
    return found


def _mails(content: Json) -> list[Mail]:
    values = {one["type"]: one["value"] for one in content["content"] if isinstance(one.get("type"), str)}
    return [
        Mail(
            recipient=recipient["email"],
            sender_email=content["from"]["email"],
            sender_name=str(content["from"].get("name") or ""),
            subject=str(one.get("subject") or content["subject"]),
            html=values.get("text/html", ""),
            text=values.get("text/plain", ""),
            headers={**content.get("headers", {}), **_strings(one.get("headers"))},
            custom_args={**content.get("custom_args", {}), **_strings(one.get("custom_args"))},
            categories=tuple(content.get("categories", ())),
        )
        for one in content["personalizations"]
        for recipient in one["to"]
    ]


def _strings(given: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}


def _is_address(given: object) -> bool:
    return isinstance(given, str) and _ADDRESS.fullmatch(given) is not None
