"""Delivery on a real Kafka and a real database, against the mail sandbox over HTTP."""

from __future__ import annotations

from functools import partial

import pytest

from schemas.topic import dead_letters_of
from schemas.topics import CONSENTS, MESSAGES
from services.chassis.dead_letters import read_letter
from services.chassis.failures import Halt
from services.chassis.keyring import Identity
from services.chassis.records import Outgoing
from services.delivery.commands import pause, paused, resend, resume
from services.delivery.perk_code import perk_code
from tests.support.delivery import Newest, World
from tests.support.hosting import hosted
from tests.support.topics import reading


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


async def test_a_mail_holds_name_code_and_unsubscribe_link_and_what_is_published_holds_none(world: World) -> None:
    perk = await world.wanted("ada@example.org", name="Ada")
    offer = await world.wanted("bob@example.org", name="Bob", command="offer")
    await world.want(perk, offer)
    async with hosted(world.delivery()):
        await world.ends(perk, "delivered")
        await world.ends(offer, "delivered")
    for message, name in ((perk, "Ada"), (offer, "Bob")):
        (found,) = await world.sandbox.mails(delivery_id=str(message.message_id))
        mail = await world.sandbox.mail(found["number"])
        for part in (mail["html"], mail["text"]):
            assert name in part
            assert perk_code("default", message.response_id) in part
            assert "http://unsubscribe.example/u/" in part
        for delivery in await world.history(message):
            published = delivery.model_dump_json()
            assert name not in published
            assert "@" not in published


async def test_redelivered_commands_and_events_lead_to_nothing_more(world: World) -> None:
    message = await world.wanted()
    await world.sandbox.behave(repeat_events=1.0)
    await world.want(message, message)
    async with hosted(world.delivery()):
        await world.ends(message, "delivered")
    before = await world.history(message)
    last = await world.wanted("last@example.org")
    await world.want(message, last)
    async with hosted(world.delivery()):
        await world.ends(last, "delivered")
    assert await world.history(message) == before
    assert (await world.sandbox.counts())["mails"] == 2


async def test_a_restart_goes_on_where_it_stopped(world: World) -> None:
    first, second = await world.wanted("a@example.org"), await world.wanted("b@example.org")
    await world.want(first)
    async with hosted(world.delivery()):
        await world.ends(first, "delivered")
    await world.want(second)
    async with hosted(world.delivery()):
        await world.ends(second, "delivered")
    assert {mail["recipient"] for mail in await world.sandbox.mails()} == {"a@example.org", "b@example.org"}
    assert (await world.sandbox.counts())["mails"] == 2


async def test_what_cannot_be_read_is_a_dead_letter_and_its_neighbours_go_out(world: World) -> None:
    good = await world.wanted()
    unknown = await world.wanted("b@example.org", template="gold")
    nobody = (await world.wanted("c@example.org")).model_copy(update={"tenant": "nobody"})
    await world.frame.publisher.publish([Outgoing(MESSAGES.name, b"k", b"k", b"{", ())])
    await world.want(unknown, nobody, good)
    async with hosted(world.delivery()):
        await world.ends(good, "delivered")
        async with reading(world.frame.kafka, dead_letters_of(MESSAGES.name)) as reader:
            letters = [await read_letter(raw, None) for raw in await reader.count(3)]
    assert {letter.group for letter in letters} == {"delivery"}
    assert {letter.message.split(":")[0] for letter in letters} == {"ce_type", "template", "tenant"}
    assert (await world.sandbox.counts())["mails"] == 1


async def test_a_withdrawal_that_arrives_first_is_kept(world: World) -> None:
    message = await world.wanted()
    await world.want(message.model_copy(update={"revision": 2, "command": "none", "reason": "retracted"}), message)
    last = await world.wanted("last@example.org")
    await world.want(last)
    async with hosted(world.delivery()):
        await world.ends(last, "delivered")
        withdrawn = await world.ends(message, "withdrawn")
    assert (withdrawn.reason, withdrawn.version) == ("retracted", 1)
    assert [mail["recipient"] for mail in await world.sandbox.mails()] == ["last@example.org"]


