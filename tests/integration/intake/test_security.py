"""Who may do what: every route of intake against every way of not being allowed to, held to the OpenAPI document.

A route that has no row here fails: whoever adds one says who may use it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr

from schemas.topics import CONSENTS
from services.intake import commands
from services.intake.routes import openapi
from services.intake.sql_keys import SCOPES, Terms
from tests.support.intake import World
from tests.support.kits import typeform
from tests.support.topics import reading

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
CASES: Final = ("no key", "wrong scope", "revoked", "expired", "other tenant")

ANSWER: Final = {"score": 9, "channel": "website", "tenant": "default"}
SOURCES: Final = "{sources: {shop: {vendor: typeform, score: likely}}}"


@dataclass(frozen=True)
class Row:
    """One route: what is asked of it, the scope its key needs, and the status of each case."""

    body: Any  # JSON
    statuses: dict[str, int]
    scope: str | None = None
    path: dict[str, str] = field(default_factory=dict)


def keyed(scope: str, body: Any, *, other_tenant: int) -> Row:  # JSON
    """A route that needs an API key for a scope."""
    return Row(body, dict(zip(CASES, (401, 403, 401, 401, other_tenant), strict=True)), scope)


def signed(body: Any, **path: str) -> Row:  # JSON
    """A route of calls that are signed: no API key opens it, nor the secret of somebody else."""
    return Row(body, dict.fromkeys(CASES, 401), path=path)


ROWS: Final = {
    "POST /v1/responses": keyed("responses:write", ANSWER, other_tenant=422),
    "POST /v1/responses:batch": keyed("responses:write", [ANSWER], other_tenant=422),
    # it names no tenant: it holds for the key's own, which has a test below
    "POST /v1/consents": keyed(
        "consents:write", {"purpose": "mail", "granted": False, "email": "a@example.org"}, other_tenant=202
    ),
    # the business file names no tenant called other
    "POST /v1/conversations": keyed("conversations:write", {"channel": "chatbot", "session": "s"}, other_tenant=422),
    # a session is looked for among the key's own
    "POST /v1/conversations/{session}/messages": replace(
        keyed("conversations:write", {"text": "9"}, other_tenant=404), path={"session": "s"}
    ),
    "POST /v1/webhooks/sendgrid": signed([]),
    "POST /v1/webhooks/crm": signed({"task_id": "t"}),
    "POST /v1/sources/{tenant}/{source}": signed({"form_response": {}}, tenant="default", source="shop"),
}


def operations() -> set[str]:
    return {f"{method.upper()} {path}" for path, item in openapi()["paths"].items() for method in item.keys() & METHODS}


def test_every_route_says_who_may_use_it() -> None:
    assert operations() == ROWS.keys()


@pytest.fixture
async def asked(world: World, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """Intake with a source, answering without its loops."""
    world.decided(tmp_path, SOURCES)
    secrets = {"default/shop": typeform.KIT.secret, "other/shop": typeform.KIT.other_secret}
    world.settings = world.settings.model_copy(update={"source_secrets": SecretStr(json.dumps(secrets))})
    async with (
        world.intake() as assembly,
        AsyncClient(transport=ASGITransport(assembly.web), base_url="http://intake") as client,
    ):
        yield client


async def token_for(world: World, case: str, scope: str | None) -> str | None:
    """The key that is offered in this case."""
    if case == "no key":
        return None
    tenant = "other" if case == "other tenant" else "default"
    scopes = [one for one in SCOPES if one != scope] if case == "wrong scope" else SCOPES
    lasts = timedelta(seconds=1) if case == "expired" else None
    key, token = await commands.create_key(world.settings, world.clock, tenant, case, Terms(scopes, lasts))
    if case == "revoked":
        await commands.revoke_key(world.settings, world.clock, key.key_id)
    world.clock.advance(seconds=1)
    return token


@pytest.mark.parametrize("route", ROWS)
async def test_who_may_not_is_refused(asked: AsyncClient, world: World, route: str) -> None:
    row, told = ROWS[route], {case: await attempt(asked, world, route, case) for case in CASES}
    assert {case: each.status_code for case, each in told.items()} == row.statuses
    refused = [each for each in told.values() if each.status_code >= 400]
    assert {each.headers["content-type"] for each in refused} == {"application/problem+json"}
    assert all("www-authenticate" in each.headers for each in refused if each.status_code == 401 and row.scope)


async def attempt(asked: AsyncClient, world: World, route: str, case: str) -> Response:
    """Asks for something with the key of this case; a call of a source, with the secret of another tenant's."""
    row, (method, path) = ROWS[route], route.split(" ")
    body = json.dumps(row.body).encode()
    token = await token_for(world, case, row.scope)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if case == "other tenant" and "source" in row.path:
        headers |= typeform.KIT.sign(body, typeform.KIT.other_secret, world.clock.now())
    return await asked.request(method, path.format(**row.path), content=body, headers=headers)


async def test_a_key_of_another_tenant_notes_consents_of_its_own_alone(asked: AsyncClient, world: World) -> None:
    _, token = await commands.create_key(world.settings, world.clock, "other", "other")
    given = {"purpose": "mail", "granted": False, "email": "a@example.org"}
    headers = {"Authorization": f"Bearer {token}"}
    assert (await asked.post("/v1/consents", json=given, headers=headers)).status_code == 202
    async with reading(world.frame.kafka, CONSENTS.name) as reader:
        (raw,) = await reader.count(1)
    assert CONSENTS.decode(raw.headers, raw.value).tenant == "other"


async def test_what_is_asked_of_a_route_is_read_after_the_key_was(asked: AsyncClient) -> None:
    for route, row in ROWS.items():
        method, path = route.split(" ")
        told = await asked.request(method, path.format(**row.path), content=b"{", headers={"Authorization": "Bearer x"})
        assert told.status_code == 401
