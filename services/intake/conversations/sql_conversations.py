"""Conversations in SQL: one a telephone number or session, found by its hash. Nothing that was said is kept.

What is known of the person lies sealed. A step is saved only on top of the version it was thought out for, so that of
two replicas, or two messages at once, one goes first and the other thinks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Row, and_, delete, select, update

from schemas.sealed import Sealed
from services.chassis.sql import Database, Transaction
from services.chassis.sql_dialect import insert_or_ignore, lock, upsert
from services.intake.conversations.talk import OPEN, Line, State, Talk, Turn
from services.intake.conversations.texts import Medium
from services.intake.tables import CONVERSATION_MESSAGES, CONVERSATIONS

MESSAGES_KEPT_FOR: Final = timedelta(hours=24)
KEPT_FOR: Final = timedelta(days=30)
"""Late answers are still answers for so long. Who said stop is remembered for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation. `conversation_id` names its answer; `sealed` is what is known of the person."""

    tenant: str
    party: str
    conversation_id: str
    medium: Medium
    source: str | None
    talk: Talk
    version: int = 1
    due_at: datetime | None = None
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a message."""

    line: Line | None
    over: bool


class SqlConversations:
    """Conversations of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, fresh: Conversation) -> Conversation:
        """Keeps a new conversation, or returns the one that goes on, or was stopped, with the same party."""
        async with self._database.begin() as transaction:
            await transaction.run_sync(lock, [f"{fresh.tenant}/conversations/{fresh.party}"])
            known = await _load(transaction, fresh.tenant, fresh.party)
            if known is not None and (known.talk.state in OPEN or known.talk.state == "stopped"):
                return known
            await transaction.run_sync(upsert, CONVERSATIONS, [_row(fresh)])
            return fresh

    async def load(self, tenant: str, party: str) -> Conversation | None:
        """The conversation with a party; none if there is none."""
        async with self._database.read() as transaction:
            return await _load(transaction, tenant, party)

    async def answered(self, tenant: str, message: str) -> Answer | None:
        """What was answered to a message that has been heard before; none if it has not."""
        mine = (CONVERSATION_MESSAGES.c.tenant == tenant) & (CONVERSATION_MESSAGES.c.message == message)
        async with self._database.read() as transaction:
            row = (await transaction.execute(select(CONVERSATION_MESSAGES).where(mine))).one_or_none()
            return Answer(cast("Line | None", row.line), row.over) if row else None

    async def save(
        self, known: Conversation, turn: Turn, due_at: datetime | None, heard: tuple[str, datetime] | None = None
    ) -> bool:
        """Moves a conversation on, with the message that did it; false if somebody else has moved it meanwhile."""
        async with self._database.begin() as transaction:
            moved = await transaction.execute(
                update(CONVERSATIONS)
                .where(_same(known))
                .values(**_stage(turn.talk), version=known.version + 1, due_at=due_at)
            )
            if moved.rowcount and heard:
                message, at = heard
                row = {"tenant": known.tenant, "message": message, "line": turn.say, "over": turn.over, "heard_at": at}
                await transaction.run_sync(insert_or_ignore, CONVERSATION_MESSAGES, [row])
            return bool(moved.rowcount)

    async def forget(self, known: Conversation) -> None:
        """Drops a conversation of which nothing has happened since it was read."""
        async with self._database.begin() as transaction:
            await transaction.execute(delete(CONVERSATIONS).where(_same(known)))

    async def allow(self, tenant: str, parties: Sequence[str]) -> None:
        """Drops what says that these asked to be asked no more: they allow it again."""
        stopped = and_(
            CONVERSATIONS.c.tenant == tenant, CONVERSATIONS.c.party.in_(parties), CONVERSATIONS.c.state == "stopped"
        )
        async with self._database.begin() as transaction:
            await transaction.execute(delete(CONVERSATIONS).where(stopped))

    async def due(self, now: datetime, most: int) -> list[Conversation]:
        """Conversations that time moves on, those that wait longest first."""
        wanted = select(CONVERSATIONS).where(CONVERSATIONS.c.due_at <= now).order_by(CONVERSATIONS.c.due_at)
        async with self._database.read() as transaction:
            return [_conversation(row) for row in await transaction.execute(wanted.limit(most))]

    async def forget_old(self, now: datetime) -> None:
        """Drops what nobody will come back to."""
        over = and_(CONVERSATIONS.c.state != "stopped", CONVERSATIONS.c.since < now - KEPT_FOR)
        async with self._database.begin() as transaction:
            await transaction.execute(
                delete(CONVERSATION_MESSAGES).where(CONVERSATION_MESSAGES.c.heard_at < now - MESSAGES_KEPT_FOR)
            )
            await transaction.execute(delete(CONVERSATIONS).where(over))


async def _load(transaction: Transaction, tenant: str, party: str) -> Conversation | None:
    wanted = select(CONVERSATIONS).where(CONVERSATIONS.c.tenant == tenant, CONVERSATIONS.c.party == party)
    row = (await transaction.execute(wanted)).one_or_none()
    return _conversation(row) if row else None


def _same(known: Conversation) -> ColumnElement[bool]:
    """The row as it was read."""
    return and_(
        CONVERSATIONS.c.tenant == known.tenant,
        CONVERSATIONS.c.party == known.party,
        CONVERSATIONS.c.conversation_id == known.conversation_id,
        CONVERSATIONS.c.version == known.version,
    )


def _row(known: Conversation) -> dict[str, Any]:  # column values of any type
    return {
        "tenant": known.tenant,
        "party": known.party,
        "conversation_id": known.conversation_id,
        "medium": known.medium,
        "source": known.source,
        **_stage(known.talk),
        "version": known.version,
        "due_at": known.due_at,
        "sealed": known.sealed.to_json() if known.sealed else None,
    }


def _stage(talk: Talk) -> dict[str, Any]:  # column values of any type
    return {
        "language": talk.language,
        "state": talk.state,
        "since": talk.since,
        "unread": talk.unread,
        "reminded": talk.reminded,
    }


def _conversation(row: Row[Any]) -> Conversation:  # columns of any type
    return Conversation(
        tenant=row.tenant,
        party=row.party,
        conversation_id=row.conversation_id,
        medium=cast("Medium", row.medium),
        source=row.source,
        talk=Talk(
            state=cast("State", row.state),
            language=row.language,
            since=row.since,
            unread=row.unread,
            reminded=row.reminded,
        ),
        version=row.version,
        due_at=row.due_at,
        sealed=Sealed.model_validate_json(row.sealed) if row.sealed else None,
    )
