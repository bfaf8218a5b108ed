"""The ledger in SQL. Whatever is loaded to be changed stays locked until its transaction ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, func, select, tuple_

from schemas.contract import Contract
from schemas.message import Message
from schemas.sealed import Sealed
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import skip_locked
from services.delivery.domain import Entry
from services.delivery.sql_pauses import is_paused
from services.delivery.tables import LEDGER

ResponseKey = tuple[str, str]
"""Tenant and response id."""

DeliveryKey = tuple[str, UUID]
"""Tenant and delivery id."""

_KEY: Final = ("tenant", "response_id")
_IN_ORDER: Final = (LEDGER.c.tenant, LEDGER.c.response_id)
_UPDATE: Final = (
    LEDGER.update()
    .where(*(LEDGER.c[name] == bindparam(f"key_{name}") for name in _KEY))
    .values({column.name: bindparam(column.name) for column in LEDGER.columns if column.name not in _KEY})
)


async def load(transaction: Transaction, keys: Collection[ResponseKey]) -> dict[ResponseKey, Entry]:
    """The mails of these answers, as far as there are any."""
    chosen = tuple_(*_IN_ORDER).in_(list(keys))
    found = await _locked(transaction, select(LEDGER).where(chosen).order_by(*_IN_ORDER))
    return {(entry.tenant, entry.response_id): entry for entry in found}


async def load_deliveries(transaction: Transaction, keys: Collection[DeliveryKey]) -> dict[DeliveryKey, Entry]:
    """The mails of these ids, as far as there are any."""
    chosen = LEDGER.c.delivery_id.in_({delivery_id for _, delivery_id in keys})
    found = await _locked(transaction, select(LEDGER).where(chosen).order_by(*_IN_ORDER))
    entries = {(entry.tenant, entry.delivery_id): entry for entry in found}
    return {key: entry for key, entry in entries.items() if key in keys}


async def find(transaction: Transaction, key: DeliveryKey) -> Entry | None:
    """One mail by its id, to be looked at and not changed."""
    statement = select(LEDGER).where(LEDGER.c.tenant == key[0], LEDGER.c.delivery_id == key[1])
    row = (await transaction.execute(statement)).one_or_none()
    return _entry(row) if row else None


async def due(transaction: Transaction, now: datetime, limit: int) -> list[Entry]:
    """Planned mails whose time has come and whose tenant is not paused, oldest first."""
    statement = (
        select(LEDGER)
        .where(LEDGER.c.state == "planned", LEDGER.c.due_at <= now, ~is_paused(LEDGER.c.tenant))
        .order_by(LEDGER.c.due_at, *_IN_ORDER)
        .limit(limit)
    )
    return [_entry(row) for row in await transaction.execute(skip_locked(statement))]


async def abandoned(transaction: Transaction, now: datetime, limit: int) -> list[Entry]:
    """Mails whose lease ran out before anything came of them."""
    statement = select(LEDGER).where(LEDGER.c.state == "sending", LEDGER.c.lease_until < now).limit(limit)
    return [_entry(row) for row in await transaction.execute(skip_locked(statement))]


async def count_states(transaction: Transaction) -> dict[str, int]:
    """How many mails are planned, being sent and unknown."""
    statement = (
        select(LEDGER.c.state, func.count().label("mails"))
        .where(LEDGER.c.state.in_(["planned", "sending", "unknown"]))
        .group_by(LEDGER.c.state)
    )
    return {row.state: row.mails for row in await transaction.execute(statement)}


async def count_unknown(transaction: Transaction, since: datetime) -> int:
    """How many mails have been unknown since that moment or longer."""
    statement = select(func.count()).where(LEDGER.c.state == "unknown", LEDGER.c.changed_at <= since)
    return int((await transaction.execute(statement)).scalar_one())


async def add(transaction: Transaction, entries: Sequence[Entry]) -> None:
    """Writes mails that are not there yet."""
    if entries:
        await transaction.execute(LEDGER.insert(), [_row(entry) for entry in entries])


async def save(transaction: Transaction, entries: Iterable[Entry]) -> None:
    """Writes mails that are there already."""
    rows = [_row(entry) for entry in entries]
    for row in rows:
        row |= {f"key_{name}": row.pop(name) for name in _KEY}
    if rows:
        await transaction.execute(_UPDATE, rows)


async def clear(transaction: Transaction) -> None:
    """Empties the ledger, before it is recovered."""
    await transaction.execute(LEDGER.delete())


async def _locked(transaction: Transaction, statement: Select[Any]) -> list[Entry]:  # rows of LEDGER
    return [_entry(row) for row in await transaction.execute(statement.with_for_update())]


def _row(entry: Entry) -> dict[str, Any]:  # column values of any type
    row = {column.name: getattr(entry, column.name) for column in LEDGER.columns}
    return row | {"sealed": _json(entry.sealed), "late": _json(entry.late)}


def _entry(row: Row[Any]) -> Entry:  # a row of LEDGER
    values = dict(row._mapping)  # noqa: SLF001 the documented way to a row's names
    sealed, late = values.pop("sealed"), values.pop("late")
    return Entry(
        **values,
        sealed=Sealed.model_validate_json(sealed) if sealed else None,
        late=Message.model_validate_json(late) if late else None,
    )


def _json(part: Contract | None) -> bytes | None:
    return part.model_dump_json(exclude_none=True).encode() if part else None
