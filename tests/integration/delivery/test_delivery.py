"""Delivery on a real Kafka and a real database, against the mail sandbox over HTTP: commands in, mails and states out."""

from __future__ import annotations

from tests.support.delivery import World
from tests.support.hosting import hosted


async def test_a_command_becomes_one_mail_whose_fate_is_published(world: World) -> None:
    message = await world.wanted("ada@example.org", name="Ada")
    await world.want(message)
    async with hosted(world.delivery()):
        await world.ends(message, "delivered")
    (mail,) = await world.sandbox.mails()
    assert (mail["recipient"], mail["kind"], mail["delivery_id"]) == (
        "ada@example.org",
        "perk",
        str(message.message_id),
    )
    states = [delivery.state for delivery in await world.history(message)]
    assert states == ["planned", "sending", "accepted", "delivered"]
