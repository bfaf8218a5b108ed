"""How answers stand, in SQL; and what they led to, as the ledger of contacts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, or_, select, tuple_, update

from schemas.decision import Action
from schemas.response import Response
from services.chassis.sql import Transaction, Utc
from services.chassis.sql_dialect import among, upsert
from services.routing.contact_policy import Budget
from services.routing.domain import Standing
from services.routing.policy import KIND_OF
from services.routing.tables import ANSWERS

if TYPE_CHECKING:
    from sqlalchemy.sql.base import ReadOnlyColumnCollection

AnswerKey = tuple[str, str]
"""Tenant and response id."""

MOST_REMEMBERED: Final = 100
"""Of one person's answers the newest; one from a kiosk gives thousands. Those that led to a contact come besides."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What is left of an answer for others of the same person or account."""

    tenant: str
    response_id: str
    subject: str | None
    account: str | None
    channel: str | None
    score: int | None
    answered_at: datetime | None
    mail: Action | None
    mail_at: datetime | None
    task: str | None
    task_at: datetime | None
    task_closed: bool
    survey_at: datetime | None


_TRACED: Final = [ANSWERS.c[name] for name in Trace.__slots__]
_PLAIN: Final = (
    "tenant",
    "response_id",
    "revision",
    "digest",
    "number",
    "past",
    "mail",
    "task",
    "rule",
    "first_decided_at",
    "received_at",
    "subject",
    "account",
    "channel",
    "due_at",
    "mail_at",
    "mail_gone",
    "task_at",
    "task_closed",
    "survey_at",
)
"""Columns that are fields of a standing as they are."""


async def load(transaction: Transaction, keys: Collection[AnswerKey]) -> dict[AnswerKey, Standing]:
    """How each of these answers stands; one never seen stands at revision 0."""
    found = {key: Standing(*key) for key in keys}
    if not found:
        return found
    for tenant in {tenant for tenant, _ in found}:
        named = {"tenant": tenant, "ids": [response_id for whose, response_id in found if whose == tenant]}
        for row in await transaction.execute(_ids_among(transaction.dialect.name), named):
            found[row.tenant, row.response_id] = _standing(row)
    return found


async def save(transaction: Transaction, standings: Sequence[Standing]) -> None:
    """Writes how answers stand now."""
    await transaction.run_sync(upsert, ANSWERS, [_row(standing) for standing in standings])


async def due(transaction: Transaction, now: datetime, limit: int) -> list[AnswerKey]:
    """Answers that have waited for long enough, those that have waited longest first."""
    statement = (
        select(ANSWERS.c.tenant, ANSWERS.c.response_id)
        .where(ANSWERS.c.due_at <= now)
        .order_by(ANSWERS.c.due_at)
        .limit(limit)
    )
    return [(row.tenant, row.response_id) for row in await transaction.execute(statement)]


async def put_off(transaction: Transaction, keys: Collection[AnswerKey], until: datetime) -> None:
    """Has answers wait on that cannot be decided yet, if they still wait."""
    chosen = tuple_(ANSWERS.c.tenant, ANSWERS.c.response_id).in_(list(keys)) & ANSWERS.c.due_at.is_not(None)
    await transaction.execute(update(ANSWERS).where(chosen).values(due_at=until))


async def traces_of_people(
    transaction: Transaction, tenant: str, subjects: Collection[str], since: datetime
) -> list[Trace]:
    """What persons have answered, and every contact with them since a moment."""
    statement = _traces_of_people(transaction.dialect.name)
    named = {"tenant": tenant, "subjects": list(subjects), "since": since}
    return [Trace(*row) for row in await transaction.execute(statement, named)]


async def traces_of_accounts(
    transaction: Transaction, tenant: str, accounts: Collection[str], since: datetime
) -> list[Trace]:
    """Every contact with people of these accounts since a moment."""
    statement = _traces_of_accounts(transaction.dialect.name)
    named = {"tenant": tenant, "accounts": list(accounts), "since": since}
    return [Trace(*row) for row in await transaction.execute(statement, named)]


