"""Answers behind links in SQL: what was said so far, until the link expires. No text and nobody's name stand here."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, select, update

from services.chassis.sql import Database, Transaction
from services.chassis.sql_dialect import lock, upsert
from services.intake.forms.answering import Heard, Press, Refusal, Turn, turn
from services.intake.tables import FORM_ANSWERS


class SqlAnswers:
    """Answers of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heard(self, tenant: str, response_id: str) -> Heard | None:
        """What was said so far."""
        async with self._database.read() as transaction:
            return await _load(transaction, tenant, response_id)

    async def take(self, press: Press, now: datetime) -> Turn | Refusal:
        """Notes a press, one at a time for each answer; or says why it means nothing."""
        async with self._database.begin() as transaction:
            await transaction.run_sync(lock, [f"{press.tenant}/form/{press.response_id}"])
            after = turn(await _load(transaction, press.tenant, press.response_id), press, now)
            if isinstance(after, Turn) and (after.score or after.comment):
                named = {"tenant": press.tenant, "response_id": press.response_id, "expires_at": press.expires_at}
                await transaction.run_sync(upsert, FORM_ANSWERS, [named | asdict(after.heard)])
            return after

    async def settle(self, press: Press, heard: Heard) -> None:
        """All of it is durable, unless somebody has said more in the meantime."""
        mine = (FORM_ANSWERS.c.tenant == press.tenant) & (FORM_ANSWERS.c.response_id == press.response_id)
        same = (FORM_ANSWERS.c.scored_at == heard.scored_at) & FORM_ANSWERS.c.mark.is_not_distinct_from(heard.mark)
        async with self._database.begin() as transaction:
            await transaction.execute(update(FORM_ANSWERS).where(mine, same).values(settled=True))

    async def forget_old(self, now: datetime) -> int:
        """Drops what no link leads to any more; returns how many."""
        async with self._database.begin() as transaction:
            gone = await transaction.execute(delete(FORM_ANSWERS).where(FORM_ANSWERS.c.expires_at <= now))
            return int(gone.rowcount)


async def _load(transaction: Transaction, tenant: str, response_id: str) -> Heard | None:
    found = await transaction.execute(
        select(FORM_ANSWERS).where(FORM_ANSWERS.c.tenant == tenant, FORM_ANSWERS.c.response_id == response_id)
    )
    row = found.one_or_none()
    if row is None:
        return None
    return Heard(row.score, row.answered_at, row.scored_at, row.mark, row.commented_at, row.settled)
