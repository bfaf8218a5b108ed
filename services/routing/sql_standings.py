"""How answers stand, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, select, tuple_

from schemas.response import Response
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import upsert
from services.routing.domain import Standing
from services.routing.tables import ANSWERS

AnswerKey = tuple[str, str]
"""Tenant and response id."""


async def load(transaction: Transaction, keys: Collection[AnswerKey]) -> dict[AnswerKey, Standing]:
    """How each of these answers stands; one never seen stands at revision 0."""
    found = {key: Standing(*key) for key in keys}
    rows = await transaction.execute(
        select(ANSWERS).where(tuple_(ANSWERS.c.tenant, ANSWERS.c.response_id).in_(list(found)))
    )
    for row in rows:
        found[row.tenant, row.response_id] = _standing(row)
    return found


async def save(transaction: Transaction, standings: Sequence[Standing]) -> None:
    """Writes how answers stand now."""
    await transaction.run_sync(upsert, ANSWERS, [_row(standing) for standing in standings])


def _row(standing: Standing) -> dict[str, Any]:  # column values of any type
    return {
        "tenant": standing.tenant,
        "response_id": standing.response_id,
        "revision": standing.revision,
        "digest": standing.digest,
        "number": standing.number,
        "past": standing.past,
        "answer": _json(standing.answer),
        "comment": _json(standing.comment),
        "mail": standing.mail,
        "task": standing.task,
        "rule": standing.rule,
        "first_decided_at": standing.first_decided_at,
    }


def _standing(row: Row[Any]) -> Standing:  # a row of ANSWERS
    return Standing(
        tenant=row.tenant,
        response_id=row.response_id,
        revision=row.revision,
        digest=row.digest,
        number=row.number,
        past=row.past,
        answer=_response(row.answer),
        comment=_response(row.comment),
        mail=row.mail,
        task=row.task,
        rule=row.rule,
        first_decided_at=row.first_decided_at,
    )


def _json(answer: Response | None) -> bytes | None:
    return answer.model_dump_json(exclude_none=True).encode() if answer else None


def _response(content: bytes | None) -> Response | None:
    return Response.model_validate_json(content) if content else None
