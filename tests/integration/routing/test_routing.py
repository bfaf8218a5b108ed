"""Routing on a real Kafka and a real database: answers in, decisions and commands out."""

from __future__ import annotations

import pytest

from schemas.topics import CONSENTS, DELIVERIES
from services.chassis.failures import Halt
from services.chassis.keyring import Identity
from services.routing import commands
from tests.support.answers import answered
from tests.support.databases import lose_database
from tests.support.events import delivered
from tests.support.hosting import hosted
from tests.support.routing import World
from tests.support.sealing import sealed


async def test_each_band_leads_to_its_one_action(world: World) -> None:
    for score in (9, 7, 3):
        await world.publish(await sealed(world.keyring, answered(score), email=f"a{score}@example.org"))
    async with hosted(world.routing()):
        decisions = await world.decisions(3)
    assert {(d.band, d.action, d.outcome) for d in decisions} == {
        ("promoter", "perk", "action"),
        ("passive", "offer", "action"),
        ("detractor", "outreach", "action"),
    }
    assert sorted(message.command for message in await world.messages()) == ["offer", "perk"]
    assert [request.command for request in await world.requests()] == ["open"]


async def test_a_redelivered_answer_leads_to_nothing_more(world: World) -> None:
    answer = await sealed(world.keyring, answered(9), email="a@example.org")
    await world.publish(answer, answer)
    async with hosted(world.routing()):
        await world.decisions(1)
    last = await sealed(world.keyring, answered(8), email="b@example.org")
    await world.publish(answer, last)
    async with hosted(world.routing()):
        decisions = await world.decisions(2)
    assert {decision.response_id for decision in decisions} == {answer.response_id, last.response_id}
    assert len(decisions) == 2


async def test_an_edit_across_a_border_withdraws_the_mail_and_opens_the_task(world: World) -> None:
    answer = await sealed(world.keyring, answered(9, response_id="r"), email="a@example.org")
    await world.publish(answer, answer.model_copy(update={"revision": 2, "score": 2, "digest": "1" * 32}))
    async with hosted(world.routing()):
        await world.decisions(2)
    assert [(m.command, m.revision) for m in await world.messages()] == [("perk", 1), ("none", 2)]
    assert [(r.command, r.revision) for r in await world.requests()] == [("open", 2)]


async def test_who_is_erased_gets_nothing(world: World) -> None:
    answer = await sealed(world.keyring, answered(9), email="a@example.org")
    assert answer.subject
    await world.keyring.erase("default", [answer.subject])
    await world.publish(answer)
    async with hosted(world.routing()):
        (decision,) = await world.decisions(1)
    assert (decision.outcome, decision.reason) == ("suppressed", "erased")


async def test_the_newest_word_of_a_person_holds_and_lifts_no_bounce(world: World) -> None:
    ada, bob, cy = [
        await sealed(world.keyring, answered(9, response_id=name), customer_id=name, email=f"{name}@example.org")
        for name in ("ada", "bob", "cy")
    ]
    by_mail = await world.keyring.identify("default", Identity(email="bob@example.org"))
    assert by_mail
    async with hosted(world.routing()):
        await world.say(
            CONSENTS,
            world.word(ada.subject, granted=False, hour=2),
            world.word(ada.subject, granted=True, hour=1),
            world.word(bob.subject, granted=False, hour=1),
            world.word(by_mail.subject, granted=True, hour=2),
        )
        await world.say(DELIVERIES, delivered("earlier", state="bounced", subject=cy.subject))
        await world.say(
            CONSENTS,
            world.word(cy.subject, granted=False, hour=1),
            world.word(cy.subject, granted=True, hour=2),
        )
        await world.publish(ada, bob, cy)
        decided = {decision.response_id: decision.reason for decision in await world.decisions(3)}
    assert decided == {"ada": "opt_out", "bob": None, "cy": "bounced"}


async def test_a_database_that_was_lost_stops_routing_and_recovery_contacts_nobody_twice(world: World) -> None:
    answers = [await sealed(world.keyring, answered(score), email=f"a{score}@example.org") for score in (9, 7, 3)]
    await world.publish(*answers)
    async with hosted(world.routing()):
        await world.decisions(3)
    await lose_database(world.settings, "routing")
    with pytest.raises(Halt, match="nps recover"):
        async with world.routing():
            pass
    await commands.recover(world.settings, world.business, world.clock)
    edited = answers[0].model_copy(update={"revision": 2, "score": 2, "digest": "1" * 32})
    await world.publish(edited, await sealed(world.keyring, answered(8), email="new@example.org"))
    async with hosted(world.routing()):
        decisions = await world.decisions(5)
    decided = sorted((decision.number, decision.action) for decision in decisions)
    assert decided == [(1, "offer"), (1, "offer"), (1, "outreach"), (1, "perk"), (2, "outreach")]
    assert len(await world.messages()) == 4
