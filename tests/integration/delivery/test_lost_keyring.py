"""A keyring that was lost does not make delivery forget who opted out: it stops."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from schemas.topics import CONSENTS
from services.chassis.failures import Halt
from services.chassis.keyring import keyring_url
from services.chassis.keyring.tables import KEYS, SECRETS
from services.chassis.sql import open_database
from services.delivery.commands import recover
from tests.support.delivery import World
from tests.support.hosting import hosted


async def lose_keyring(world: World) -> None:
    """Leaves an empty keyring, as after starting anew without a backup."""
    async with open_database(keyring_url(world.settings), durable=True) as database, database.begin() as transaction:
        for table in (KEYS, SECRETS):
            await transaction.execute(delete(table))


async def test_delivery_does_not_start_beside_a_keyring_that_was_lost_since_somebody_opted_out(world: World) -> None:
    message = await world.wanted()
    await world.consent(message.subject, granted=False)
    async with hosted(world.delivery()):
        await world.heard(CONSENTS)
        await world.want(message)
        await world.ends(message, "suppressed", reason="opt_out")
    await lose_keyring(world)
    with pytest.raises(Halt, match=r"another secret for default .* opted out"):
        async with world.delivery():
            pass
    await recover(world.settings, world.business, world.clock)
    async with hosted(world.delivery()) as client:
        assert (await client.get("/version")).status_code == 200


async def test_where_nobody_has_opted_out_nothing_is_lost(world: World) -> None:
    message = await world.wanted()
    async with hosted(world.delivery()):
        await world.want(message)
        await world.ends(message, "delivered")
    await lose_keyring(world)
    async with hosted(world.delivery()) as client:
        assert (await client.get("/version")).status_code == 200