async def spent(
    transaction: Transaction, tenant: str, budget: Budget, since: datetime, *, until: datetime | None = None
) -> int:
    """How much a budget has given out since its period began; up to a moment, if one is given."""
    concerned = _of(budget, since)
    if until is not None:
        concerned.append(ANSWERS.c[f"{KIND_OF[budget.action]}_at"] < until)
    statement = select(func.count()).select_from(ANSWERS).where(ANSWERS.c.tenant == tenant, *concerned)
    return int((await transaction.execute(statement)).scalar_one())


def _of(budget: Budget, since: datetime) -> list[ColumnElement[bool]]:
    concerned: list[ColumnElement[bool]] = [ANSWERS.c[f"{KIND_OF[budget.action]}_at"] >= since]
    if budget.action in {"perk", "offer"}:
        concerned.append(ANSWERS.c.mail == budget.action)
    if budget.channel:
        concerned.append(ANSWERS.c.channel == budget.channel)
    return concerned


# Statements that every batch needs: to build one anew takes longer than to execute it.


@cache
def _ids_among(dialect: str) -> Select[Any]:  # rows of ANSWERS
    return select(ANSWERS).where(ANSWERS.c.tenant == bindparam("tenant"), among(dialect, ANSWERS.c.response_id, "ids"))


@cache
def _traces_of_people(dialect: str) -> Select[Any]:  # rows of `Trace`
    newest = func.row_number().over(partition_by=ANSWERS.c.subject, order_by=ANSWERS.c.answered_at.desc())
    theirs = ANSWERS.c.tenant == bindparam("tenant"), among(dialect, ANSWERS.c.subject, "subjects")
    ranked = select(*_TRACED, newest.label("place")).where(*theirs).subquery()
    wanted = or_(ranked.c.place <= MOST_REMEMBERED, _contacted_since(ranked.c))
    return select(*[ranked.c[name] for name in Trace.__slots__]).where(wanted)


@cache
def _traces_of_accounts(dialect: str) -> Select[Any]:  # rows of `Trace`
    theirs = ANSWERS.c.tenant == bindparam("tenant"), among(dialect, ANSWERS.c.account, "accounts")
    return select(*_TRACED).where(*theirs, _contacted_since(ANSWERS.c))


def _contacted_since(columns: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[bool]:  # of ANSWERS
    return or_(*(columns[name] >= bindparam("since", type_=Utc) for name in ("mail_at", "task_at", "survey_at")))


def trace_of(standing: Standing) -> Trace:
    """What is left of an answer that stands so."""
    answer = standing.answer
    return Trace(
        tenant=standing.tenant,
        response_id=standing.response_id,
        subject=standing.subject,
        account=standing.account,
        channel=standing.channel,
        score=answer.score if answer and answer.counts() else None,
        answered_at=answer.answered_at if answer else None,
        mail=standing.mail,
        mail_at=standing.mail_at,
        task=standing.task,
        task_at=standing.task_at,
        task_closed=standing.task_closed,
        survey_at=standing.survey_at,
    )


def _row(standing: Standing) -> dict[str, Any]:  # column values of any type
    trace = trace_of(standing)
    return {name: getattr(standing, name) for name in _PLAIN} | {
        "answer": _json(standing.answer),
        "comment": _json(standing.comment),
        "answered_at": trace.answered_at,
        "score": trace.score,
        "told": " ".join(standing.told),
    }


def _standing(row: Row[Any]) -> Standing:  # a row of ANSWERS
    told: Mapping[str, Any] = {name: getattr(row, name) for name in _PLAIN}  # likewise
    return Standing(**told, answer=_response(row.answer), comment=_response(row.comment), told=tuple(row.told.split()))


def _json(answer: Response | None) -> bytes | None:
    return answer.to_json() if answer else None


def _response(content: bytes | None) -> Response | None:
    return Response.model_validate_json(content) if content else None
