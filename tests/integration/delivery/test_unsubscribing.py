"""Unsubscribe links over HTTP: GET shows a page and changes nothing, POST acts at once (RFC 8058)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select

from schemas.message import Message
from services.chassis.keyring import keyring_url
from services.chassis.keyring.tables import SECRETS
from services.chassis.sql import open_database
from services.delivery.commands import pause, resume
from services.delivery.unsubscribing import token_for
from tests.support.delivery import World
from tests.support.hosting import hosted

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ONE_CLICK = b"List-Unsubscribe=One-Click"


async def link_of(world: World, message: Message) -> str:
    """The path of the link in a mail's header."""
    (found,) = await world.sandbox.mails(delivery_id=str(message.message_id))
    headers: dict[str, str] = (await world.sandbox.mail(found["number"]))["headers"]
    return urlsplit(headers["List-Unsubscribe"].strip("<>")).path


async def press(http: AsyncClient, path: str) -> int:
    return (await http.post(path, content=ONE_CLICK, headers=FORM)).status_code


async def test_one_click_takes_effect_at_once_also_for_mails_already_planned(world: World) -> None:
    first, planned = await world.wanted(customer_id="c-1"), await world.wanted(customer_id="c-1")
    await world.want(first)
    async with hosted(world.delivery()) as http:
        await world.ends(first, "delivered")
        await pause(world.settings, world.clock)
        await world.want(planned)
        await world.ends(planned, "planned")
        assert await press(http, await link_of(world, first)) == 200
        await resume(world.settings, world.clock)
        assert (await world.ends(planned, "suppressed")).reason == "opt_out"
        unsubscribed = await world.ends(first, "unsubscribed")
        later = await world.wanted("other@example.org", customer_id="c-1")
        await world.want(later)
        assert (await world.ends(later, "suppressed")).reason == "opt_out"
    assert unsubscribed.subject == first.subject
    assert (await world.sandbox.counts())["mails"] == 1


async def test_looking_at_the_page_changes_nothing(world: World) -> None:
    message, later = await world.wanted(), await world.wanted()
    await world.want(message)
    async with hosted(world.delivery()) as http:
        await world.ends(message, "delivered")
        path = await link_of(world, message)
        for _ in range(3):
            page = await http.get(path)
            assert page.status_code == 200
            assert "<button" in page.text
            assert "form-action 'self'" in page.headers["Content-Security-Policy"]
            assert page.headers["Referrer-Policy"] == "no-referrer"
        assert (await http.head(path)).status_code == 200
        await world.want(later)
        await world.ends(later, "delivered")
    assert [one.state for one in await world.history(message)][-1] == "delivered"


async def test_the_pages_button_and_pressing_twice_do_the_same(world: World) -> None:
    message = await world.wanted()
    await world.want(message)
    async with hosted(world.delivery()) as http:
        await world.ends(message, "delivered")
        path = await link_of(world, message)
        for _ in range(2):
            answer = await http.post(path, data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200
            assert "You are unsubscribed" in answer.text
        await world.ends(message, "unsubscribed")
    assert [one.state for one in await world.history(message)].count("unsubscribed") == 1


async def test_a_consent_given_later_takes_an_unsubscription_back(world: World) -> None:
    message, again = await world.wanted(customer_id="c-1"), await world.wanted(customer_id="c-1")
    await world.want(message)
    async with hosted(world.delivery()) as http:
        await world.ends(message, "delivered")
        await press(http, await link_of(world, message))
        world.clock.advance(minutes=1)
        await world.consent(message.subject, granted=True)
        await world.want(again)
        await world.ends(again, "delivered")
    assert "unsubscribed" in [one.state for one in await world.history(message)]


async def test_a_link_that_is_not_ours_does_nothing(world: World) -> None:
    message = await world.wanted()
    await world.want(message)
    async with hosted(world.delivery()) as http:
        await world.ends(message, "delivered")
        forged = token_for(b"another secret", "default", message.message_id)
        elsewhere = token_for(b"another secret", "a-tenant-made-up", message.message_id)
        for token in (
            forged,
            elsewhere,
            "A",
            "ä",
            "x" * 5000,
            (await link_of(world, message)).removeprefix("/u/")[:-1],
        ):
            assert (await http.get(f"/u/{token}")).status_code == 404
            assert await press(http, f"/u/{token}") == 404
    assert [one.state for one in await world.history(message)][-1] == "delivered"
    async with open_database(keyring_url(world.settings)) as database, database.read() as reading:
        assert set((await reading.execute(select(SECRETS.c.tenant))).scalars()) == {"default"}


async def test_a_form_too_large_is_not_read(world: World) -> None:
    async with hosted(world.delivery()) as http:
        assert (await http.post("/u/A", content=b"x" * 20_000, headers=FORM)).status_code == 413


@pytest.mark.parametrize("path", ["/", "/u/", "/ledger", "/v1/deliveries"])
async def test_nothing_else_is_served(world: World, path: str) -> None:
    async with hosted(world.delivery()) as http:
        assert (await http.get(path)).status_code == 404
        assert (await http.get("/livez")).status_code == 200
