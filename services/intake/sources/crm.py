"""Webhooks of a CRM, signed as Standard Webhooks 1.0 says: verified on the raw bytes, then parsed.

The signature is HMAC-SHA-256 over `id.timestamp.body`; a header may carry several, of old and new keys or of versions
this reader does not know, and one that fits is enough. Whatever else stands in a header is passed over, never an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Self
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from schemas.contract import Identifier, Moment, Name, ShortText, Stranger, Tenant, Text
from schemas.malformed import Malformed
from schemas.sealed import Sealed
from schemas.task import Note, Outcome, TaskStatus
from schemas.task_update import TaskUpdate
from services.chassis.failures import Halt
from services.intake.sources.source import Unverified

TOLERANCE: Final = timedelta(minutes=5)
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 a form, no secret
VERSION: Final = "v1"
SHORTEST_KEY: Final = 16

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

_IDENTIFIER: Final[TypeAdapter[str]] = TypeAdapter(Identifier)


class _Changes(Stranger):
    tenant: Tenant
    task_id: UUID
    external_id: Identifier | None = None
    status: TaskStatus | None = None
    owner: Identifier | None = None
    outcome: Outcome | None = None
    note: Text | None = Field(default=None, min_length=1)
    author: ShortText | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.status or self.owner or self.outcome or self.note):
            raise ValueError("one of status, owner, outcome and note is required")
        return self


class _Webhook(Stranger):
    type: Literal["task.updated"]
    timestamp: Moment
    data: _Changes


@dataclass(frozen=True, slots=True)
class CrmUpdate:
    """What a CRM says happened to a task. The note is in clear still: it is somebody's words."""

    update_id: str
    tenant: str
    task_id: UUID
    occurred_at: datetime
    external_id: str | None = None
    status: TaskStatus | None = None
    owner: str | None = None
    outcome: Outcome | None = None
    author: str | None = None
    note: str | None = field(default=None, repr=False)

    @property
    def note_owner(self) -> str:
        """Under whose key the note is sealed: nobody here knows whom the task is about."""
        return f"task:{self.task_id}"

    def note_content(self) -> bytes | None:
        """What is to be sealed: the note as the contract has it; none if there is no note."""
        if self.note is None:
            return None
        note = Note(text=self.note, author=self.author, at=self.occurred_at)
        return note.to_json()

    def task_update(self, sealed: Sealed | None, system: Name = "crm") -> TaskUpdate:
        """The same as an event, with the note sealed."""
        return TaskUpdate(
            update_id=self.update_id,
            tenant=self.tenant,
            task_id=self.task_id,
            system=system,
            external_id=self.external_id,
            status=self.status,
            owner=self.owner,
            outcome=self.outcome,
            author=self.author,
            sealed=sealed,
            occurred_at=self.occurred_at,
        )


def parse_secret(secret: str) -> bytes:
    """The key from its setting, `whsec_` and base64.

    Raises:
        Halt: if it is no such secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Halt("NPS_CRM_WEBHOOK_SECRET: must be whsec_ and base64") from error
    if len(key) < SHORTEST_KEY:
        raise Halt(f"NPS_CRM_WEBHOOK_SECRET: {len(key)} bytes, must be at least {SHORTEST_KEY}")
    return key


def verify(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    """Returns if the body is from who holds the secret, and was sent within the last five minutes.

    Raises:
        Unverified: naming the header that is missing or wrong.
        Halt: if the secret itself is none.
    """
    key = parse_secret(secret)
    told = _told(headers)
    for name in (ID, TIMESTAMP, SIGNATURE):
        if not told.get(name):
            raise Unverified(f"{name}: missing")
    sent_at = _sent_at(told[TIMESTAMP])
    if now - sent_at > TOLERANCE:
        raise Unverified(f"{TIMESTAMP}: more than five minutes ago")
    if sent_at - now > TOLERANCE:
        raise Unverified(f"{TIMESTAMP}: more than five minutes ahead")
    signed = f"{told[ID]}.{told[TIMESTAMP]}.".encode(errors="replace") + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    if not any(hmac.compare_digest(expected, offered) for offered in _signatures(told[SIGNATURE])):
        raise Unverified(f"{SIGNATURE}: none fits")


def parse(body: bytes, headers: Mapping[str, str]) -> CrmUpdate:
    """What a verified webhook says.

    Raises:
        Malformed: naming each field and the reason.
    """
    told = _told(headers)
    try:
        update_id = _IDENTIFIER.validate_python(told.get(ID))
    except ValidationError as error:
        raise Malformed.of(ID, "must be 1 to 200 printable characters") from error
    try:
        webhook = _Webhook.model_validate_json(body)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error
    try:
        latest = _sent_at(told.get(TIMESTAMP, "")) + TOLERANCE
    except Unverified as error:
        raise Malformed.of(TIMESTAMP, "must be seconds since 1970") from error
    if webhook.timestamp > latest:
        # the newest word about a field wins: one from the future would win over all that follow
        raise Malformed.of("timestamp", "later than the webhook was sent")
    said = webhook.data
    return CrmUpdate(
        update_id=update_id,
        tenant=said.tenant,
        task_id=said.task_id,
        occurred_at=webhook.timestamp,
        external_id=said.external_id,
        status=said.status,
        owner=said.owner,
        outcome=said.outcome,
        author=said.author,
        note=said.note,
    )


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, value in headers.items()}


def _sent_at(timestamp: str) -> datetime:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 10):
        raise Unverified(f"{TIMESTAMP}: must be seconds since 1970")
    return datetime.fromtimestamp(int(timestamp), UTC)


def _signatures(header: str) -> list[bytes]:
    tokens = (token.partition(",") for token in header.split())
    return [signature.encode(errors="replace") for version, comma, signature in tokens if comma and version == VERSION]
