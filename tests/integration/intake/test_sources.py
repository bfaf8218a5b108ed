"""Calls of sources on a real Kafka: believed or refused, let in once, and kept where they cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr

from schemas.topics import CONSENTS
from services.chassis.dead_letters import read_letter
from services.intake.calls import CALLS
from tests.support.hosting import hosted
from tests.support.intake import World
from tests.support.kits import delighted, hubspot, trustpilot, typeform
from tests.support.kits.kit import Kit
from tests.support.topics import reading

SECTION = """
      sources:
        shop: {vendor: typeform, score: likely, comment: why, email: email, channel: website}
        shop2: {vendor: typeform, score: recommend}
        mail: {vendor: delighted}
        mute: {vendor: delighted}
        crm: {vendor: hubspot}
        reviews: {vendor: trustpilot}
"""


@pytest.fixture
def calling(world: World, tmp_path: Path) -> World:
    world.decided(tmp_path, SECTION)
    secrets = {
        "default/shop": [typeform.KIT.secret, typeform.KIT.other_secret],
        "default/shop2": typeform.KIT.secret,
        "default/mail": delighted.KIT.secret,
        "default/crm": hubspot.KIT.secret,
        "default/reviews": trustpilot.KIT.secret,
    }
    world.settings = world.settings.model_copy(update={"source_secrets": SecretStr(json.dumps(secrets))})
    return world


async def call(client: AsyncClient, kit: Kit, path: str, body: bytes, secret: str | None = None) -> Any:  # a response
    made = kit.call(body, secret=secret)
    return await client.post(f"/v1/sources/{path}", content=body, headers=dict(made.headers))


async def test_a_signed_call_is_an_answer_and_a_copy_of_it_is_not_another(calling: World) -> None:
    body = typeform.KIT.recorded["answer"]
    async with hosted(calling.intake()) as client:
        told = [await call(client, typeform.KIT, "default/shop", body) for _ in range(2)]
        one, two = await calling.answers(2)
    assert [(each.status_code, each.json()) for each in told] == [(202, {"accepted": 1, "kept": 0})] * 2
    assert (one.source, one.channel, one.score) == ("shop", "website", 9)
    assert (one.response_id, one.revision, one.digest) == (two.response_id, two.revision, two.digest)
    assert (await calling.opened(one)).comment == "Delivered a day early."


async def test_answers_of_two_sources_are_two_even_if_their_ids_are_the_same(calling: World, tmp_path: Path) -> None:
    calling.decided(tmp_path, SECTION.replace("score: recommend", "score: likely"))
    body = typeform.KIT.recorded["score_alone"]
    async with hosted(calling.intake()) as client:
        for path in ("default/shop", "default/shop2"):
            assert (await call(client, typeform.KIT, path, body)).status_code == 202
        ids = {answer.response_id for answer in await calling.answers(2)}
    assert ids == {"shop:0a1b2c3d4e5f", "shop2:0a1b2c3d4e5f"}


async def test_while_one_secret_replaces_another_both_hold(calling: World) -> None:
    body = typeform.KIT.recorded["answer"]
    async with hosted(calling.intake()) as client:
        old = await call(client, typeform.KIT, "default/shop", body, secret=typeform.KIT.other_secret)
        gone = await call(client, typeform.KIT, "default/shop2", body, secret=typeform.KIT.other_secret)
    assert (old.status_code, gone.status_code) == (202, 401)


async def test_a_call_that_nobody_signed_is_refused(calling: World) -> None:
    body = delighted.KIT.recorded["created"]
    async with hosted(calling.intake()) as client:
        forged = await call(client, delighted.KIT, "default/mail", body, secret="somebody else's")
        without_secret = await call(client, delighted.KIT, "default/mute", body)
        unknown = await call(client, delighted.KIT, "default/nobody", body)
        elsewhere = await call(client, delighted.KIT, "nowhere/mail", body)
    assert [one.status_code for one in (forged, without_secret, unknown, elsewhere)] == [401, 401, 404, 404]
    assert forged.headers["content-type"] == "application/problem+json"
    assert forged.json()["detail"] == "x-delighted-webhook-signature: does not fit"
    assert without_secret.json()["detail"] == "NPS_SOURCE_SECRETS has none for default/mute"


async def test_what_cannot_be_used_is_kept_once_and_the_source_is_told_that_we_have_it(calling: World) -> None:
    body = typeform.KIT.recorded["answer"]
    async with hosted(calling.intake()) as client:
        told = [await call(client, typeform.KIT, "default/shop2", body) for _ in range(2)]
        async with reading(calling.frame.kafka, f"{CALLS}.dlq") as reader:
            letters = [await read_letter(raw, calling.keyring) for raw in await reader.count(2)]
    assert [one.status_code for one in told] == [202, 202]
    assert told[0].json()["errors"] == [
        {"field": "form_response.answers", "reason": "no answer to the field recommend"}
    ]
    assert len({letter.letter_id for letter in letters}) == 1
    assert letters[0].value == body
    assert json.loads(letters[0].key or b"") == ["default", "shop2"]
    assert "typeform-signature" not in dict(letters[0].headers)


async def test_who_unsubscribes_at_a_vendor_is_neither_asked_nor_written_to(calling: World) -> None:
    async with hosted(calling.intake()) as client:
        await call(client, delighted.KIT, "default/mail", delighted.KIT.recorded["created"])
        await call(client, delighted.KIT, "default/mail", delighted.KIT.recorded["unsubscribed"])
        (answer,) = await calling.answers(1)
        async with reading(calling.frame.kafka, CONSENTS.name) as reader:
            consents = [CONSENTS.decode(raw.headers, raw.value) for raw in await reader.count(2)]
    assert {(one.subject, one.purpose, one.granted) for one in consents} == {
        (answer.subject, "survey", False),
        (answer.subject, "mail", False),
    }


async def test_a_vendor_may_ask_whether_anybody_is_there(calling: World) -> None:
    async with hosted(calling.intake()) as client:
        there = await client.head("/v1/sources/default/shop")
        nowhere = await client.get("/v1/sources/default/nobody")
    assert (there.status_code, nowhere.status_code) == (200, 404)


async def test_what_a_vendor_signs_is_the_public_address_and_not_the_one_behind_the_proxy(calling: World) -> None:
    made = [hubspot.KIT.call(hubspot.KIT.recorded["changed"], at=calling.clock.now()) for _ in range(2)]
    told = []
    for public_url, one in zip((None, "https://nps.example.org"), made, strict=True):
        calling.settings = calling.settings.model_copy(update={"public_url": public_url})
        async with hosted(calling.intake()) as client:
            told.append(await client.post("/v1/sources/default/crm", content=one.body, headers=dict(one.headers)))
    assert [one.status_code for one in told] == [401, 202]
    assert sorted(answer.score or 0 for answer in await calling.answers(2)) == [0, 9]


async def test_a_token_in_the_address_is_proof_and_a_review_never_a_score(calling: World) -> None:
    path, body = "/v1/sources/default/reviews", trustpilot.KIT.recorded["created"]
    async with hosted(calling.intake()) as client:
        good = await client.post(path, params={"token": trustpilot.KIT.secret}, content=body)
        forged = await client.post(path, params={"token": "somebody else's"}, content=body)
        reviews = await calling.answers(2)
    assert (good.status_code, forged.status_code) == (202, 401)
    assert {(each.metric, each.rating, each.score) for each in reviews} == {("review", 5, None), ("review", 1, None)}
