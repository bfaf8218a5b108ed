"""What the keyring has on record: keys, marks of who was erased, what belongs to whom, who is one person.

Everything here runs inside a transaction of whoever calls, on its connection, and knows keys only as they are wrapped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, bindparam, delete, select, union_all, update

from services.chassis.keyring.identity import Identified, Links, values_of
from services.chassis.keyring.tables import BELONGINGS, ERASED, KEYS, LINKS
from services.chassis.sql_dialect import among, insert_all, insert_or_ignore, lock

Owner = tuple[str, str]
"""A tenant, and whose key it is."""


class Wrapped(NamedTuple):
    """A key as it is stored."""

    tenant: str
    owner: str
    kid: str
    wrapped: bytes


class Stored(NamedTuple):
    """What there is of some owners; who is erased has no key."""

    keys: list[Wrapped]
    erased: set[Owner]


class LookedUp(NamedTuple):
    """What there is of some ids of keys."""

    keys: list[Wrapped]
    erased: set[str]


def hold(connection: Connection, tenants: Iterable[str]) -> None:
    """Nobody else links, or makes keys for, people of these tenants until the transaction ends.

    One lock a tenant: linking moves whole persons, so locks of single identifiers would not hold others off.
    """
    lock(connection, {f"{tenant}/people" for tenant in tenants})


def link(connection: Connection, tenant: str, identities: Iterable[Identified]) -> None:
    """Makes one person of identities that share an identifier, as far as `Links` allows."""
    several = [one for one in identities if len(one.identifiers) > 1]
    if not several:
        return
    links = _links(connection, tenant, values_of(several))
    for one in several:
        links.join(one)
    for person, others in links.merged:
        same = (LINKS.c.tenant == tenant) & LINKS.c.person.in_(others)
        connection.execute(update(LINKS).where(same).values(person=person))
    added = [
        {"tenant": tenant, "identifier": value, "kind": kind, "person": links.person_of[value]}
        for value, kind in links.added.items()
    ]
    insert_or_ignore(connection, LINKS, added)


def stored(connection: Connection, owners: Sequence[Owner]) -> Stored:
    """Keys of these owners, and which of them are erased."""
    dialect = connection.dialect.name
    found, erased = [], set()
    for tenant in sorted({tenant for tenant, _ in owners}):
        theirs = {"tenant": tenant, "among": [owner for whose, owner in owners if whose == tenant]}
        found += [Wrapped(*row) for row in connection.execute(_keys_among(dialect), theirs)]
        erased |= {(tenant, row.owner) for row in connection.execute(_erased_among(dialect), theirs)}
    return Stored(found, erased)


def add(connection: Connection, keys: Iterable[Wrapped], belonging: Mapping[Owner, str], now: datetime) -> None:
    """Keeps keys that were made, and with each what belongs to its owner, if anything came with it."""
    rows = [key._asdict() | {"created_at": now, "belonging": belonging.get((key.tenant, key.owner))} for key in keys]
    insert_all(connection, KEYS, rows)


def note_belongings(connection: Connection, belongings: Iterable[tuple[str, str, str]]) -> None:
    """What belongs to whom: tenant, subject, owner."""
    rows = [dict(zip(("tenant", "subject", "owner"), one, strict=True)) for one in belongings]
    insert_or_ignore(connection, BELONGINGS, rows)


def belongings_of(connection: Connection, tenant: str, subjects: Collection[str]) -> set[str]:
    """Owners that belong to these subjects."""
    theirs = select(BELONGINGS.c.owner).where(BELONGINGS.c.tenant == tenant, BELONGINGS.c.subject.in_(subjects))
    beside = select(KEYS.c.belonging).where(KEYS.c.tenant == tenant, KEYS.c.owner.in_(subjects))
    found = connection.execute(union_all(theirs, beside.where(KEYS.c.belonging.is_not(None))))
    return set(found.scalars())


def people(connection: Connection, tenant: str, subjects: Collection[str]) -> dict[str, frozenset[str]]:
    """For each subject all that are the same person, itself among them."""
    person_of = persons(connection, tenant, subjects)
    members = defaultdict(set)
    theirs = {"tenant": tenant, "among": list(set(person_of.values()))}
    for row in connection.execute(_members_among(connection.dialect.name), theirs) if person_of else ():
        members[row.person].add(row.identifier)
    return {
        subject: frozenset({subject} | (members[person_of[subject]] if subject in person_of else set()))
        for subject in subjects
    }


def persons(connection: Connection, tenant: str, subjects: Collection[str]) -> dict[str, str]:
    """Under which name each subject's person is on record, of those that are linked to any other."""
    found = connection.execute(_persons_among(connection.dialect.name), {"tenant": tenant, "among": list(subjects)})
    return {row.identifier: row.person for row in found}


