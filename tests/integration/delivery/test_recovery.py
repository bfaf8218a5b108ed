"""A ledger that is lost or restored: delivery stops, `recover` rebuilds it, and nobody is mailed twice."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import timedelta

import pytest

from services.chassis import recovering
from services.chassis.failures import Halt
from services.delivery.commands import pause, recover
from services.delivery.recovery import Recovered
from tests.support.databases import lose_database
from tests.support.delivery import World
from tests.support.hosting import hosted


async def lose_ledger(world: World) -> None:
    await lose_database(world.settings, "delivery")


async def mailed(world: World) -> Counter[str]:
    return Counter(mail["recipient"] for mail in await world.sandbox.mails())


async def stops(world: World) -> None:
    with pytest.raises(Halt, match="Run `nps recover`"):
        async with hosted(world.delivery()):
            pytest.fail("it started")


async def test_a_ledger_that_is_lost_is_rebuilt_and_nobody_is_mailed_twice(world: World) -> None:
    sent, bounced = await world.wanted("sent@example.org"), await world.wanted("bounce@example.org")
    planned = await world.wanted("planned@example.org", language="en")
    withdrawn = await world.wanted("withdrawn@example.org")
    await world.want(sent, bounced)
    async with hosted(world.delivery()):
        await world.ends(sent, "delivered")
        await world.ends(bounced, "bounced")
        await pause(world.settings, world.clock)
        await world.want(planned, withdrawn)
        await world.ends(withdrawn, "planned")
        await world.ends(planned, "planned")
    # these three are read by nobody before the ledger is lost
    unread, taken_back = await world.wanted("unread@example.org"), await world.wanted("taken-back@example.org")
    await world.want(
        unread,
        taken_back.model_copy(update={"command": "none"}),
        withdrawn.model_copy(update={"revision": 2, "command": "none", "reason": "retracted"}),
    )
    await lose_ledger(world)
    await stops(world)

    assert await recover(world.settings, world.business, world.clock) == Recovered(mails=4, unknown=1)

    again = await world.wanted("bounce@example.org")
    await world.want(again)
    async with hosted(world.delivery()):
        await world.ends(planned, "delivered")
        assert (await world.ends(again, "suppressed")).reason == "bounced"
        world.clock.advance(seconds=10)  # what recovery changed is left to the sweeper
        await world.ends(unread, "unknown")
        await world.ends(taken_back, "withdrawn")
        await world.ends(withdrawn, "withdrawn")
        new = await world.wanted("new@example.org")
        await world.want(new)
        await world.ends(new, "delivered")
    assert await mailed(world) == Counter(
        ["sent@example.org", "bounce@example.org", "planned@example.org", "new@example.org"]
    )


@pytest.mark.sqlite
async def test_a_ledger_restored_from_an_earlier_day_is_rebuilt_and_nobody_is_mailed_twice(world: World) -> None:
    early, late = await world.wanted("early@example.org"), await world.wanted("late@example.org")
    caught = await world.wanted("hang@example.org")
    async with hosted(world.delivery()):
        await world.want(early)
        await world.ends(early, "delivered")
    ledger = world.settings.state_dir / "delivery.sqlite3"
    shutil.copy(ledger, ledger.with_suffix(".yesterday"))
    async with hosted(world.delivery()):
        await world.want(late)
        await world.ends(late, "delivered")
        await world.want(caught)
        await world.ends(caught, "delivered")
    await lose_ledger(world)
    shutil.copy(ledger.with_suffix(".yesterday"), ledger)
    await stops(world)

    assert (await recover(world.settings, world.business, world.clock)).mails == 3

    last = await world.wanted("last@example.org")
    async with hosted(world.delivery()):
        await world.want(last)
        await world.ends(last, "delivered")
    assert set((await mailed(world)).values()) == {1}
    assert len(await mailed(world)) == 4


async def test_a_mail_whose_address_was_corrected_goes_to_the_right_one_after_a_recovery(world: World) -> None:
    wrong = await world.wanted("wrong@example.org")
    right = await world.wanted("right@example.org", response_id=wrong.response_id, revision=2)
    await pause(world.settings, world.clock)
    await world.want(wrong, right)
    async with hosted(world.delivery()):
        await world.until(lambda newest: [one.revision for one in newest.values()] == [2])
    await lose_ledger(world)
    await stops(world)

    await recover(world.settings, world.business, world.clock)

    async with hosted(world.delivery()):
        await world.ends(right, "delivered")
    assert await mailed(world) == Counter(["right@example.org"])


async def test_nothing_is_recovered_under_a_delivery_that_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovering, "GONE_WITHIN", timedelta(seconds=1))
    message = await world.wanted()
    async with hosted(world.delivery()):
        await world.want(message)
        await world.ends(message, "delivered")
        with pytest.raises(Halt, match="delivery still runs"):
            await recover(world.settings, world.business, world.clock)
