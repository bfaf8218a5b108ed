"""Conversations on their way: begun, heard and reminded, each step saved, each answer through the one door.

A text goes out at most once a step: the step is committed first, and a try of which nobody knows what became is never
repeated. What came in is durable before its step is saved; what comes again in between comes out the same.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID, uuid5

from schemas.malformed import Malformed
from services.chassis.failures import Transient
from services.chassis.keyring import Claim, Identity, Key
from services.chassis.problems import Problem
from services.chassis.web import unavailable
from services.intake.conversations.answers import submission_of
from services.intake.conversations.asked import Asked, international
from services.intake.conversations.number_words import language_of
from services.intake.conversations.sql_conversations import Conversation
from services.intake.conversations.talk import Line, Talk, Turn, begun, due_at, passed, said
from services.intake.conversations.texter import Accepted, Ambiguous, Later, Outcome, Refused
from services.intake.conversations.texts import worded
from services.intake.domain import check

if TYPE_CHECKING:
    from services.chassis.frame import Frame
    from services.chassis.keyring import Keyring
    from services.chassis.metrics import Metrics
    from services.intake.conversations.answers import Answers
    from services.intake.conversations.settings import ConversationsSection
    from services.intake.conversations.sql_conversations import SqlConversations
    from services.intake.conversations.texting import Texting
    from services.intake.metrics import AnyMetric

IDS: Final = UUID("8e4c0b57-52a1-5c0e-9d1f-2f6a6f6f0a11")
"""Namespace of the ids of conversations, which name their answers (RFC 9562 §5.5)."""

TRIES: Final = 5
AT_ONCE: Final = 100
AGAIN_AFTER: Final = timedelta(minutes=1)
"""How long until a reminder is tried again that surely was not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something that was said. `message_id` is the same when the same comes again."""

    text: str
    message_id: str | None = None
    opts_out: bool = False
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What to say next, and whether nothing more is asked."""

    say: str | None
    over: bool


@dataclass(frozen=True, slots=True)
class Started:
    """A conversation that goes on: `sent` tells of the text that went out for it, if one did."""

    conversation_id: str
    told: Told
    new: bool
    sent: Literal["accepted", "unknown"] | None = None


