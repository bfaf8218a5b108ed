"""Webhooks of a CRM, signed as Standard Webhooks 1.0 says: verified on the raw bytes, then parsed.

The signature is HMAC-SHA-256 over `id.timestamp.body`; a header may carry several, of old and new keys or of versions
this reader does not know, and one that fits is enough. Whatever else stands in a header is passed over, never an error.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, Self
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from schemas.contract import Identifier, Moment, Name, ShortText, Stranger, Tenant, Text
from schemas.malformed import Malformed
from schemas.sealed import Sealed
from schemas.task import Note, Outcome, TaskStatus
from schemas.task_update import TaskUpdate
from services.chassis.failures import Halt
from services.intake.sources.proofs import (
    SECRET_PREFIX,
    TOLERANCE,
    WEBHOOK_ID,
    WEBHOOK_TIMESTAMP,
    check_standard,
    is_timestamp,
)
from services.intake.sources.source import Call

SHORTEST_KEY: Final = 16

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
    parse_secret(secret)
    check_standard(Call.of(headers, body), secret, now)


def parse(body: bytes, headers: Mapping[str, str]) -> CrmUpdate:
    """What a verified webhook says.

    Raises:
        Malformed: naming each field and the reason.
    """
    told = _told(headers)
    try:
        update_id = _IDENTIFIER.validate_python(told.get(WEBHOOK_ID))
    except ValidationError as error:
        raise Malformed.of(WEBHOOK_ID, "must be 1 to 200 printable characters") from error
    try:
        webhook = _Webhook.model_validate_json(body)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error
    sent_at = told.get(WEBHOOK_TIMESTAMP, "")
    if not is_timestamp(sent_at):
        raise Malformed.of(WEBHOOK_TIMESTAMP, "must be seconds since 1970")
    latest = datetime.fromtimestamp(int(sent_at), UTC) + TOLERANCE
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
