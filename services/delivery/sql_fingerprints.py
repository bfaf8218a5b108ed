"""Notices that the keyring was lost: under another secret the hashes of who opted out match nobody any more.

The fingerprint of a tenant's secret is kept beside the tenant's suppressions, and compared at each start.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select

from services.chassis.failures import Halt
from services.chassis.keyring import Keyring
from services.chassis.sql import Database, Transaction
from services.chassis.sql_dialect import insert_or_ignore
from services.delivery.tables import FINGERPRINTS


async def note(transaction: Transaction, keyring: Keyring, tenants: Iterable[str]) -> None:
    """Remembers the secrets of these tenants; what is remembered of one stays."""
    rows = [
        {"tenant": tenant, "fingerprint": await keyring.fingerprint_of(tenant)} for tenant in sorted(frozenset(tenants))
    ]
    await transaction.run_sync(insert_or_ignore, FINGERPRINTS, rows)


async def check(database: Database, keyring: Keyring) -> None:
    """Returns if the keyring holds the secrets that are remembered.

    Raises:
        Halt: if one is another.
    """
    async with database.read() as transaction:
        known = (await transaction.execute(select(FINGERPRINTS))).all()
    lost = [row.tenant for row in known if await keyring.fingerprint_of(row.tenant) != row.fingerprint]
    if lost:
        raise Halt(
            f"the keyring holds another secret for {', '.join(sorted(lost))} than the one under which it is known who "
            "opted out: it was lost, or is another's. Restore it; if it is gone for good, bounces and opt-outs are gone"
            " with it, and `nps recover delivery --lost-keys` goes on without them"
        )


async def clear(transaction: Transaction) -> None:
    """Forgets all, before everything is learned anew."""
    await transaction.execute(delete(FINGERPRINTS))
