"""Requests that come at once go through the door together, and none is worse off for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.chassis.failures import Transient
from services.intake import gathering
from services.intake.domain import Arrival
from services.intake.door import Door, Prepared
from services.intake.gathering import GatheringDoor

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


def arrival(identity: str) -> Arrival:
    return Arrival(Submission(score=9), "default", "email", NOW, identity)


@dataclass
class Behind:
    """What lies behind the door: notes the groups that are prepared, and lets in when told to."""

    groups: list[list[str]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    fails: Callable[[str], Exception | None] = lambda _: None
    published: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self, _door: Door, arrivals: Sequence[Arrival], _now: datetime) -> Prepared:
        self.groups.append([each.identity for each in arrivals])
        await self.open.wait()
        for each in arrivals:
            error = self.fails(each.identity)
            if error:
                raise error
        return Prepared([Malformed.of("identity", each.identity) for each in arrivals], [])

    async def let_in(self, _door: Door, _prepared: Prepared) -> None:
        await self.published.wait()


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Behind:
    behind = Behind()
    behind.published.set()

    async def prepare(door: Door, arrivals: Sequence[Arrival], now: datetime) -> Prepared:
        return await behind.prepare(door, arrivals, now)

    async def let_in(door: Door, prepared: Prepared) -> None:
        await behind.let_in(door, prepared)

    monkeypatch.setattr(Door, "prepare", prepare)
    monkeypatch.setattr(Door, "let_in", let_in)
    return behind


def door() -> GatheringDoor:
    nothing = cast("Any", None)
    return GatheringDoor(nothing, nothing, nothing, nothing, nothing, nothing)


async def told(door: Door, *identities: str) -> list[str]:
    results = await door.admit([arrival(each) for each in identities], NOW)
    return [str(result) for result in results]


async def asked(door: Door, *requests: tuple[str, ...]) -> list[asyncio.Task[list[str]]]:
    """Requests that have come, the first of them alone."""
    tasks = []
    for identities in requests:
        tasks.append(asyncio.create_task(told(door, *identities)))
        for _ in range(3):
            await asyncio.sleep(0)
    return tasks


async def test_what_comes_while_one_group_is_prepared_is_the_next_group(behind: Behind) -> None:
    requests = await asked(door(), ("a",), ("b", "c"), ("d",))
    behind.open.set()
    assert await asyncio.gather(*requests) == [
        ["identity: a"],
        ["identity: b", "identity: c"],
        ["identity: d"],
    ]
    assert behind.groups == [["a"], ["b", "c", "d"]]


async def test_a_group_is_no_larger_than_the_largest_batch(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_AT_ONCE", 3)
    requests = await asked(door(), ("a",), ("b", "c"), ("d", "e"), ("f", "g", "h", "i"))
    behind.open.set()
    await asyncio.gather(*requests)
    assert behind.groups == [["a"], ["b", "c"], ["d", "e"], ["f", "g", "h", "i"]]


async def test_a_dependency_that_is_away_is_away_for_all_and_asked_once(behind: Behind) -> None:
    behind.fails = lambda _: Transient("Kafka did not acknowledge")
    requests = await asked(door(), ("a",), ("b",), ("c",))
    behind.open.set()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(result) for result in results] == [Transient] * 3
    assert behind.groups == [["a"], ["b", "c"]]


async def test_what_nobody_expected_of_one_request_is_told_to_it_alone(behind: Behind) -> None:
    behind.fails = lambda identity: ZeroDivisionError() if identity == "bad" else None
    requests = await asked(door(), ("a",), ("b",), ("bad",), ("c",))
    behind.open.set()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert results[:2] + results[3:] == [["identity: a"], ["identity: b"], ["identity: c"]]
    assert isinstance(results[2], ZeroDivisionError)


async def test_who_goes_away_leaves_the_others_as_they_are(behind: Behind) -> None:
    requests = await asked(door(), ("a",), ("b",), ("c",))
    requests[1].cancel()
    behind.open.set()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert (results[0], results[2]) == (["identity: a"], ["identity: c"])


async def test_nothing_is_let_in_at_once(behind: Behind) -> None:
    assert await door().admit([], NOW) == []
    assert behind.groups == []


async def test_who_comes_again_at_once_is_let_in_again(behind: Behind) -> None:
    subject = door()
    behind.open.set()

    async def comes_again(name: str) -> int:
        return len([await told(subject, f"{name}{time}") for time in range(5)])

    async with asyncio.timeout(10):
        assert await asyncio.gather(*(comes_again(name) for name in "abc")) == [5, 5, 5]


async def test_while_one_group_is_on_its_way_the_next_is_prepared(behind: Behind) -> None:
    behind.open.set()
    behind.published.clear()
    requests = await asked(door(), ("a",), ("b",))
    assert behind.groups == [["a"], ["b"]]
    assert not any(request.done() for request in requests)
    behind.published.set()
    assert await asyncio.gather(*requests) == [["identity: a"], ["identity: b"]]


async def test_a_whole_batch_does_not_wait_for_the_one_before(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "FULL", 3)
    requests = await asked(door(), ("a",), ("b",), ("c", "d"), ("e", "f", "g"))
    assert behind.groups == [["a"], ["b", "c", "d"]]
    behind.open.set()
    await asyncio.gather(*requests)
    assert behind.groups == [["a"], ["b", "c", "d"], ["e", "f", "g"]]


async def test_after_several_at_once_others_are_waited_for(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "LINGER_S", 0.5)
    behind.open.set()
    subject = door()
    together = asyncio.gather(told(subject, "a"), told(subject, "b"))
    await together
    await asyncio.gather(*await asked(subject, ("c",), ("d",)))
    assert behind.groups == [["a", "b"], ["c", "d"]]
