"""Conversations on a real Kafka and a real database: with telephones through Twilio, and with bots over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import select

from schemas.consent import Consent
from schemas.topics import CONSENTS, RESPONSES
from services.chassis.keyring import Identity
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url
from services.intake.app import intake
from services.intake.conversations.texts import worded
from services.intake.tables import CONVERSATION_MESSAGES, CONVERSATIONS
from tests.support.hosting import hosted
from tests.support.intake import World
from tests.support.topics import eventually, reading
from tests.support.twilio_sandbox import ACCOUNT, NUMBER, TwilioSandbox, secrets, twilio_sandbox

NAME = "Example Shop"
PHONE = "+420601123456"
SECTION = f"""
      conversations: {{name: {NAME}, language: cs}}
      sources:
        sms:
          vendor: twilio
          account_sid: {ACCOUNT}
          sender: '{NUMBER}'
          question_templates: {{en: HX{"0" * 32}}}
          segments: {{region: north}}
"""
SPOKEN = {
    "en": ("I'd say nine", 9, "You were quick", "why_promoter"),
    "cs": ("Dávám desítku!", 10, "Rychlé dodání", "why_promoter"),
    "pl": ("ósemkę", 8, "Trochę drogo", "why_passive"),
    "fi": ("seiska", 7, "Toimitus kesti", "why_passive"),
    "ru": ("тройка", 3, "Долго ждал ответа", "why_detractor"),
    "zh": ("九分", 9, "送货很快", "why_promoter"),
}


@pytest.fixture
async def twilio() -> AsyncIterator[TwilioSandbox]:
    async with twilio_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def talking(world: World, twilio: TwilioSandbox, tmp_path: Path) -> World:
    world.decided(tmp_path, SECTION)
    world.settings = world.settings.model_copy(
        update={"source_secrets": SecretStr(secrets("default/sms")), "twilio_url": twilio.url}
    )
    return world


async def start(client: AsyncClient, world: World, **asked: Any) -> Any:  # a response
    body = {"channel": "sms", "phone": PHONE, "language": "en"} | asked
    return await client.post("/v1/conversations", json=body, headers=world.auth)


async def start_bot(client: AsyncClient, world: World, **asked: Any) -> Any:  # a response
    body = {"channel": "chatbot", "session": "s-1", "language": "en"} | asked
    return await client.post("/v1/conversations", json=body, headers=world.auth)


async def said(client: AsyncClient, world: World, text: str, session: str = "s-1", **more: str) -> Any:  # a response
    path = f"/v1/conversations/{session}/messages"
    return await client.post(path, json={"text": text, **more}, headers=world.auth)


async def consents(world: World, number: int) -> list[Consent]:
    async with reading(world.frame.kafka, CONSENTS.name) as reader:
        return [CONSENTS.decode(raw.headers, raw.value) for raw in await reader.count(number)]


async def rows(world: World) -> list[Any]:
    """Everything there is in SQL of conversations."""
    async with open_database(database_url(world.settings, "intake")) as database, database.read() as transaction:
        found = [*await transaction.execute(select(CONVERSATIONS))]
        return [*found, *await transaction.execute(select(CONVERSATION_MESSAGES))]


async def until(world: World, state: str) -> None:
    """Returns once the one conversation there is has come into a state."""
    async with asyncio.timeout(60):
        while [row.state for row in await rows(world)] != [state]:
            await asyncio.sleep(0.05)


def line(name: Any, language: str = "en", medium: Any = "sms") -> str:
    return worded(name, language, NAME, medium)


@pytest.mark.parametrize("language", SPOKEN)
async def test_the_whole_survey_by_text_in_every_language(talking: World, twilio: TwilioSandbox, language: str) -> None:
    score_words, score, why, why_line = SPOKEN[language]
    async with hosted(talking.intake()) as client:
        started = await start(client, talking, language=language, customer_id="C-1", touchpoint="delivery")
        await twilio.says(client, PHONE, "???")
        await twilio.says(client, PHONE, score_words)
        await twilio.says(client, PHONE, why)
        answer, comment = await talking.answers(2)
    assert (started.status_code, started.json()["sent"]) == (202, "accepted")
    assert twilio.to(PHONE) == [line(name, language) for name in ("question", "again", why_line, "thanks")]
    assert (answer.op, answer.score, answer.channel, answer.language) == ("submitted", score, "sms", language)
    assert (answer.source, answer.touchpoint) == ("sms", "delivery")
    assert answer.segments == {"region": "north", "touchpoint": "delivery"}
    assert answer.response_id == comment.response_id == started.json()["conversation_id"]
    assert comment.op == "commented"
    assert comment.subject == answer.subject
    assert (await talking.opened(comment)).comment == why
    assert (await talking.opened(answer)).customer_id == "C-1"


async def test_nothing_that_was_said_and_no_number_is_kept_in_sql(talking: World, twilio: TwilioSandbox) -> None:
    async with hosted(talking.intake()) as client:
        await start(client, talking, customer_id="C-1", name="Somebody")
        await twilio.says(client, PHONE, "9")
        await twilio.says(client, PHONE, "You were quick")
    kept = " ".join(str(row) for row in await rows(talking))
    assert "default" in kept
    for word in (PHONE, PHONE.removeprefix("+"), "quick", "Somebody", "C-1"):
        assert word not in kept


async def test_stop_is_an_opt_out_from_surveys_and_mail_and_nobody_is_asked_again(
    talking: World, twilio: TwilioSandbox
) -> None:
    async with hosted(talking.intake()) as client:
        await start(client, talking, language="cs")
        await twilio.says(client, PHONE, "Odhlásit")
        await twilio.says(client, PHONE, "9")
        again = await start(client, talking)
        gone = await consents(talking, 2)
    assert twilio.to(PHONE) == [line("question", "cs"), line("stopped", "cs")]
    identified = await talking.keyring.identify("default", Identity(phone=PHONE))
    assert identified
    assert {(one.subject, one.purpose, one.granted, one.source) for one in gone} == {
        (identified.subject, "survey", False, "sms"),
        (identified.subject, "mail", False, "sms"),
    }
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")


async def test_who_allows_it_again_may_be_asked_again(talking: World, twilio: TwilioSandbox) -> None:
    async with hosted(talking.intake()) as client:
        await twilio.says(client, PHONE, "STOP")
        allowed = {"purpose": "survey", "granted": True, "phone": PHONE}
        assert (await client.post("/v1/consents", json=allowed, headers=talking.auth)).status_code == 202
        again = await start(client, talking)
    assert (again.status_code, again.json()["new"]) == (202, True)


async def test_twilio_confirms_the_english_words_itself(talking: World, twilio: TwilioSandbox) -> None:
    async with hosted(talking.intake()) as client:
        await start(client, talking)
        await twilio.says(client, PHONE, "STOP")
        assert len(await consents(talking, 2)) == 2
    assert twilio.to(PHONE) == [line("question")]


async def test_who_stops_before_being_asked_is_never_asked(talking: World, twilio: TwilioSandbox) -> None:
    async with hosted(talking.intake()) as client:
        silent = await twilio.says(client, PHONE, "退订")
        unknown = await twilio.says(client, "+420601999888", "hello")
        ended = await twilio.says(client, "+420601777666", "whatever they say there", OptOutType="STOP")
        refused = [(await start(client, talking, phone=phone)).status_code for phone in (PHONE, "+420601777666")]
        assert len(await consents(talking, 4)) == 4
    assert refused == [409, 409]
    assert [one.status_code for one in (silent, unknown, ended)] == [200, 200, 200]
    assert twilio.texts == []


async def test_a_message_that_comes_again_is_heard_once_and_answered_alike(
    talking: World, twilio: TwilioSandbox
) -> None:
    async with hosted(talking.intake()) as client:
        await start(client, talking)
        first = await twilio.says(client, PHONE, "9", MessageSid="SM1")
        again = await twilio.says(client, PHONE, "9", MessageSid="SM1")
        await twilio.says(client, PHONE, "quick", MessageSid="SM2")
        answer, comment = await talking.answers(2)
    assert first.text == again.text
    assert (answer.op, comment.op) == ("submitted", "commented")


async def test_one_reminder_goes_out_and_no_second_whoever_is_restarted(talking: World, twilio: TwilioSandbox) -> None:
    async with hosted(talking.intake()) as client:
        await start(client, talking)
    talking.clock.advance(hours=24)
    async with hosted(talking.intake()):
        await eventually(lambda: len(twilio.texts) == 2)
    talking.clock.advance(hours=24)
    async with hosted(talking.intake()) as client:
        await twilio.says(client, PHONE, "8")
        (answer,) = await talking.answers(1)
    assert answer.score == 8
    assert twilio.to(PHONE) == [line("question"), line("reminder"), line("why_passive")]


async def test_time_ends_a_conversation_and_a_late_score_still_counts(talking: World, twilio: TwilioSandbox) -> None:
    async with hosted(talking.intake()) as client:
        await start(client, talking)
    talking.clock.advance(hours=73)
    async with hosted(talking.intake()) as client:
        await until(talking, "timed_out")
        await twilio.says(client, PHONE, "9")
        (answer,) = await talking.answers(1)
    assert (answer.score, twilio.to(PHONE)) == (9, [line("question"), line("why_promoter")])


async def test_the_question_goes_out_once_however_often_it_is_asked_for(talking: World, twilio: TwilioSandbox) -> None:
    async with hosted(talking.intake()) as client:
        first = await start(client, talking)
        again = await start(client, talking, phone="+420 601 123 456")
    assert (first.json()["new"], again.json()["new"]) == (True, False)
    assert first.json()["conversation_id"] == again.json()["conversation_id"]
    assert len(twilio.texts) == 1


async def test_what_may_have_gone_out_is_never_sent_again(talking: World, twilio: TwilioSandbox) -> None:
    twilio.fails(502)
    async with hosted(talking.intake()) as client:
        first = await start(client, talking)
        again = await start(client, talking)
        await twilio.says(client, PHONE, "9")
        (answer,) = await talking.answers(1)
    assert (first.json()["sent"], again.json()["new"]) == ("unknown", False)
    assert answer.score == 9
    assert twilio.to(PHONE) == [line("why_promoter")]


async def test_what_surely_did_not_go_out_may_be_tried_again(talking: World, twilio: TwilioSandbox) -> None:
    twilio.fails(429, 20429)
    async with hosted(talking.intake()) as client:
        first = await start(client, talking)
        again = await start(client, talking)
    assert (first.status_code, first.headers["retry-after"]) == (503, "5")
    assert (again.status_code, again.json()["sent"]) == (202, "accepted")


async def test_a_number_that_twilio_refuses_is_a_problem_and_no_conversation(
    talking: World, twilio: TwilioSandbox
) -> None:
    twilio.fails(400, 21211)
    async with hosted(talking.intake()) as client:
        refused = await start(client, talking)
    assert (refused.status_code, refused.json()["detail"]) == (422, "phone: Twilio refuses it: 400 21211")
    assert await rows(talking) == []


async def test_who_told_twilio_to_stop_has_told_us(talking: World, twilio: TwilioSandbox) -> None:
    twilio.fails(400, 21610)
    async with hosted(talking.intake()) as client:
        told = [(await start(client, talking)).status_code for _ in range(2)]
        assert {one.purpose for one in await consents(talking, 2)} == {"survey", "mail"}
    assert told == [409, 409]
    assert twilio.texts == []


async def test_whatsapp_is_asked_with_its_template_and_answered_in_its_own_way(
    talking: World, twilio: TwilioSandbox
) -> None:
    async with hosted(talking.intake()) as client:
        await start(client, talking, channel="whatsapp")
        await twilio.says(client, f"whatsapp:{PHONE}", "🔟")
        (answer,) = await talking.answers(1)
    question, reply = twilio.texts
    assert (question["To"], question["From"]) == (f"whatsapp:{PHONE}", f"whatsapp:{NUMBER}")
    assert (question["ContentSid"], question["ContentVariables"]) == (f"HX{'0' * 32}", f'{{"1": "{NAME}"}}')
    assert reply["Body"] == line("why_promoter")
    assert (answer.score, answer.channel) == (10, "sms")


async def test_a_call_that_twilio_did_not_sign_is_refused(talking: World, twilio: TwilioSandbox) -> None:
    async with hosted(talking.intake()) as client:
        forged = await client.post(
            "/v1/sources/default/sms",
            content=b"From=%2B420601123456&Body=STOP",
            headers={"x-twilio-signature": "bm8="},
        )
        no_phone = await twilio.call(client, {"From": "somebody", "Body": "9"})
    assert forged.status_code == 401
    assert no_phone.json()["errors"] == [{"field": "From", "reason": "no telephone number"}]


@pytest.mark.parametrize("channel", ["chatbot", "voicebot"])
async def test_a_bot_is_told_what_to_say(talking: World, channel: str) -> None:
    async with hosted(talking.intake()) as client:
        started = await start_bot(client, talking, channel=channel, customer_id="C-2")
        told = [(await said(client, talking, text)).json() for text in ("uh", "seven", "sorry, eight", "Too slow")]
        first, corrected, comment = await talking.answers(3)
    assert started.json()["say"] == line("question", medium=channel)
    assert started.json()["sent"] is None
    assert told == [
        {"say": line("again"), "over": False},
        {"say": line("why_passive"), "over": False},
        {"say": line("why_passive"), "over": False},
        {"say": line("thanks"), "over": True},
    ]
    assert [(one.op, one.score) for one in (first, corrected, comment)] == [
        ("submitted", 7),
        ("updated", 8),
        ("commented", None),
    ]
    assert corrected.revision > first.revision
    assert {one.channel for one in (first, corrected, comment)} == {channel}
    assert len({one.response_id for one in (first, corrected, comment)}) == 1


async def test_the_same_message_ten_times_at_once_is_one_answer(talking: World) -> None:
    async with hosted(talking.intake()) as client:
        await start_bot(client, talking)
        told = await asyncio.gather(*(said(client, talking, "9", message_id="m-1") for _ in range(10)))
        await said(client, talking, "Quick", message_id="m-2")
        async with reading(talking.frame.kafka, RESPONSES.name) as reader:
            records = await reader.until(lambda raws: any(b'"commented"' in (raw.value or b"") for raw in raws))
    found = [RESPONSES.decode(raw.headers, raw.value) for raw in records]
    assert {one.text for one in told} == {told[0].text}
    assert len({(one.response_id, one.revision, one.digest) for one in found if one.op != "commented"}) == 1
    assert [one.op for one in found].count("commented") == 1


async def test_a_reason_that_comes_with_the_score_is_one_answer(talking: World) -> None:
    async with hosted(talking.intake()) as client:
        await start_bot(client, talking)
        told = (await said(client, talking, "9 because you were quick")).json()
        (answer,) = await talking.answers(1)
    assert told == {"say": line("thanks"), "over": True}
    assert (answer.score, (await talking.opened(answer)).comment) == (9, "9 because you were quick")


async def test_who_says_stop_to_a_bot_is_asked_no_more(talking: World) -> None:
    async with hosted(talking.intake()) as client:
        await start_bot(client, talking, customer_id="C-2")
        told = (await said(client, talking, "stop")).json()
        gone = await consents(talking, 2)
    assert told == {"say": line("stopped"), "over": True}
    identified = await talking.keyring.identify("default", Identity(customer_id="C-2"))
    assert identified
    assert {one.subject for one in gone} == {identified.subject}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"phone": None}, "phone"),
        ({"phone": "601 123 456"}, "phone"),
        ({"phone": "+4201"}, "phone"),
        ({"channel": "fax"}, "channel"),
        ({"channel": "chatbot"}, "session"),
        ({"session": "s"}, "session"),
        ({"source": "nobody"}, "source"),
        ({"segments": {"all": "x"}}, "segments.all"),
        ({"langauge": "en"}, "langauge"),
    ],
)
async def test_bad_input_is_a_problem_that_names_the_field(talking: World, asked: dict[str, Any], field: str) -> None:
    async with (
        talking.intake() as assembly,
        AsyncClient(transport=ASGITransport(assembly.web), base_url="http://service") as client,
    ):
        told = await start(client, talking, **asked)
    assert (told.status_code, told.headers["content-type"]) == (422, "application/problem+json")
    assert field in [error["field"] for error in told.json()["errors"]]


async def test_without_a_key_or_a_conversation_nothing_is_said(talking: World) -> None:
    async with hosted(talking.intake()) as client:
        stranger = await client.post("/v1/conversations", json={"channel": "chatbot", "session": "s"})
        nobody = await said(client, talking, "9", session="unknown")
    assert (stranger.status_code, nobody.status_code) == (401, 404)


async def test_a_tenant_whose_business_file_has_no_conversations_is_told_so(world: World, tmp_path: Path) -> None:
    async with hosted(intake(world.settings, world.business, world.clock)) as client:
        told = await start_bot(client, world)
    assert (told.status_code, told.json()["errors"][0]["field"]) == (422, "tenant")
