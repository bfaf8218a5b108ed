"""Tables of the keyring. Hashes, wrapped keys and markers: nothing in them is of use without the master key."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, LargeBinary, MetaData, String, Table

from services.chassis.sql import Utc

KEYRING: Final = MetaData()

SECRETS: Final = Table(
    "secrets",
    KEYRING,
    Column("tenant", String(63), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

KEYS: Final = Table(
    "keys",
    KEYRING,
    Column("tenant", String(63), primary_key=True),
    Column("owner", String(300), primary_key=True),
    Column("kid", String(32), nullable=False, unique=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("belonging", String(300)),
    sqlite_with_rowid=False,
)
"""`belonging` is the first owner that belongs to this one, as in `BELONGINGS`: it came with the key, and so its row is
written together with the key's."""

ERASED: Final = Table(
    "erased",
    KEYRING,
    Column("tenant", String(63), primary_key=True),
    Column("owner", String(300), primary_key=True),
    Column("kid", String(32)),
    Column("erased_at", Utc, nullable=False),
    Index("erased_by_kid", "kid"),
)

BELONGINGS: Final = Table(
    "belongings",
    KEYRING,
    Column("tenant", String(63), primary_key=True),
    Column("subject", String(32), primary_key=True),
    Column("owner", String(300), primary_key=True),
    sqlite_with_rowid=False,
)
"""Owners that are no person, and whose they are: erased with them. Those that came with a key stand beside it."""

LINKS: Final = Table(
    "links",
    KEYRING,
    Column("tenant", String(63), primary_key=True),
    Column("identifier", String(32), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("person", String(32), nullable=False),
    # with the kind, though it tells little: without it SQLite, which has no figures of the table, reads all of a tenant
    Index("links_by_person", "tenant", "person", "kind"),
    sqlite_with_rowid=False,
)
