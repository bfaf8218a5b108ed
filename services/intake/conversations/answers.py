"""What of a conversation is let in: answers and comments through the one door, opt-outs as consents withdrawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from pydantic import ValidationError

from schemas.consent import Consent, Purpose
from schemas.malformed import Malformed
from schemas.response import Submission
from schemas.topics import CONSENTS
from services.chassis.keyring import Erased, Identity
from services.chassis.records import Cause, outgoing
from services.intake.conversations.texts import ON_PHONES
from services.intake.domain import Arrival

if TYPE_CHECKING:
    from services.chassis.publishing import Publisher
    from services.intake.conversations.sql_conversations import Conversation
    from services.intake.conversations.talk import Turn
    from services.intake.door import Door
    from services.intake.sources.source import SourceOptions

SOURCE: Final = "conversations"
"""Names the answers of bots; those of telephones have the name of their source in the business file."""

OPT_OUTS: Final = UUID("3b0a4f5e-6f0d-5d53-8a53-6a2a6d1c0b57")
"""Namespace of the ids of opt-outs (RFC 9562 §5.5)."""

PURPOSES: Final[tuple[Purpose, ...]] = ("survey", "mail")


@dataclass(frozen=True, slots=True)
class Answers:
    """Lets in what conversations bring."""

    door: Door
    publisher: Publisher

    async def let_in(self, known: Conversation, turn: Turn, now: datetime, traceparent: str | None) -> None:
        """An answer, a comment or an opt-out: durable on return.

        Raises:
            Malformed: if the door refuses it.
            Transient: if nothing can be let in now.
        """
        if turn.score is None and turn.comment is None and not turn.opts_out:
            return
        facts = await self.facts(known)
        if turn.opts_out:
            await self.withdraw_consent(known, await self._subjects(known, facts), now, traceparent)
            return
        arrival = self.arrival(known, _said_submission(known, facts, turn, now), now, traceparent)
        for result in await self.door.admit([arrival], now):
            if isinstance(result, Malformed):
                raise result

    async def withdraw_consent(
        self, known: Conversation, subjects: Sequence[str], now: datetime, traceparent: str | None = None
    ) -> None:
        """Neither do we ask these any more, nor write to them."""
        cause = Cause("intake", now, traceparent)
        records = []
        for subject in subjects:
            for purpose in PURPOSES:
                consent = Consent(
                    tenant=known.tenant,
                    subject=subject,
                    purpose=purpose,
                    granted=False,
                    source=known.source or SOURCE,
                    evidence=f"said stop by {known.medium}",
                    at=now,
                )
                event_id = str(uuid5(OPT_OUTS, f"{known.conversation_id}|{subject}|{purpose}"))
                records.append(outgoing(CONSENTS, consent, event_id, cause))
        await self.publisher.publish(records)

    async def facts(self, known: Conversation) -> dict[str, Any]:  # fields of a submission
        """What is known of the person; nothing more once they are erased."""
        if known.sealed is None:
            return {}
        opened = await self.door.keyring.open(known.sealed)
        facts: dict[str, Any] = {} if isinstance(opened, Erased) else json.loads(opened)
        return facts

    async def _subjects(self, known: Conversation, facts: dict[str, Any]) -> list[str]:  # fields of a submission
        """Whom an opt-out is about: the telephone, or whoever the bot said it talks with."""
        if known.medium in ON_PHONES:
            return [known.party]
        identity = Identity(facts.get("customer_id"), facts.get("email"), facts.get("phone"))
        identified = await self.door.keyring.identify(known.tenant, identity)
        return [value for value, _ in identified.identifiers] if identified else []

    def arrival(self, known: Conversation, submission: Submission, now: datetime, traceparent: str | None) -> Arrival:
        """An answer on its way to the door, with what the business says of the source it came through."""
        options = self.door.sections.of(known.tenant).sources.get(known.source or "")
        channel: str = "sms" if known.medium in ON_PHONES else known.medium
        if options is not None:
            submission = _with_options(submission, options)
            channel = options.channel or channel
        return Arrival(
            submission=submission,
            tenant=known.tenant,
            channel=channel,
            received_at=now,
            identity=f"conversation|{known.conversation_id}",
            source=known.source or SOURCE,
            traceparent=traceparent,
        )


def _with_options(submission: Submission, options: SourceOptions) -> Submission:
    """What was said of this one conversation wins over what is said of all of its source, segments apart."""
    return submission.model_copy(
        update={
            "touchpoint": submission.touchpoint or options.touchpoint,
            "survey_id": submission.survey_id or options.survey_id,
            "segments": submission.segments | options.segments,
            "test": submission.test or options.test,
        }
    )


def _said_submission(known: Conversation, facts: dict[str, Any], turn: Turn, now: datetime) -> Submission:  # fields
    """The answer, its correction, or the comment that came after it."""
    if turn.score is None:
        who = {name: value for name, value in facts.items() if name in {"customer_id", "email", "phone"}}
        return submission_of(known, who, op="commented", comment=turn.comment)
    if turn.corrects:
        return submission_of(known, facts, op="updated", score=turn.score, updated_at=now)
    return submission_of(known, facts, score=turn.score, comment=turn.comment)


def submission_of(known: Conversation, facts: dict[str, Any], **said: Any) -> Submission:  # fields, checked here
    """An answer of a conversation.

    Raises:
        Malformed: naming the field that does not fit.
    """
    told = {name: value for name, value in said.items() if value is not None}
    try:
        return Submission.model_validate(
            {**facts, **told, "response_id": known.conversation_id, "language": known.talk.language}
        )
    except ValidationError as error:
        raise Malformed.from_validation(error) from error
