"""Keys, repetitions, limits: what guards the door, on a real Kafka and a real database."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr

from schemas.malformed import Malformed
from schemas.response import Response as Answer
from schemas.topics import RESPONSES
from services.chassis.sql import Database, Transaction, open_database
from services.chassis.sql_service import database_url
from services.intake import commands
from services.intake.api import MOST_IN_BATCH
from services.intake.sql_keys import KeyRegister, Terms
from tests.support.hosting import hosted
from tests.support.intake import World
from tests.support.kits import typeform
from tests.support.topics import reading

ANSWER = {"score": 9, "channel": "website", "email": "a@example.org"}
AT_ONCE = 100


@pytest.fixture
async def client(world: World) -> AsyncIterator[AsyncClient]:
    """Intake answering, without its loops."""
    async with (
        world.intake() as assembly,
        AsyncClient(transport=ASGITransport(assembly.web), base_url="http://intake") as client,
    ):
        yield client


async def post(client: AsyncClient, token: str, body: Any = ANSWER, **headers: str) -> Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/v1/responses", json=body, headers={"Authorization": f"Bearer {token}", **names})


async def new_key(world: World, *scopes: str, lasts: timedelta | None = None) -> tuple[str, str]:
    """Id and token."""
    terms = Terms(scopes or ("responses:write",), lasts)
    key, token = await commands.create_key(world.settings, world.clock, "default", "test", terms)
    return key.key_id, token


async def stored(world: World) -> list[tuple[bytes | None, Answer]]:
    """All answers there are, with their keys."""
    async with reading(world.frame.kafka, RESPONSES.name) as reader:
        return [(raw.key, RESPONSES.decode(raw.headers, raw.value)) for raw in await reader.to_end()]


async def test_a_revoked_key_is_refused_within_five_seconds(client: AsyncClient, world: World) -> None:
    key_id, token = await new_key(world)
    assert (await post(client, token)).status_code == 202
    assert await commands.revoke_key(world.settings, world.clock, key_id)
    world.clock.advance(seconds=5)
    assert (await post(client, token)).status_code == 401


async def test_a_key_is_refused_from_the_moment_it_expires(client: AsyncClient, world: World) -> None:
    _, token = await new_key(world, lasts=timedelta(seconds=1))
    assert (await post(client, token)).status_code == 202
    world.clock.advance(seconds=1)
    assert (await post(client, token)).status_code == 401


async def test_a_key_that_is_remembered_costs_no_look_into_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    read = Database.read

    def counting(database: Database) -> AbstractAsyncContextManager[Transaction]:
        nonlocal looks
        looks += 1
        return read(database)

    _, token = await new_key(world)
    async with open_database(database_url(world.settings, "intake")) as database:
        keys = KeyRegister(database, world.clock)
        monkeypatch.setattr(Database, "read", counting)
        found = await asyncio.gather(*(keys.of(token) for _ in range(50)))
        assert all(found)
        assert looks == 1, "fifty who ask at once look once"
        await keys.of(token)
        assert looks == 1
        world.clock.advance(seconds=3)
        await keys.of(token)
        assert looks == 2


async def test_only_a_key_for_it_may_mark_answers_as_history(client: AsyncClient, world: World) -> None:
    _, sending = await new_key(world, "responses:write")
    _, importing = await new_key(world, "responses:write", "responses:history")
    refused = await post(client, sending, {**ANSWER, "history": True})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "history")
    assert (await post(client, importing, {**ANSWER, "history": True})).status_code == 202


async def test_a_scope_that_is_none_is_refused_by_name(world: World) -> None:
    with pytest.raises(Malformed, match="responses:write, responses:history, consents:write"):
        await new_key(world, "responses:read")


async def test_a_hundred_equal_requests_at_once_are_one_event_and_one_answer(world: World) -> None:
    _, token = await new_key(world)
    async with hosted(world.intake()) as client:
        told = await asyncio.gather(*(post(client, token, Idempotency_Key="k1") for _ in range(AT_ONCE)))
        again = [await post(client, token, Idempotency_Key="k1") for _ in range(3)]
        other = await post(client, token, {**ANSWER, "score": 1}, Idempotency_Key="k1")
        ((_, answer),) = await stored(world)
    taken = [each for each in told if each.status_code == 202]
    assert {each.status_code for each in told} <= {202, 409}
    assert all("retry-after" in each.headers for each in told if each.status_code == 409)
    assert {each.content for each in [*taken, *again]} == {taken[0].content}
    assert taken[0].json()["response_id"] == answer.response_id
    assert (other.status_code, other.json()["type"]) == (422, "urn:nps-loop:problem:idempotency-key")


async def test_an_idempotency_key_holds_over_a_restart_and_for_a_day(world: World) -> None:
    _, token = await new_key(world)
    async with hosted(world.intake()) as client:
        first = await post(client, token, Idempotency_Key="k1")
    world.clock.advance(hours=23)
    async with hosted(world.intake()) as client:
        again = await post(client, token, Idempotency_Key="k1")
    assert (again.status_code, again.content) == (202, first.content)
    assert len(await stored(world)) == 1


async def test_a_signed_call_that_comes_again_and_again_is_one_answer(world: World, tmp_path: Path) -> None:
    world.decided(tmp_path, "{sources: {shop: {vendor: typeform, score: likely, comment: why, email: email}}}")
    secrets = json.dumps({"default/shop": typeform.KIT.secret})
    world.settings = world.settings.model_copy(update={"source_secrets": SecretStr(secrets)})
    call = typeform.KIT.call(typeform.KIT.recorded["answer"])

    async def replay(client: AsyncClient, times: int) -> set[int]:
        calls = (
            client.post("/v1/sources/default/shop", content=call.body, headers=dict(call.headers)) for _ in range(times)
        )
        return {told.status_code for told in await asyncio.gather(*calls)}

    async with hosted(world.intake()) as client:
        assert await replay(client, AT_ONCE) == {202}
    world.clock.advance(hours=5)
    async with hosted(world.intake()) as client:
        assert await replay(client, 1) == {202}
    found = await stored(world)
    assert len(found) == AT_ONCE + 1
    assert len({(key, one.response_id, one.revision, one.digest, one.score) for key, one in found}) == 1


async def test_answers_that_come_at_once_are_each_told_of_their_own(client: AsyncClient, world: World) -> None:
    _, token = await new_key(world)
    bodies = [{**ANSWER, "response_id": f"r{n}", "customer_id": f"c{n}", "score": n % 11} for n in range(AT_ONCE)]
    bodies[7] = {"score": 12}
    told = await asyncio.gather(*(post(client, token, body) for body in bodies))
    assert [each.status_code for each in told] == [422 if n == 7 else 202 for n in range(AT_ONCE)]
    assert all(each.json()["response_id"] == f"r{n}" for n, each in enumerate(told) if n != 7)
    found = {one.response_id: one for _, one in await stored(world)}
    assert {name: one.score for name, one in found.items()} == {f"r{n}": n % 11 for n in range(AT_ONCE) if n != 7}
    assert len({one.subject for one in found.values()}) == AT_ONCE - 1


async def test_a_batch_may_come_packed(client: AsyncClient, world: World) -> None:
    _, token = await new_key(world)
    batch = gzip.compress(json.dumps([ANSWER] * MOST_IN_BATCH).encode())
    headers = {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
    told = await client.post("/v1/responses:batch", content=batch, headers=headers)
    assert (told.status_code, told.json()["accepted"]) == (202, MOST_IN_BATCH)


async def test_one_key_that_is_used_too_often_stops_no_other(world: World) -> None:
    world.settings = world.settings.model_copy(update={"rate_limit_per_key": 2})
    (_, busy), (_, other) = await new_key(world), await new_key(world)
    async with hosted(world.intake()) as client:
        told = [await post(client, busy) for _ in range(3)]
        untouched = await post(client, other)
    assert [each.status_code for each in told] == [202, 202, 429]
    assert (told[2].headers["content-type"], "retry-after" in told[2].headers) == ("application/problem+json", True)
    assert untouched.status_code == 202
    assert untouched.headers["ratelimit"].startswith('"address";r=19996;t=')


async def test_an_address_that_calls_too_often_is_stopped_on_every_route(world: World) -> None:
    world.settings = world.settings.model_copy(update={"rate_limit_per_address": 2})
    async with hosted(world.intake()) as client:
        paths = ("/v1/webhooks/crm", "/v1/sources/default/none", "/v1/responses", "/v1/consents")
        told = [(await client.post(path, json={})).status_code for path in paths]
        assert (await client.get("/livez")).status_code == 200
    assert told == [401, 404, 429, 429]
