"""A mail, and builders of mails that are wanted: a test shows only what matters to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from schemas.message import Message, effect_id
from services.chassis.keyring import Keyring
from services.delivery.mailer import Mail
from tests.support.answers import answered
from tests.support.sealing import sealed

MAIL = Mail(
    delivery_id=UUID(int=1),
    tenant="default",
    category="perk",
    sender_email="hello@acme.example",
    sender_name="Acme",
    recipient="ada@example.org",
    subject="Thank you",
    html="<p>Thank you</p>",
    text="Thank you",
    unsubscribe_url="https://acme.example/u/token",
)
"""What a mailer is given."""

PERSONAL = ("name", "customer_id", "locale")


async def message_to(keyring: Keyring, email: str | None = "ada@example.org", **given: Any) -> Message:  # of any type
    """A perk for somebody, unless said otherwise; `name`, `customer_id` and `locale` are theirs."""
    personal = {key: given.pop(key) for key in PERSONAL if key in given}
    answer = answered(9, **{key: given[key] for key in ("tenant", "response_id") if key in given})
    if email:
        answer = await sealed(keyring, answer, email=email, **personal)
    fields = {
        "tenant": answer.tenant,
        "response_id": answer.response_id,
        "revision": 1,
        "command": "perk",
        "template": given.get("command", "perk"),
        "message_id": effect_id(answer.tenant, answer.response_id, "mail"),
        "channel": answer.channel,
        "subject": answer.subject,
        "sealed": answer.sealed,
    }
    return Message(**(fields | given))