async def test_a_command_that_changes_after_sending_is_too_late(world: World) -> None:
    message = await world.wanted()
    await world.want(message)
    async with hosted(world.delivery()):
        await world.ends(message, "delivered")
        await world.want(message.model_copy(update={"revision": 2, "command": "offer", "template": "offer"}))
        late = await world.ends(message, "delivered", reason="too_late")
    assert (late.kind, late.revision) == ("perk", 2)
    assert (await world.sandbox.counts())["mails"] == 1


async def test_who_is_erased_or_has_no_address_gets_nothing(world: World) -> None:
    erased, nowhere = await world.wanted("a@example.org"), await world.wanted(None)
    no_address = await world.wanted("not an address")
    assert erased.subject
    await world.keyring.erase("default", [erased.subject])
    await world.want(erased, nowhere, no_address)
    async with hosted(world.delivery()):
        assert (await world.ends(erased, "suppressed")).reason == "erased"
        assert (await world.ends(nowhere, "suppressed")).reason == "no_address"
        assert (await world.ends(no_address, "suppressed")).reason == "no_address"
    assert await world.sandbox.mails() == []


@pytest.mark.parametrize(
    ("recipient", "state", "reason"), [("bounce", "bounced", "bounced"), ("spam", "spam", "opt_out")]
)
async def test_a_bounce_and_a_complaint_keep_the_next_mail_back(
    world: World, recipient: str, state: str, reason: str
) -> None:
    first, second = await world.wanted(f"{recipient}@example.org"), await world.wanted(f"{recipient}@EXAMPLE.org")
    await world.want(first)
    async with hosted(world.delivery()):
        await world.ends(first, state)
        await world.want(second)
        assert (await world.ends(second, "suppressed")).reason == reason
    assert (await world.sandbox.counts())["mails"] == 1


async def test_an_opt_out_counts_for_every_address_of_a_person_until_it_is_taken_back(world: World) -> None:
    # one customer with two addresses, who opts out under the second
    first = await world.wanted("a@example.org", customer_id="c-1")
    second = await world.wanted("b@example.org", customer_id="c-1")
    stranger = await world.wanted("c@example.org")
    under_second = await world.keyring.identify("default", Identity(email="b@example.org"))
    assert under_second
    await world.consent(under_second.subject, granted=False)
    async with hosted(world.delivery()):
        await world.heard(CONSENTS)
        await world.want(first, second, stranger)
        assert (await world.ends(first, "suppressed")).reason == "opt_out"
        assert (await world.ends(second, "suppressed")).reason == "opt_out"
        await world.ends(stranger, "delivered")
        world.clock.advance(minutes=1)
        await world.consent(first.subject, granted=True)
        await world.heard(CONSENTS)
        third = await world.wanted("a@example.org", customer_id="c-1")
        await world.want(third)
        await world.ends(third, "delivered")


async def test_a_consent_lifts_no_bounce(world: World) -> None:
    first = await world.wanted("bounce@example.org")
    await world.want(first)
    async with hosted(world.delivery()):
        await world.ends(first, "bounced")
        world.clock.advance(minutes=1)
        await world.consent(first.subject, granted=True)
        await world.heard(CONSENTS)
        second = await world.wanted("bounce@example.org")
        await world.want(second)
        assert (await world.ends(second, "suppressed")).reason == "bounced"


async def test_who_is_not_on_the_allow_list_gets_nothing(world: World) -> None:
    world.decide(allow_list=["acme.fi", "ada@example.org"])
    allowed = [await world.wanted("ada@example.org"), await world.wanted("bob@acme.fi")]
    other = await world.wanted("bob@example.org")
    await world.want(*allowed, other)
    async with hosted(world.delivery()):
        for message in allowed:
            await world.ends(message, "delivered")
        assert (await world.ends(other, "suppressed")).reason == "allow_list"