def destroy(connection: Connection, tenant: str, owners: Collection[str], now: datetime) -> None:
    """Deletes keys and marks their owners as erased, also those who have none."""
    dialect, theirs = connection.dialect.name, {"tenant": tenant, "among": sorted(owners)}
    kids = {row.owner: row.kid for row in connection.execute(_keys_among(dialect), theirs)}
    mark(connection, tenant, {owner: kids.get(owner) for owner in sorted(owners)}, now)
    mine = KEYS.c.tenant == bindparam("tenant"), among(dialect, KEYS.c.owner, "among")
    connection.execute(delete(KEYS).where(*mine), theirs)


def mark(connection: Connection, tenant: str, kids: Mapping[str, str | None], now: datetime) -> int:
    """Marks owners, and the ids of their keys, as erased; returns how many were not."""
    rows = [{"tenant": tenant, "owner": owner, "kid": kid, "erased_at": now} for owner, kid in kids.items()]
    return insert_or_ignore(connection, ERASED, rows)


def look_up(connection: Connection, kids: Sequence[str]) -> LookedUp:
    """Keys by their ids, and which ids are erased."""
    dialect, these = connection.dialect.name, {"among": list(kids)}
    found = [Wrapped(*row) for row in connection.execute(_keys_with(dialect), these)]
    return LookedUp(found, {row.kid for row in connection.execute(_erased_with(dialect), these)})


def _links(connection: Connection, tenant: str, values: Collection[str]) -> Links:
    """What is on record of these identifiers and the persons they belong to."""
    dialect = connection.dialect.name
    found = connection.execute(_persons_among(dialect), {"tenant": tenant, "among": list(values)})
    persons = {row.identifier: row.person for row in found}
    theirs = {"tenant": tenant, "among": list(set(persons.values()))}
    customers = connection.execute(_customers_among(dialect), theirs) if persons else ()
    return Links(persons, {row.person: row.identifier for row in customers})


_KEYS: Final = select(KEYS.c.tenant, KEYS.c.owner, KEYS.c.kid, KEYS.c.wrapped)

# Statements that every group of answers needs: to build one anew takes longer than to execute it.


@cache
def _keys_among(dialect: str) -> Select[Any]:  # rows of `Wrapped`
    return _KEYS.where(KEYS.c.tenant == bindparam("tenant"), among(dialect, KEYS.c.owner, "among"))


@cache
def _erased_among(dialect: str) -> Select[tuple[str]]:
    mine = ERASED.c.tenant == bindparam("tenant"), among(dialect, ERASED.c.owner, "among")
    return select(ERASED.c.owner).where(*mine)


@cache
def _keys_with(dialect: str) -> Select[Any]:  # rows of `Wrapped`
    return _KEYS.where(among(dialect, KEYS.c.kid, "among"))


@cache
def _erased_with(dialect: str) -> Select[tuple[str]]:
    return select(ERASED.c.kid).where(among(dialect, ERASED.c.kid, "among"))


@cache
def _persons_among(dialect: str) -> Select[tuple[str, str]]:
    mine = LINKS.c.tenant == bindparam("tenant"), among(dialect, LINKS.c.identifier, "among")
    return select(LINKS.c.identifier, LINKS.c.person).where(*mine)


@cache
def _members_among(dialect: str) -> Select[tuple[str, str]]:
    theirs = LINKS.c.tenant == bindparam("tenant"), among(dialect, LINKS.c.person, "among")
    return select(LINKS.c.identifier, LINKS.c.person).where(*theirs)


@cache
def _customers_among(dialect: str) -> Select[tuple[str, str]]:
    return _members_among(dialect).where(LINKS.c.kind == "customer")
