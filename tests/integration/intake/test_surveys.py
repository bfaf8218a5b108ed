"""Survey platforms on a real Kafka: forms of other kinds than JSON, a token in the address, a comment that follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.hosting import hosted
from tests.support.intake import World
from tests.support.kits import jotform, survicate, wootric

SECTION = """
      sources:
        form: {vendor: jotform, score: howLikely, comment: why, email: email}
        site: {vendor: survicate, score: 12123, comment: 12124}
        app: {vendor: wootric}
"""


@pytest.fixture
def calling(world: World, tmp_path: Path) -> World:
    world.decided(tmp_path, SECTION)
    secrets = {
        "default/form": "a word in the address",
        "default/site": survicate.KIT.secret,
        "default/app": wootric.KIT.secret,
    }
    world.settings = world.settings.model_copy(update={"source_secrets": SecretStr(json.dumps(secrets))})
    return world


async def test_a_form_of_many_parts_comes_in_by_the_token_in_its_address(calling: World) -> None:
    kind = {"content-type": jotform.KIT.content_type}
    body = jotform.KIT.recorded["answered"]
    async with hosted(calling.intake()) as client:
        path = "/v1/sources/default/form"
        taken = await client.post(path, params={"token": "a word in the address"}, content=body, headers=kind)
        guessed = await client.post(path, params={"token": "another word"}, content=body, headers=kind)
        (answer,) = await calling.answers(1)
    assert (taken.status_code, guessed.status_code) == (202, 401)
    assert (answer.response_id, answer.score, answer.source) == ("form:6084250982513018472", 9, "form")
    assert (await calling.opened(answer)).comment == "Delivered a day early, 谢谢!"


async def test_a_comment_that_follows_joins_the_answer_it_belongs_to(calling: World) -> None:
    kit = survicate.KIT
    async with hosted(calling.intake()) as client:
        for name in ("score", "comment"):
            call = kit.call(kit.recorded[name])
            taken = await client.post("/v1/sources/default/site", content=call.body, headers=dict(call.headers))
            assert taken.json() == {"accepted": 1, "kept": 0}
        score, comment = await calling.answers(2)
    assert (score.op, comment.op) == ("submitted", "commented")
    assert score.response_id == comment.response_id
    assert (await calling.opened(comment)).comment == "Delivered a day early."


async def test_an_answer_is_excluded_where_the_platform_excludes_it(calling: World) -> None:
    kit = wootric.KIT
    async with hosted(calling.intake()) as client:
        for name in ("created", "decline", "excluded"):
            call = kit.call(kit.recorded[name])
            taken = await client.post("/v1/sources/default/app", content=call.body, headers=dict(call.headers))
            assert taken.status_code == 202
        created, excluded = await calling.answers(2)
    assert (created.op, excluded.op) == ("submitted", "excluded")
    assert created.response_id == excluded.response_id
    assert created.revision < excluded.revision
