"""The mail sandbox over HTTP: its API as SendGrid's, its own API, and its inbox."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response

from infra.sandbox.sendgrid import mailbox
from infra.sandbox.sendgrid.app import open_app
from infra.sandbox.sendgrid.settings import SendGridSandboxSettings
from tests.support.clocks import ManualClock

KEY = {"Authorization": "Bearer SG.test"}
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'

Json = dict[str, Any]  # JSON of any shape


@asynccontextmanager
async def sandbox(folder: Path, **given: Any) -> AsyncIterator[AsyncClient]:  # values of settings
    settings = SendGridSandboxSettings(state_dir=folder, **given)
    async with (
        open_app(settings, ManualClock()) as app,
        AsyncClient(transport=ASGITransport(app), base_url="http://sandbox") as client,
    ):
        yield client


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    async with sandbox(tmp_path) as client:
        yield client


def a_mail(recipient: str = "ada@example.org", delivery: str = "d-1", **given: Any) -> Json:  # JSON
    kind, tenant = given.pop("kind", "perk"), given.pop("tenant", "default")
    return {
        "from": {"email": "hello@acme.example", "name": "Acme"},
        "subject": "Thank you",
        "personalizations": [{"to": [{"email": recipient}]}],
        "content": [{"type": "text/plain", "value": "plain words"}, {"type": "text/html", "value": "<p>words</p>"}],
        "custom_args": {"delivery_id": delivery, "tenant": tenant},
        "categories": [kind],
    } | given


async def send(client: AsyncClient, *mails: Json) -> Response:
    for mail in mails:
        answer = await client.post("/v3/mail/send", json=mail, headers=KEY)
    return answer


async def test_a_mail_is_answered_with_202_an_id_and_nothing_else(inbox: AsyncClient) -> None:
    answer = await send(inbox, a_mail())
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["X-Message-Id"]
    assert answer.headers["X-RateLimit-Remaining"] == str(int(answer.headers["X-RateLimit-Limit"]) - 1)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic SG.test"}])
async def test_without_a_key_it_answers_401(inbox: AsyncClient, headers: dict[str, str]) -> None:
    answer = await inbox.post("/v3/mail/send", json=a_mail(), headers=headers)
    assert (answer.status_code, list(answer.json())) == (401, ["errors"])


async def test_where_a_key_is_set_no_other_will_do(tmp_path: Path) -> None:
    async with sandbox(tmp_path, sandbox_sendgrid_key="SG.other") as client:
        assert (await send(client, a_mail())).status_code == 401


async def test_what_it_does_not_take_it_says_field_by_field(inbox: AsyncClient) -> None:
    answer = await send(inbox, a_mail("nowhere"))
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["field"], error["message"]) == (
        "personalizations.0.to.0.email",
        "Does not contain a valid address.",
    )
    text = await inbox.post("/v3/mail/send", content=json.dumps(a_mail()), headers=KEY | {"Content-Type": "text/plain"})
    assert text.status_code == 415


@pytest.mark.parametrize(("fault", "status"), [("400", 400), ("401", 401), ("429", 429), ("500", 500), ("503", 503)])
async def test_faults_that_answer_take_no_mail(inbox: AsyncClient, fault: str, status: int) -> None:
    await inbox.put("/sandbox/behaviour", json={"faults": [{"fault": fault, "times": 1}]})
    answer = await send(inbox, a_mail())
    assert answer.status_code == status
    assert "errors" in answer.json()
    assert (await inbox.get("/sandbox/counts")).json()["mails"] == 0


async def test_mails_can_be_listed_by_tenant_kind_recipient_and_delivery_and_paged(inbox: AsyncClient) -> None:
    await send(
        inbox,
        a_mail("ada@example.org", "d-1"),
        a_mail("bob@example.org", "d-2", kind="offer"),
        a_mail("a%b_@example.org", "d-3", tenant="demo-1"),
    )

    async def listed(**query: Any) -> list[str]:  # of any type
        found = (await inbox.get("/sandbox/mails", params=query)).json()["mails"]
        return [mail["recipient"].partition("@")[0] for mail in found]

    assert await listed() == ["a%b_", "bob", "ada"]
    assert await listed(tenant="demo-1") == ["a%b_"]
    assert await listed(kind="offer") == ["bob"]
    assert await listed(recipient="%") == ["a%b_"]
    assert await listed(delivery_id="d-1") == ["ada"]
    assert await listed(limit=2) == ["a%b_", "bob"]
    assert await listed(before=2) == ["ada"]
    assert (await inbox.get("/sandbox/mails", params={"limit": "many"})).status_code == 422
    assert (await inbox.get("/sandbox/mails", params={"kinds": "offer"})).status_code == 422


async def test_counts_tell_kinds_and_deliveries_that_came_twice(inbox: AsyncClient) -> None:
    await send(inbox, a_mail(delivery="d-1"), a_mail(delivery="d-1"), a_mail(delivery="d-2", kind="offer"))
    counts = (await inbox.get("/sandbox/counts")).json()
    assert counts == {
        "mails": 3,
        "by_kind": {"perk": 2, "offer": 1},
        "duplicates": 1,
        "answered": {"202": 3},
        "too_early": 0,
    }
    assert (await inbox.get("/sandbox/duplicates")).json() == {"d-1": 2}


async def test_what_it_has_taken_survives_a_restart_until_it_is_reset(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as client:
        await send(client, a_mail())
    async with sandbox(tmp_path) as client:
        assert (await client.get("/sandbox/counts")).json()["mails"] == 1
        assert (await client.post("/sandbox/reset")).status_code == 204
        assert (await client.get("/sandbox/counts")).json()["mails"] == 0


async def test_it_keeps_the_newest_mails_and_no_more(inbox: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "KEPT", 5)
    monkeypatch.setattr(mailbox, "TRIMMED_EVERY", 10)
    await send(inbox, *[a_mail(f"a{number}@example.org") for number in range(1, 21)])
    mails = (await inbox.get("/sandbox/mails")).json()["mails"]
    assert [mail["number"] for mail in mails] == [20, 19, 18, 17, 16]


async def test_events_are_what_happens_to_mails_and_name_our_ids(inbox: AsyncClient) -> None:
    await send(inbox, a_mail("bounce@example.org"))
    await inbox.post("/sandbox/mails/1/events", json={"event": "spamreport"})
    events = (await inbox.get("/sandbox/events", params={"delivery_id": "d-1"})).json()
    assert [event["event"] for event in events] == ["processed", "bounce", "spamreport"]
    assert {(event["tenant"], event["delivery_id"], event["email"]) for event in events} == {
        ("default", "d-1", "bounce@example.org")
    }
    assert (await inbox.post("/sandbox/mails/1/events", json={"event": "party"})).status_code == 422
    assert (await inbox.post("/sandbox/mails/9/events", json={"event": "open"})).status_code == 404


@pytest.mark.parametrize("view", ["mail", "text", "headers", "events", "other"])
async def test_each_view_of_a_mail_shows_it_and_runs_nothing_of_it(inbox: AsyncClient, view: str) -> None:
    hostile = a_mail(
        "ada@example.org",
        subject=HOSTILE,
        content=[{"type": "text/plain", "value": HOSTILE}, {"type": "text/html", "value": HOSTILE}],
        headers={"X-Hostile": HOSTILE},
        custom_args={"delivery_id": HOSTILE, "tenant": HOSTILE},
        categories=[HOSTILE],
    )
    await send(inbox, hostile)
    page = await inbox.get("/mails/1", params={"view": view})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_a_mail_stands_in_a_frame_that_may_style_itself_and_nothing_else(inbox: AsyncClient) -> None:
    await send(inbox, a_mail(content=[{"type": "text/html", "value": HOSTILE}]))
    page = (await inbox.get("/mails/1")).text
    assert re.search(r'<iframe sandbox src="/mails/1/rendered"', page)
    rendered = await inbox.get("/mails/1/rendered")
    assert rendered.text == HOSTILE
    assert rendered.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'; style-src")


async def test_the_inbox_lists_filters_and_says_when_there_is_nothing(inbox: AsyncClient) -> None:
    assert "No mail yet" in (await inbox.get("/")).text
    await send(inbox, a_mail("ada@example.org"), a_mail("bob@example.org"))
    page = (await inbox.get("/", params={"recipient": "ada"})).text
    assert "ada@example.org" in page
    assert "bob@example.org" not in page
    assert "No mail fits" in (await inbox.get("/", params={"recipient": "nobody"})).text
    assert (await inbox.get("/mails/99")).status_code == 404


async def test_more_mails_than_a_page_holds_are_reached_by_a_link(inbox: AsyncClient) -> None:
    await send(inbox, *[a_mail(f"a{number}@example.org") for number in range(60)])
    link = re.search(r'<p class="more"><a href="([^"]+)"', (await inbox.get("/")).text)
    assert link
    assert "a9@example.org" in (await inbox.get(link.group(1))).text


async def test_buttons_let_things_happen(inbox: AsyncClient) -> None:
    await send(inbox, a_mail())
    answer = await inbox.post("/mails/1/events", data={"event": "bounce"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/mails/1?view=events&note=event")
    assert 'class="state bounce"' in (await inbox.get("/mails/1")).text
    assert (await inbox.post("/mails/1/events", data={"event": "party"})).status_code == 422
    assert (await inbox.post("/mails/1/one-click")).headers["location"].endswith("note=no-link")


async def test_another_site_presses_no_buttons(inbox: AsyncClient) -> None:
    await send(inbox, a_mail())
    for path in ("/mails/1/events", "/mails/1/one-click"):
        answer = await inbox.post(path, data={"event": "bounce"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403


async def test_off_loopback_pages_ask_for_the_token_and_sending_for_its_key_alone(tmp_path: Path) -> None:
    async with sandbox(tmp_path, http_host="0.0.0.0", access_token="a-token-of-16-or-more") as client:  # noqa: S104 off loopback
        assert (await send(client, a_mail())).status_code == 202
        for path in ("/", "/mails/1", "/mails/1/rendered", "/sandbox/mails", "/sandbox/key", "/static/inbox.css"):
            assert (await client.get(path)).status_code == 401
        assert (await client.get("/?token=a-token-of-16-or-more")).status_code == 200
        assert (await client.get("/mails/1")).status_code == 200


@pytest.mark.parametrize("name", ["inbox.css", "inbox.js", "icon.svg"])
async def test_the_page_brings_all_it_needs(inbox: AsyncClient, name: str) -> None:
    assert (await inbox.get(f"/static/{name}")).status_code == 200
    assert (await inbox.get("/static/..%2fapp.py")).status_code == 404
    await send(inbox, a_mail())
    assert not re.search(r'(src|href)="(https?:)?//', (await inbox.get("/mails/1")).text)
