"""Forms on a real Kafka: one answer a link, whoever follows it, however often it is sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import select

from schemas.response import Response
from schemas.topics import RESPONSES
from services.chassis.failures import Transient
from services.chassis.keyring import keyring_url
from services.chassis.keyring.tables import SECRETS
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url
from services.intake.forms.making import FORM, ROW, Made, open_maker
from services.intake.forms.sql_answers import SqlAnswers
from services.intake.forms.words import SPOKEN, Spoken, shipped
from services.intake.tables import FORM_ANSWERS
from tests.support.forged_links import forgeries
from tests.support.intake import World
from tests.support.topics import reading

ASKED: dict[str, Any] = {
    "customer_id": "C-1",
    "email": "olga@example.org",
    "touchpoint": "support",
    "segments": {"plan": "pro"},
}


@dataclass
class Asking:
    """Intake answering without its loops, and links to its forms."""

    client: AsyncClient
    world: World

    async def link(self, *, many: bool = False, **asked: Any) -> str:
        """The path of a form."""
        return (await self.made(many=many, **asked)).form.partition("127.0.0.1:0")[2]

    async def made(self, *, many: bool = False, **asked: Any) -> Made:
        """A link that holds for a day."""
        world = self.world
        ends = world.clock.now() + timedelta(days=1)
        async with open_maker(world.settings, world.business, world.clock, "default", lambda: uuid4().hex) as maker:
            return maker.make({} if many and not asked else asked or ASKED, ends, many=many)

    async def press(self, path: str, **fields: object) -> Any:  # a response
        """The button of a form."""
        return await self.client.post(path, data={name: str(value) for name, value in fields.items()})

    async def said(self) -> list[Response]:
        """Everything on the topic of answers, in its order."""
        async with reading(self.world.frame.kafka, RESPONSES.name) as reader:
            return [RESPONSES.decode(raw.headers, raw.value) for raw in await reader.to_end()]


@pytest.fixture
async def asking(world: World) -> AsyncIterator[Asking]:
    async with (
        world.intake() as assembly,
        AsyncClient(transport=ASGITransport(assembly.web), base_url="http://forms.example") as client,
    ):
        yield Asking(client, world)


async def test_an_answer_carries_what_its_link_knows(asking: Asking) -> None:
    path = await asking.link(**ASKED, channel="phone", survey_id="spring", language="fi", agent={"id": "anna"})
    assert (await asking.press(path, score=0, comment="slow\r\nvery")).status_code == 303
    number, text = await asking.said()
    assert (number.op, number.score, number.channel, number.source) == ("submitted", 0, "phone", "nps-form")
    assert (number.touchpoint, number.survey_id, number.language) == ("support", "spring", "fi")
    assert number.segments == {"plan": "pro", "touchpoint": "support", "agent": "anna"}
    assert (number.solicited, number.history, number.test) == (True, False, False)
    assert (text.op, text.response_id, text.subject) == ("commented", number.response_id, number.subject)
    person, why = await asking.world.opened(number), await asking.world.opened(text)
    assert (person.customer_id, person.email, why.comment) == ("C-1", "olga@example.org", "slow\nvery")


async def test_pressing_twice_reloading_and_sending_again_say_thank_you_and_count_once(asking: Asking) -> None:
    path = await asking.link()
    for _ in range(3):
        told = await asking.press(path, score=8)
        assert told.status_code == 303
        page = await asking.client.get(told.url.join(told.headers["location"]))
        assert (page.status_code, "Thank you" in page.text, "8 out of 10" in page.text) == (200, True, True)
    assert [(one.op, one.score) for one in await asking.said()] == [("submitted", 8)]


async def test_thirty_presses_at_once_are_one_answer(asking: Asking) -> None:
    path = await asking.link()
    told = await asyncio.gather(*(asking.press(path, score=7, comment="fine") for _ in range(30)))
    assert {one.status_code for one in told} == {303}
    said = await asking.said()
    assert len({(one.response_id, one.op, one.revision, one.digest) for one in said}) == 2
    assert {one.op for one in said} == {"submitted", "commented"}


async def test_different_presses_at_once_are_versions_of_one_answer(asking: Asking) -> None:
    path = await asking.link()
    await asyncio.gather(*(asking.press(path, score=score) for score in range(11)))
    said = await asking.said()
    assert {one.response_id for one in said} == {said[0].response_id}
    assert min(said, key=lambda one: one.revision).op == "submitted"
    by_revision: dict[int, set[int | None]] = {}
    for one in said:
        by_revision.setdefault(one.revision, set()).add(one.score)
    assert all(len(scores) == 1 for scores in by_revision.values())
    page = await asking.client.get(path)
    assert f"{max(said, key=lambda one: one.revision).score} out of 10" in page.text


async def test_another_answer_on_the_same_link_is_an_update_of_it(asking: Asking) -> None:
    path = await asking.link()
    await asking.press(path, score=8)
    asking.world.clock.advance(hours=1)
    assert 'value="8" required checked' in (await asking.client.get(f"{path}?change")).text
    await asking.press(path, score=3)
    first, second = await asking.said()
    assert (first.op, second.op, second.score) == ("submitted", "updated", 3)
    assert second.revision > first.revision
    assert second.response_id == first.response_id
    assert second.answered_at == first.answered_at


async def test_a_comment_that_comes_later_belongs_to_the_same_answer_and_stays(asking: Asking) -> None:
    path = await asking.link()
    await asking.press(path, score=8)
    assert "<textarea" in (await asking.client.get(path)).text
    assert (await asking.press(path, comment="quick")).status_code == 303
    assert "<textarea" not in (await asking.client.get(path)).text
    asking.world.clock.advance(hours=1)
    await asking.press(path, score=3, comment="")
    said = await asking.said()
    assert [one.op for one in said] == ["submitted", "commented", "updated"]
    assert (await asking.world.opened(said[1])).comment == "quick"


async def test_scanners_that_follow_every_link_record_nothing(asking: Asking) -> None:
    made = await asking.made(**ASKED)
    form, row = (url.partition("127.0.0.1:0")[2] for url in (made.form, made.row or ""))
    paths = [form, f"{form}?change", *(f"{row}/{score}" for score in range(11))]
    for method in ("GET", "HEAD"):
        told = await asyncio.gather(*(asking.client.request(method, path) for path in paths * 5))
        assert {one.status_code for one in told} == {200}
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"):
        assert (await asking.client.request(method, form)).status_code == 405
        assert (await asking.client.request(method, f"{row}/3")).status_code == 405
    assert (await asking.client.post(f"{row}/3")).status_code == 405
    assert await asking.said() == []
    assert await rows(asking.world) == []
    assert "Thank you" not in (await asking.client.get(form)).text


async def rows(world: World) -> list[Any]:
    """What is remembered of answers behind links."""
    async with open_database(database_url(world.settings, "intake")) as database, database.read() as transaction:
        return list(await transaction.execute(select(FORM_ANSWERS)))


async def test_a_number_in_a_mail_is_chosen_on_the_page_and_confirmed_by_its_button(asking: Asking) -> None:
    form = await asking.link()
    row = form.replace(FORM, ROW)
    page = await asking.client.get(f"{row}/10")
    assert 'value="10" required checked' in page.text
    (action,) = re.findall(r'action="([^"]+)"', page.text)
    told = await asking.client.post(page.url.join(action), data={"score": "10"})
    assert told.status_code == 303
    assert [(one.op, one.score, one.channel) for one in await asking.said()] == [("submitted", 10, "email")]
    assert "Thank you" in (await asking.client.get(f"{row}/10")).text
    assert 'value="2" required checked' in (await asking.client.get(f"{row}/2")).text


async def test_a_number_nobody_can_give_leads_nowhere(asking: Asking) -> None:
    row = (await asking.link()).replace(FORM, ROW)
    for score in ("11", "-1", "x", "1.5", "09", "\N{FULLWIDTH DIGIT ONE}", "%00", "3%0A"):
        assert (await asking.client.get(f"{row}/{score}")).status_code == 404, score


WRONG: Mapping[bytes, str] = {
    b"": "choose a number",
    b"score=": "choose a number",
    b"score=11": "choose a number",
    b"score=-1": "choose a number",
    b"score=7.5": "choose a number",
    b"score=%2B7": "choose a number",
    "score=\N{FULLWIDTH DIGIT SEVEN}".encode(): "choose a number",
    b"comment=why": "choose a number",
    b'{"score": 9}': "choose a number",
    b"\xff\xfe": "choose a number",
    b"&".join(b"score=9" for _ in range(50)): "choose a number",
    b"score=9&comment=" + b"x" * 5_001: "no more than 5000 characters",
}


async def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_taken(asking: Asking) -> None:
    path = await asking.link()
    for body, wrong in WRONG.items():
        told = await asking.client.post(path, content=body)
        assert (told.status_code, told.headers["content-type"]) == (422, "text/html; charset=utf-8")
        assert wrong in told.text, body[:50]
        assert 'aria-describedby="wrong"' in told.text
    assert await asking.said() == []


async def test_a_form_too_large_is_not_read(asking: Asking) -> None:
    assert (await asking.client.post(await asking.link(), content=b"x" * 100_001)).status_code == 413


async def test_what_people_write_is_text_and_never_markup(asking: Asking) -> None:
    path = await asking.link()
    told = await asking.client.post(path, data={"comment": "</textarea><script>alert(1)</script>" + "x" * 5_000})
    assert "<script>" not in told.text
    assert "&lt;script&gt;" in told.text


async def test_an_expired_link_takes_nothing_and_what_it_took_stays(asking: Asking) -> None:
    path = await asking.link()
    await asking.press(path, score=9)
    asking.world.clock.advance(days=1)
    row = f"{path.replace(FORM, ROW)}/3"
    for told in (await asking.press(path, score=1), await asking.client.get(path), await asking.client.get(row)):
        assert (told.status_code, "This link has expired" in told.text) == (410, True)
    assert [one.score for one in await asking.said()] == [9]


async def test_what_was_said_behind_an_expired_link_is_forgotten(asking: Asking) -> None:
    await asking.press(await asking.link(), score=9, comment="Olga was kind")
    (row,) = await rows(asking.world)
    assert "Olga" not in repr(row)
    async with open_database(database_url(asking.world.settings, "intake")) as database:
        answers = SqlAnswers(database)
        assert await answers.forget_old(asking.world.clock.now()) == 0
        assert await answers.forget_old(asking.world.clock.advance(days=1)) == 1


async def test_a_forged_link_is_unknown_and_leaves_no_trace(asking: Asking) -> None:
    for name, forged in forgeries((await asking.link()).removeprefix(FORM)).items():
        told = [
            await asking.client.get(f"{FORM}{forged}"),
            await asking.client.head(f"{FORM}{forged}"),
            await asking.client.get(f"{ROW}{forged}/9"),
            await asking.press(f"{FORM}{forged}", score=9),
        ]
        assert [one.status_code for one in told] == [404] * 4, name
        assert "This link is not one of ours" in told[0].text, name
    assert await asking.said() == []
    async with open_database(keyring_url(asking.world.settings)) as database, database.read() as transaction:
        assert set((await transaction.execute(select(SECRETS.c.tenant))).scalars()) == {"default"}


async def test_a_link_of_many_takes_one_answer_after_the_other(asking: Asking) -> None:
    path = await asking.link(many=True, channel="hotline", agent={"id": "anna", "team": "blue"})
    for score in (9, 9, 2):
        told = await asking.press(path, score=score, comment="said so", once=await fresh(asking, path))
        assert told.headers["location"].endswith("?thanks")
        page = await asking.client.get(f"{path}?thanks")
        assert "Next answer" in page.text
    said = [one for one in await asking.said() if one.op == "submitted"]
    assert sorted((one.score or 0, one.channel, one.segments["team"]) for one in said) == [
        (2, "hotline", "blue"),
        (9, "hotline", "blue"),
        (9, "hotline", "blue"),
    ]
    assert len({one.response_id for one in said}) == 3


async def fresh(asking: Asking, path: str) -> str:
    """The one-time id that a page of a link for many bears."""
    (once,) = re.findall(r'name="once" value="([0-9a-f]{32})"', (await asking.client.get(path)).text)
    return str(once)


async def test_of_many_answers_one_pressed_thirty_times_counts_once(asking: Asking) -> None:
    path = await asking.link(many=True)
    once = await fresh(asking, path)
    told = await asyncio.gather(*(asking.press(path, score=7, once=once) for _ in range(30)))
    assert {one.status_code for one in told} == {303}
    assert len({(one.response_id, one.revision, one.digest) for one in await asking.said()}) == 1


async def test_of_many_answers_going_back_and_sending_another_is_refused(asking: Asking) -> None:
    path = await asking.link(many=True)
    once = await fresh(asking, path)
    await asking.press(path, score=7, once=once)
    told = await asking.press(path, score=2, once=once)
    assert (told.status_code, "already been sent" in told.text) == (409, True)
    assert [one.score for one in await asking.said()] == [7]


async def test_of_many_answers_one_without_a_one_time_id_is_asked_for_again(asking: Asking) -> None:
    path = await asking.link(many=True)
    for once in ("", "x", "0" * 31, "0" * 33, "G" * 32):
        assert (await asking.press(path, score=7, once=once)).status_code == 422
    assert await asking.said() == []


async def test_a_number_in_a_mail_never_belongs_to_a_link_for_many(asking: Asking) -> None:
    path = (await asking.link(many=True)).replace(FORM, ROW)
    assert (await asking.client.get(f"{path}/9")).status_code == 404


async def test_while_nothing_can_be_accepted_the_form_says_so_and_the_next_press_counts(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await asking.link()

    async def away(*_: object) -> None:
        raise Transient("kafka is away")

    with monkeypatch.context() as patched:
        patched.setattr("services.chassis.publishing.Publisher.publish", away)
        told = await asking.press(path, score=8, comment="slow")
    assert (told.status_code, "Retry-After" in told.headers) == (503, True)
    assert "<textarea" in (await asking.client.get(path)).text
    assert await asking.said() == []
    assert (await asking.press(path, score=8, comment="slow")).status_code == 303
    assert [one.op for one in await asking.said()] == ["submitted", "commented"]


TROUBLE: Mapping[str, int] = {"expired": 410, "unknown": 404, "taken": 409, "unavailable": 503}


@pytest.mark.parametrize("language", SPOKEN)
async def test_every_page_speaks_every_language(
    asking: Asking, language: Spoken, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shipped()[language]
    client, reads = asking.client, {"Accept-Language": f"de;q=0.9, {language};q=0.5"}
    client.headers.update(reads)
    path, many = await asking.link(), await asking.link(many=True)
    pages = {words.question_us: await client.get(path), words.choose: await asking.press(path)}
    await asking.press(path, score=9)
    pages[words.thanks] = await client.get(path)
    once = await fresh(asking, many)
    await asking.press(many, score=1, once=once)
    pages[words.next] = await client.get(f"{many}?thanks")
    troubles = {"unknown": await client.get(f"{FORM}x"), "taken": await asking.press(many, score=2, once=once)}

    async def away(*_: object) -> None:
        raise Transient("kafka is away")

    with monkeypatch.context() as patched:
        patched.setattr("services.chassis.publishing.Publisher.publish", away)
        troubles["unavailable"] = await asking.press(path, score=0)
    asking.world.clock.advance(days=1)
    troubles["expired"] = await client.get(path)
    for text, page in pages.items():
        assert text in page.text
    for kind, page in troubles.items():
        assert page.status_code == TROUBLE[kind]
        assert getattr(words, f"{kind}_title") in page.text
    for page in (*pages.values(), *troubles.values()):
        assert f'<html lang="{words.tag}">' in page.text


async def test_the_language_is_the_links_else_the_browsers_else_the_tenants(asking: Asking) -> None:
    plain, named = await asking.link(), await asking.link(**ASKED, language="pl-PL")
    reads = {"Accept-Language": "fi"}
    assert 'lang="pl"' in (await asking.client.get(named, headers=reads)).text
    assert 'lang="fi"' in (await asking.client.get(plain, headers=reads)).text
    assert 'lang="en"' in (await asking.client.get(plain, headers={"Accept-Language": "de"})).text


async def test_a_business_says_its_brand_and_its_language(world: World, tmp_path: Path) -> None:
    world.decided(tmp_path, "{forms: {brand: Kettle & Co, language: cs}}")
    async with (
        world.intake() as assembly,
        AsyncClient(transport=ASGITransport(assembly.web), base_url="http://forms.example") as client,
    ):
        page = await client.get(await Asking(client, world).link())
    assert "byste Kettle &amp; Co doporučili" in page.text
    assert 'lang="cs"' in page.text


async def test_pages_are_light_and_load_and_tell_nothing_elsewhere(asking: Asking) -> None:
    made = await asking.made(**ASKED)
    for url in (made.form, f"{made.row}/9"):
        page = await asking.client.get(url.partition("127.0.0.1:0")[2])
        assert len(page.content) < 15_000
        assert re.findall(r'(?:src|href)="(?!data:)([^"]*)"', page.text) == []
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