async def test_paused_mail_stays_planned_until_it_is_resumed(world: World) -> None:
    ours = await world.wanted("a@example.org")
    theirs = await world.wanted("b@example.org", tenant="demo-1")
    await pause(world.settings, world.clock, "default")
    await world.want(ours, theirs)
    async with hosted(world.delivery()):
        await world.ends(theirs, "delivered")
        await world.ends(ours, "planned")
        assert set(await paused(world.settings, world.clock)) == {"default"}
        await pause(world.settings, world.clock)
        more = await world.wanted("c@example.org", tenant="demo-1")
        await world.want(more)
        assert await resume(world.settings, world.clock, "default")
        await world.ends(more, "planned")
        assert {mail["recipient"] for mail in await world.sandbox.mails()} == {"b@example.org"}
        assert await resume(world.settings, world.clock)
        assert not await resume(world.settings, world.clock)
        await world.ends(ours, "delivered")
        await world.ends(more, "delivered")


@pytest.mark.parametrize("running", [True])
async def test_a_person_sends_an_unknown_mail_again(world: World) -> None:
    message = await world.wanted("timeout-once@example.org")
    await world.want(message)
    async with hosted(world.delivery(sendgrid_timeout_s=3.0)):
        await world.ends(message, "unknown")
        assert await resend(world.settings, world.clock, "default", message.response_id)
        await world.ends(message, "delivered")
    assert not await resend(world.settings, world.clock, "default", message.response_id)
    assert (await world.sandbox.counts())["mails"] == 1


@pytest.mark.parametrize("fault", ["drop", "hang"])
async def test_an_ambiguous_send_becomes_unknown_and_is_settled_by_the_providers_event(
    world: World, fault: str
) -> None:
    await world.sandbox.behave(webhooks="hold")
    message = await world.wanted(f"{fault}@example.org")
    await world.want(message)
    async with hosted(world.delivery(sendgrid_timeout_s=3.0)):
        await world.ends(message, "unknown")
        world.clock.advance(hours=2)
        await world.sandbox.behave()
        await world.ends(message, "delivered")
    assert [one.state for one in await world.history(message)][:3] == ["planned", "sending", "unknown"]
    assert (await world.sandbox.counts())["mails"] == 1


async def test_a_quota_is_never_overrun(world: World) -> None:
    await world.sandbox.behave(quota={"limit": 3, "window_s": 60})
    messages = [await world.wanted(f"a{number}@example.org") for number in range(8)]
    await world.want(*messages)
    async with hosted(world.delivery()):
        for window in (3, 6, 8):
            await world.until(partial(_number, "delivered", window))
            assert (await world.sandbox.counts())["mails"] == window
            world.clock.advance(seconds=61)
    counts = await world.sandbox.counts()
    assert (counts["answered"], counts["too_early"]) == ({"202": 8}, 0)


@pytest.mark.parametrize("running", [True])
async def test_whatever_fails_every_mail_ends_and_none_goes_out_twice(world: World) -> None:
    expected = {
        "500-once": "delivered",
        "503-once": "delivered",
        "429-once": "delivered",
        "drop-once": "delivered",
        "reset-once": "unknown",
        "hang-once": "delivered",
        "slow-once": "delivered",
        "timeout-once": "unknown",
        "malformed-once": "unknown",
        "no-message-id": "delivered",
        "400": "refused",
        "silent": "accepted",
        "ada": "delivered",
    }
    messages = {name: await world.wanted(f"{name}@example.org") for name in expected}
    await world.want(*messages.values())
    async with hosted(world.delivery(sendgrid_timeout_s=3.0)):
        found = await world.until(
            lambda newest: (
                {name: newest[one.response_id].state for name, one in messages.items() if one.response_id in newest}
                == expected
            ),
            deadline_s=120.0,  # most of it is the waits between tries, which grow with each that fails
        )
    assert len(found) == len(expected)
    counts = await world.sandbox.counts()
    assert (counts["mails"], counts["duplicates"], counts["too_early"]) == (9, 0, 0)


async def test_against_the_real_sendgrid_it_does_not_start_before_everything_is_set(world: World) -> None:
    with pytest.raises(Halt, match=r"NPS_UNSUBSCRIBE_URL(.|\n)*sender(.|\n)*allow_list or live"):
        async with world.delivery(sendgrid_url="https://api.sendgrid.com", unsubscribe_url=None):
            pytest.fail("it started")


def _number(state: str, number: int, newest: Newest) -> bool:
    return sum(delivery.state == state for delivery in newest.values()) == number
