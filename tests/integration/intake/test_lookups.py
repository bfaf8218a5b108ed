"""Calls that name an answer, on a real Kafka and with a server that stands in for the vendor's API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr

from services.chassis.dead_letters import read_letter
from services.intake.calls import CALLS
from tests.support.hosting import hosted
from tests.support.intake import World
from tests.support.kits import google_reviews, qualtrics, surveymonkey
from tests.support.kits.kit import Kit
from tests.support.topics import reading
from tests.support.vendors import GRANTED, REFRESH_TOKEN, Vendor, standing_in

TOKENS = {
    "surveymonkey": "an access token",
    "qualtrics": "an API token",
    "google_reviews": f"client&secret&{REFRESH_TOKEN}",
}
DETAILS = "/v3/surveys/105724755/responses/{}/details"
RESPONSE = "/API/v3/surveys/SV_a1B2c3D4e5F6g7H/responses/{}"
REVIEW = "/v4/accounts/1100/locations/2200/reviews/{}"


@dataclass
class Asking:
    """Intake with a source of each vendor, and the servers that stand in for them."""

    world: World
    surveymonkey: Vendor
    qualtrics: Vendor
    google_reviews: Vendor


@pytest.fixture
async def asking(world: World, tmp_path: Path) -> AsyncIterator[Asking]:
    kits = (surveymonkey.KIT, qualtrics.KIT, google_reviews.KIT)
    vendors = {
        "surveymonkey": Vendor({"authorization": "Bearer an access token"}),
        "qualtrics": Vendor({"x-api-token": "an API token"}),
        "google_reviews": Vendor({"authorization": f"Bearer {GRANTED}"}),
    }
    async with AsyncExitStack() as stack:
        sources = {}
        for kit in kits:
            vendor = await stack.enter_async_context(standing_in(vendors[kit.vendor]))
            sources[kit.vendor] = {"vendor": kit.vendor, **kit.options, "api": vendor.address}
        google = vendors["google_reviews"]
        sources["google_reviews"] |= {"grant": f"{google.address}/token", "keys": f"{google.address}/certs"}
        google.open["/certs"] = google_reviews.KIT.secret.encode()
        world.decided(tmp_path, json.dumps({"sources": sources}))
        secrets = {f"default/{kit.vendor}": kit.secret for kit in kits if kit is not google_reviews.KIT}
        tokens = {f"default/{name}": token for name, token in TOKENS.items()}
        world.settings = world.settings.model_copy(
            update={"source_secrets": SecretStr(json.dumps(secrets)), "source_tokens": SecretStr(json.dumps(tokens))}
        )
        yield Asking(world, **vendors)


async def call(client: AsyncClient, kit: Kit, name: str) -> Any:  # a response
    made = kit.call(kit.recorded[name])
    return await client.post(f"/v1/sources/default/{kit.vendor}", content=made.body, headers=dict(made.headers))


async def test_a_response_of_surveymonkey_is_fetched_changed_and_taken_back(asking: Asking) -> None:
    path = DETAILS.format("5007154402")
    async with hosted(asking.world.intake()) as client:
        for name in ("completed", "changed", "deleted"):
            asking.surveymonkey.answers[path] = surveymonkey.KIT.api.get(name, b"")
            assert (await call(client, surveymonkey.KIT, name)).json() == {"accepted": 1, "kept": 0}
        first, then, last = await asking.world.answers(3)
    assert asking.surveymonkey.asked == [path, path]
    assert (first.score, then.score, last.op) == (9, 7, "retracted")
    assert {one.response_id for one in (first, then, last)} == {"surveymonkey:5007154402"}
    assert first.revision < then.revision < last.revision
    assert (await asking.world.opened(first)).comment == "Delivered a day early, děkuji."


async def test_a_copy_of_a_call_fetches_the_same_answer_and_is_no_other(asking: Asking) -> None:
    asking.qualtrics.answers[RESPONSE.format("R_1a2B3c4D5e6F7g8")] = qualtrics.KIT.api["completed"]
    async with hosted(asking.world.intake()) as client:
        for _ in range(2):
            assert (await call(client, qualtrics.KIT, "completed")).json() == {"accepted": 1, "kept": 0}
        one, two = await asking.world.answers(2)
    assert (one.score, one.segments) == (9, {"country": "FI"})
    assert (one.response_id, one.revision, one.digest) == (two.response_id, two.revision, two.digest)


async def test_a_review_of_google_is_fetched_with_a_token_that_is_exchanged_first(asking: Asking) -> None:
    asking.google_reviews.answers[REVIEW.format("AbFvOq_-1")] = google_reviews.KIT.api["written"]
    async with hosted(asking.world.intake()) as client:
        assert (await call(client, google_reviews.KIT, "written")).status_code == 202
        assert (await call(client, google_reviews.KIT, "another_kind")).json() == {"accepted": 0, "kept": 0}
        (review,) = await asking.world.answers(1)
    assert (review.metric, review.rating, review.score, review.channel) == ("review", 2, None, "review_site")
    assert (asking.google_reviews.granted, asking.google_reviews.asked) == (1, ["/certs", REVIEW.format("AbFvOq_-1")])


async def test_while_the_vendor_is_away_nothing_is_let_in_and_it_is_to_call_again(asking: Asking) -> None:
    asking.surveymonkey.answers[DETAILS.format("5007154402")] = surveymonkey.KIT.api["completed"]
    asking.surveymonkey.failing = [503, 429]
    async with hosted(asking.world.intake()) as client:
        told = [await call(client, surveymonkey.KIT, "completed") for _ in range(3)]
        (answer,) = await asking.world.answers(1)
        metrics = (await client.get("/metrics")).text
    assert [one.status_code for one in told] == [503, 503, 202]
    assert all("retry-after" in one.headers for one in told[:2])
    assert told[0].headers["content-type"] == "application/problem+json"
    assert answer.score == 9
    assert 'nps_webhook_calls_total{outcome="unavailable",source="surveymonkey"} 2' in metrics


async def test_a_token_that_does_not_open_the_api_is_ours_to_mend_and_nothing_is_lost(asking: Asking) -> None:
    asking.qualtrics.answers[RESPONSE.format("R_1a2B3c4D5e6F7g8")] = qualtrics.KIT.api["completed"]
    asking.qualtrics.headers = {"x-api-token": "another"}
    async with hosted(asking.world.intake()) as client:
        refused = await call(client, qualtrics.KIT, "completed")
        asking.qualtrics.headers = {}
        taken = await call(client, qualtrics.KIT, "completed")
        await asking.world.answers(1)
    assert (refused.status_code, "retry-after" in refused.headers, taken.status_code) == (503, True, 202)


async def test_an_answer_that_is_gone_is_kept_as_the_call_that_named_it(asking: Asking) -> None:
    async with hosted(asking.world.intake()) as client:
        told = await call(client, surveymonkey.KIT, "completed")
        async with reading(asking.world.frame.kafka, f"{CALLS}.dlq") as reader:
            (raw,) = await reader.count(1)
    assert told.json() == {
        "accepted": 0,
        "kept": 1,
        "errors": [{"field": "answer", "reason": "the vendor has it no more (404)"}],
    }
    letter = await read_letter(raw, asking.world.keyring)
    assert letter.value == surveymonkey.KIT.recorded["completed"]


async def test_an_answer_that_is_not_as_the_vendor_describes_it_is_kept(asking: Asking) -> None:
    asking.surveymonkey.answers[DETAILS.format("5007154402")] = b"<html>"
    async with hosted(asking.world.intake()) as client:
        told = await call(client, surveymonkey.KIT, "completed")
    assert (told.status_code, told.json()["kept"]) == (202, 1)
    assert told.json()["errors"][0]["reason"].startswith("not JSON")


async def test_nobody_is_asked_for_a_call_that_is_not_believed(asking: Asking) -> None:
    async with hosted(asking.world.intake()) as client:
        forged = await client.post("/v1/sources/default/surveymonkey", content=surveymonkey.KIT.recorded["completed"])
    assert (forged.status_code, asking.surveymonkey.asked) == (401, [])


async def test_while_the_keys_cannot_be_had_nobody_is_believed_and_nobody_is_refused(asking: Asking) -> None:
    keys = asking.google_reviews.open.pop("/certs")
    asking.google_reviews.answers[REVIEW.format("AbFvOq_-1")] = google_reviews.KIT.api["written"]
    async with hosted(asking.world.intake()) as client:
        away = await call(client, google_reviews.KIT, "written")
        asking.google_reviews.open["/certs"] = keys
        taken = await call(client, google_reviews.KIT, "written")
        forged = await client.post("/v1/sources/default/google_reviews", content=b"{}")
    assert (away.status_code, taken.status_code, forged.status_code) == (503, 202, 401)
