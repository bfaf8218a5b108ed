"""Pages are kept in step: at most one message a turn, resumed where they stood, let go when they are slow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from starlette.types import Message

from services.monitor.live import Live
from services.monitor.snapshot import Choice
from services.monitor.view import View
from services.monitor.web import Events
from tests.support.answers import answered
from tests.support.clocks import ManualClock
from tests.support.events import scored

DEFAULT = Choice("default", window="30d")


@pytest.fixture
def live(clock: ManualClock) -> Live:
    live = Live(clock)
    live.view.apply(scored(1))
    live.turn()
    return live


async def received(updates: AsyncIterator[tuple[str, str]]) -> tuple[str, dict[str, Any]]:
    event_id, data = await anext(updates)
    return event_id, json.loads(data)


async def test_a_page_is_told_everything_and_then_what_changes(live: Live) -> None:
    async with aclosing(live.updates(DEFAULT, None)) as updates:
        _, whole = await received(updates)
        live.view.apply(scored(1, 1))
        live.turn()
        _, change = await received(updates)
    assert whole["whole"]
    assert not change["whole"]
    assert change["windows"][0]["n"] == 2
    assert "answers" not in change


async def test_many_changes_between_two_turns_are_one_message(live: Live) -> None:
    async with aclosing(live.updates(DEFAULT, None)) as updates:
        await received(updates)
        for number in range(100):
            live.view.apply(answered(response_id=str(number)))
        waiting = asyncio.create_task(received(updates))
        await asyncio.sleep(0)
        assert not waiting.done()
        live.turn()
        _, change = await waiting
    assert len(change["answers"]) == 50


async def test_a_turn_without_news_sends_nothing(live: Live) -> None:
    async with aclosing(live.updates(DEFAULT, None)) as updates:
        await received(updates)
        waiting = asyncio.create_task(received(updates))
        live.turn()
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_page_that_comes_back_is_told_what_it_missed(live: Live) -> None:
    async with aclosing(live.updates(DEFAULT, None)) as updates:
        last_id, _ = await received(updates)
    live.view.apply(answered(response_id="r"))
    live.turn()
    async with aclosing(live.updates(DEFAULT, last_id)) as updates:
        _, missed = await received(updates)
    assert not missed["whole"]
    assert [answer["id"] for answer in missed["answers"]] == ["r"]
    assert "windows" not in missed


@pytest.mark.parametrize("last_id", ["", "nonsense", "other:5", ":", "x:99999999999999999999"])
async def test_a_page_with_an_id_of_another_view_is_told_everything(live: Live, last_id: str) -> None:
    async with aclosing(live.updates(DEFAULT, last_id)) as updates:
        _, change = await received(updates)
    assert change["whole"]


async def test_a_new_view_is_told_whole_to_pages_that_are_open(live: Live) -> None:
    async with aclosing(live.updates(DEFAULT, None)) as updates:
        await received(updates)
        view = View()
        view.complete = True
        live.show(view)
        live.turn()
        _, change = await received(updates)
    assert (change["whole"], change["complete"], change["windows"]) == (True, True, [])


async def test_changes_within_a_turn_are_never_lost_on_a_page_that_opens_meanwhile(live: Live) -> None:
    async with aclosing(live.updates(DEFAULT, None)) as first, aclosing(live.updates(DEFAULT, None)) as second:
        await received(first)
        live.view.apply(scored(1, 1))
        await received(second)
        live.turn()
        _, change = await received(second)
    assert change["windows"][0]["n"] == 2


async def test_a_window_chosen_for_a_page_stays_once_it_holds_answers(live: Live) -> None:
    live.show(View())
    async with aclosing(live.updates(Choice("default"), None)) as updates:
        windows = [(await received(updates))[1]["choice"]["window"]]
        for score in (scored(name="7d"), scored(1, name="all_time"), scored(1, name="30d")):
            live.view.apply(score)
            live.turn()
            _, change = await received(updates)
            windows.append(change["choice"]["window"])
    assert windows == [None, "7d", "all_time", "all_time"]


async def test_pages_end_when_the_monitor_does(live: Live) -> None:
    running = asyncio.create_task(live.run())
    updates = live.updates(DEFAULT, None)
    await received(updates)
    waiting = asyncio.ensure_future(anext(updates, None))
    await asyncio.sleep(0)
    running.cancel()
    assert await waiting is None
    assert live.viewers == 0


async def test_a_page_that_does_not_take_its_message_is_let_go(live: Live) -> None:
    async def content() -> AsyncIterator[str]:
        async with aclosing(live.updates(DEFAULT, None)) as updates:
            async for _event_id, data in updates:
                yield data

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody asks")

    scope = {"type": "http", "method": "GET"}
    await asyncio.wait_for(Events(content(), ping=0, send_timeout=0.01)(scope, receive, send), 5)
    assert live.viewers == 0
