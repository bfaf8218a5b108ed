"""Chatwoot: what somebody thought of a conversation, 1 to 5. It is satisfaction with one conversation and never NPS.

The answer comes as a change to the message that asked. Every change brings the whole answer, also one of the message's
state, and the last that comes counts. When the customer answered is not told: it is when it comes in.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from services.intake.sources.proofs import check_fresh, check_hex, check_token, header
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorId,
    VendorModel,
    VendorStars,
    answer,
    read,
)

SIGNATURE: Final = "x-chatwoot-signature"
TIMESTAMP: Final = "x-chatwoot-timestamp"
CHANNEL: Final = "live_chat"
CHANGED: Final = "message_updated"
SURVEY: Final = "input_csat"


class Options(SourceOptions):
    """An account of Chatwoot's; each webhook has a secret of its own."""

    vendor: Literal["chatwoot"]
    signed: bool = Field(
        default=True, description="false where Chatwoot is too old to sign: the secret is then a token"
    )


class _Event(VendorModel):
    event: str
    content_type: str | None = None


class _Rating(VendorModel):
    rating: VendorStars | None = None
    feedback_message: str | None = None


class _Submitted(VendorModel):
    csat_survey_response: _Rating | None = None


class _Content(VendorModel):
    submitted_values: _Submitted | None = None


class _Contact(VendorModel):
    name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    identifier: str | None = None
    custom_attributes: dict[str, Any] | None = None  # whatever the business keeps of its contacts


class _Agent(VendorModel):
    id: VendorId


class _Meta(VendorModel):
    sender: _Contact | None = None
    assignee: _Agent | None = None


class _Conversation(VendorModel):
    meta: _Meta | None = None


class _Inbox(VendorModel):
    name: str | None = None


class _Message(VendorModel):
    id: VendorId
    content_attributes: _Content | None = None
    conversation: _Conversation | None = None
    inbox: _Inbox | None = None


def verify(call: Call, options: Options, secret: str, now: datetime) -> None:
    """HMAC-SHA-256 over time, full stop and body, hexadecimal, after `sha256=`; a token where nothing is signed.

    Raises:
        Unverified: if it does not fit.
    """
    if not options.signed:
        check_token(call, secret)
        return
    sent = header(call, TIMESTAMP)
    check_fresh(sent, TIMESTAMP, now)
    offered = header(call, SIGNATURE).removeprefix("sha256=")
    check_hex(offered, SIGNATURE, secret, f"{sent}.".encode() + call.body)


def parse(call: Call, options: Options) -> list[Said]:
    """The rating and the words, once there is a rating; every other change says nothing.

    Raises:
        Malformed: naming the field.
    """
    event = read(_Event, call.body)
    if (event.event, event.content_type) != (CHANGED, SURVEY):
        return []
    message = read(_Message, call.body)
    rated = _rated(message)
    if rated is None or rated.rating is None:
        return []
    measured = {"metric": "csat", "rating": rated.rating, "comment": rated.feedback_message}
    return [Answered(answer(options, CHANNEL, op="updated", response_id=message.id, **measured, **_known(message)))]


def _rated(message: _Message) -> _Rating | None:
    submitted = message.content_attributes and message.content_attributes.submitted_values
    return submitted.csat_survey_response if submitted else None


def _known(message: _Message) -> dict[str, Any]:  # fields of an answer
    """Who answered and who served, as an answer has it."""
    meta = (message.conversation and message.conversation.meta) or _Meta()
    contact = meta.sender or _Contact()
    return {
        "customer_id": contact.identifier,
        "email": contact.email,
        "phone": contact.phone_number,
        "name": contact.name,
        "agent": {"id": meta.assignee.id} if meta.assignee else None,
        "attributes": {**(contact.custom_attributes or {}), "inbox": message.inbox and message.inbox.name},
    }