@dataclass(frozen=True, slots=True)
class Conversing:
    """What conversations need."""

    frame: Frame
    answers: Answers
    conversations: SqlConversations
    texting: Texting

    async def start(self, tenant: str, asked: Asked) -> Started:
        """Asks somebody, or goes on with the conversation there is.

        Raises:
            Malformed: if the business file or the request leaves something open.
            Problem: 409 if this person asked to be asked no more, 422 or 503 if the text could not be sent.
            Transient: if nothing can be begun now.
        """
        section, now = self._section(tenant), self.frame.clock.now()
        if asked.phone is not None:
            asked = asked.model_copy(update={"phone": international(asked.phone)})
        source = self.texting.sender_of(self.answers.door.sections.of(tenant), asked)
        fresh = await self._fresh(tenant, asked, source, now)
        known = await self.conversations.begin(fresh)
        if known.talk.state == "stopped":
            raise Problem(HTTPStatus.CONFLICT, "stopped", "this person asked to be asked no more")
        turn = begun(known.talk.language, now)
        told = Told(worded("question", known.talk.language, section.name, known.medium), over=False)
        if known is not fresh:
            return Started(known.conversation_id, told, new=False)
        self._count(known, turn)
        if not asked.on_phone or asked.phone is None:
            return Started(known.conversation_id, told, new=True)
        outcome = await self.texting.send(self.answers.door.sections.of(tenant), known, asked.phone, "question")
        await self._settle(known, outcome, now)
        sent: Literal["accepted", "unknown"] = "accepted" if isinstance(outcome, Accepted) else "unknown"
        return Started(known.conversation_id, told, new=True, sent=sent)

    async def hear(self, tenant: str, party: str, message: Message) -> Told | None:
        """Takes in what was said; none if there is no conversation with this party.

        Raises:
            Malformed: if it is no answer that could come in.
            Transient: if nothing can be taken in now.
        """
        key = _message_key(party, message.message_id) if message.message_id else None
        for _ in range(TRIES):
            known = await self.conversations.load(tenant, party)
            if known is None:
                return None
            section, now = self._section(tenant), self.frame.clock.now()
            before = await self.conversations.answered(tenant, key) if key else None
            if before is not None:
                return Told(_words(before.line, known, section), before.over)
            turn = said(known.talk, "stop" if message.opts_out else message.text, now)
            await self.answers.let_in(known, turn, now, message.traceparent)
            due = due_at(turn.talk, section.pace(known.medium))
            if await self.conversations.save(known, turn, due, (key, now) if key else None):
                self._count(known, turn)
                return Told(_words(turn.say, known, section), turn.over)
        raise Transient("conversation: too much is said at once")

    async def stop(self, tenant: str, phone: str, source: str, traceparent: str | None = None) -> None:
        """Notes that somebody wants to be asked no more with whom there is no conversation."""
        party, now = await self.phone_party(tenant, phone), self.frame.clock.now()
        talk = Talk(state="stopped", language="en", since=now)
        fresh = Conversation(
            tenant=tenant,
            party=party,
            conversation_id=str(uuid5(IDS, f"{tenant}|{party}|stopped")),
            medium="sms",
            source=source,
            talk=talk,
        )
        await self.answers.withdraw_consent(fresh, [party], now, traceparent)
        await self.conversations.begin(fresh)
        self._count(fresh, Turn(talk=talk))

    async def pass_time(self) -> bool:
        """Moves on what time moves on, and reminds; returns whether there may be more.

        Raises:
            Transient: if the database does not answer.
        """
        now = self.frame.clock.now()
        due = await self.conversations.due(now, AT_ONCE)
        for known in due:
            await self._pass_time(known, now)
        return len(due) == AT_ONCE

    async def phone_party(self, tenant: str, phone: str) -> str:
        """What stands for a telephone number: its hash in the keyring, so that consents mean the same person."""
        identified = await self._keyring.identify(tenant, Identity(phone=phone))
        if identified is None:
            raise Malformed.of("phone", "no telephone number")
        return identified.subject

    async def session_party(self, tenant: str, session: str) -> str:
        """What stands for a session of a bot."""
        secret = await self._keyring.secret_of(tenant)
        return hmac.new(secret, f"session:{session}".encode(), hashlib.sha256).digest()[:16].hex()

    async def _fresh(self, tenant: str, asked: Asked, source: str | None, now: datetime) -> Conversation:
        """A conversation that has not been begun yet."""
        section, facts = self._section(tenant), asked.facts()
        if asked.phone is not None and asked.on_phone:
            party = await self.phone_party(tenant, asked.phone)
        else:
            party = await self.session_party(tenant, asked.session or "")
        turn = begun(language_of(asked.language or section.language), now)
        known = Conversation(
            tenant=tenant,
            party=party,
            conversation_id=str(uuid5(IDS, f"{tenant}|{party}|{now.isoformat()}")),
            medium=asked.channel,
            source=source,
            talk=turn.talk,
            due_at=due_at(turn.talk, section.pace(asked.channel)),
        )
        check(self.answers.arrival(known, submission_of(known, facts, score=0), now, None))
        if not facts:
            return known
        identified = await self._keyring.identify(tenant, Identity(asked.customer_id, asked.email, asked.phone))
        own = f"conversation:{known.conversation_id}"
        claim = Claim(tenant, identified.subject, identified, own) if identified else Claim(tenant, own)
        key = (await self._keyring.admit([claim]))[claim.tenant, claim.owner]
        sealed = self._keyring.seal(key, json.dumps(facts).encode()) if isinstance(key, Key) else None
        return replace(known, sealed=sealed)

    async def _pass_time(self, known: Conversation, now: datetime) -> None:
        section = self._section_or_none(known.tenant)
        if section is None:
            await self.conversations.forget(known)
            return
        pace = section.pace(known.medium)
        turn = passed(known.talk, now, pace) or Turn(talk=known.talk)
        if not await self.conversations.save(known, turn, due_at(turn.talk, pace)):
            return
        if turn.talk.state != known.talk.state:
            self._count(known, turn)
        if turn.say == "reminder":
            await self._remind(replace(known, talk=turn.talk, version=known.version + 1), now)

    async def _remind(self, known: Conversation, now: datetime) -> None:
        """Sends the reminder that has been noted as sent; what surely was not sent is noted as such again."""
        facts = await self.answers.facts(known)
        if "phone" not in facts:
            return
        section = self.answers.door.sections.of(known.tenant)
        outcome = await self.texting.send(section, known, facts["phone"], "reminder")
        if isinstance(outcome, Refused) and outcome.opted_out:
            await self._told_to_stop(known, now)
        elif isinstance(outcome, Later):
            again = Turn(talk=replace(known.talk, reminded=False))
            await self.conversations.save(known, again, now + AGAIN_AFTER)

    async def _settle(self, known: Conversation, outcome: Outcome, now: datetime) -> None:
        """What became of the question: a conversation of which nothing went out is none.

        Raises:
            Problem: if nothing went out.
        """
        if isinstance(outcome, Accepted | Ambiguous):
            return
        if isinstance(outcome, Refused) and outcome.opted_out:
            await self._told_to_stop(known, now)
            raise Problem(HTTPStatus.CONFLICT, "stopped", "this person asked to be asked no more")
        await self.conversations.forget(known)
        if isinstance(outcome, Refused):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "refused", f"phone: Twilio refuses it: {outcome.detail}")
        raise unavailable()

    async def _told_to_stop(self, known: Conversation, now: datetime) -> None:
        """The person told Twilio to stop, and so us."""
        await self.answers.withdraw_consent(known, [known.party], now)
        turn = Turn(talk=replace(known.talk, state="stopped", since=now), opts_out=True)
        if await self.conversations.save(known, turn, None):
            self._count(known, turn)

    @property
    def _keyring(self) -> Keyring:
        return self.answers.door.keyring

    def _section(self, tenant: str) -> ConversationsSection:
        section = self.answers.door.sections.of(tenant).conversations
        if section is None:
            raise Malformed.of("tenant", "its business file has no conversations")
        return section

    def _section_or_none(self, tenant: str) -> ConversationsSection | None:
        sections = self.answers.door.sections
        return sections.of(tenant).conversations if sections.knows(tenant) else None

    def _count(self, known: Conversation, turn: Turn) -> None:
        metrics: Metrics[AnyMetric] = self.frame.metrics
        metrics.count("nps_conversations_total", medium=known.medium, state=turn.talk.state)


def _words(line: Line | None, known: Conversation, section: ConversationsSection) -> str | None:
    return worded(line, known.talk.language, section.name, known.medium) if line else None


def _message_key(party: str, message_id: str) -> str:
    """Ids of messages are somebody else's: they are kept as a hash, bound to whom they came from."""
    return hashlib.sha256(f"{party}|{message_id}".encode()).hexdigest()[:32]
