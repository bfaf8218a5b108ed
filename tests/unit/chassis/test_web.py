"""HTTP around a service: bounds, problems, tokens, health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.chassis.failures import Fault, Malformed, Transient
from services.chassis.health import Health
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.problems import Problem, problem_of
from services.chassis.settings import ServiceSettings
from services.chassis.web import LARGEST_BODY, ON_ERROR, body_of, guarded, ops_routes
from tests.support.clocks import ManualClock

TOKEN = "sixteen-letters-or-more"


async def _echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await body_of(request))))


async def _fails(request: Request) -> Response:
    failures = {
        "malformed": Malformed([Fault("score", "must be 0 to 10"), Fault("email", "required")]),
        "unreadable": Malformed.of("body", "not JSON: expected value at line 1"),
        "transient": Transient("database: ConnectionRefusedError"),
        "ours": ZeroDivisionError("robin@example.org"),
    }
    raise failures[request.path_params["how"]]


ROUTES = [Route("/echo", _echo, methods=["POST"]), Route("/fails/{how}", _fails)]


@asynccontextmanager
async def client(
    *, settings: ServiceSettings | None = None, open_paths: frozenset[str] = frozenset()
) -> AsyncIterator[AsyncClient]:
    health = Health(ManualClock())
    app = Starlette(
        routes=[*ROUTES, *ops_routes(health, Metrics(CHASSIS_METRICS), "1.2.3")],
        exception_handlers=ON_ERROR,
        middleware=guarded(settings, open_paths) if settings else [],
    )
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://service") as found:
        yield found


async def test_a_body_up_to_the_bound_is_read() -> None:
    async with client() as http:
        answer = await http.post("/echo", content=b"x" * LARGEST_BODY)
    assert (answer.status_code, answer.text) == (200, str(LARGEST_BODY))


async def test_a_body_beyond_the_bound_is_refused() -> None:
    async with client() as http:
        answer = await http.post("/echo", content=b"x" * (LARGEST_BODY + 1))
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:nps-loop:problem:too-large"


async def test_a_body_of_unknown_length_is_read_no_further_than_the_bound() -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * LARGEST_BODY:
            sent += 1024 * 1024
            yield b"x" * 1024 * 1024

    async with client() as http:
        answer = await http.post("/echo", content=chunks())
    assert answer.status_code == 413


async def test_a_length_that_is_no_number_is_not_believed() -> None:
    async with client() as http:
        answer = await http.post("/echo", content=b"xy", headers={b"content-length": b"\xb2"})
    assert (answer.status_code, answer.text) == (200, "2")


async def test_bad_input_is_a_problem_that_names_each_field() -> None:
    async with client() as http:
        answer = await http.get("/fails/malformed")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:nps-loop:problem:invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "score: must be 0 to 10; email: required",
        "errors": [{"field": "score", "reason": "must be 0 to 10"}, {"field": "email", "reason": "required"}],
    }


async def test_a_body_that_is_no_json_at_all_is_a_bad_request() -> None:
    async with client() as http:
        answer = await http.get("/fails/unreadable")
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:nps-loop:problem:not-json")


async def test_a_dependency_that_is_away_is_worth_another_try() -> None:
    async with client() as http:
        answer = await http.get("/fails/transient")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "ConnectionRefused" not in answer.text


async def test_a_mistake_of_ours_tells_the_client_nothing() -> None:
    async with client() as http:
        answer = await http.get("/fails/ours")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:nps-loop:problem:internal")
    assert "robin" not in answer.text


async def test_a_path_nobody_serves_is_a_problem() -> None:
    async with client() as http:
        answer = await http.get("/v1/nowhere")
    assert (answer.status_code, answer.json()["detail"]) == (404, "nothing at /v1/nowhere")


async def test_a_wrong_method_is_told_the_right_one() -> None:
    async with client() as http:
        answer = await http.delete("/echo")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["type"] == "urn:nps-loop:problem:method"


async def test_a_problem_carries_its_headers_and_no_empty_list_of_errors() -> None:
    problem = Problem(HTTPStatus.CONFLICT, "conflict", "in flight", headers={"Retry-After": "30"})
    answer = problem.response()
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "30")
    assert "errors" not in problem.body()


def test_what_is_not_utf8_is_unreadable() -> None:
    assert problem_of(Malformed.of("body", "not UTF-8")).status == 400


@asynccontextmanager
async def behind_a_token(**given: Any) -> AsyncIterator[AsyncClient]:  # passed on
    async with client(settings=ServiceSettings(access_token=SecretStr(TOKEN)), **given) as http:
        yield http


async def test_without_a_token_set_everybody_may_pass() -> None:
    async with client(settings=ServiceSettings(access_token=None)) as http:
        assert (await http.post("/echo")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
        {"cookie": "nps_token=wrong"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": "Bearer \xff"},
    ],
    ids=str,
)
async def test_without_the_token_nobody_passes(headers: dict[str, str]) -> None:
    encoded = {name.encode(): text.encode("latin-1") for name, text in headers.items()}
    async with behind_a_token() as http:
        answer = await http.post("/echo", headers=encoded)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["type"] == "urn:nps-loop:problem:token"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_the_token_is_taken_as_bearer(scheme: str) -> None:
    async with behind_a_token() as http:
        answer = await http.post("/echo", headers={"authorization": f"{scheme} {TOKEN}"})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


async def test_a_page_opened_once_with_the_token_is_remembered() -> None:
    async with behind_a_token() as http:
        first = await http.post("/echo", params={"token": TOKEN})
        assert first.status_code == 200
        assert "HttpOnly; SameSite=Strict" in first.headers["set-cookie"]
        assert (await http.post("/echo")).status_code == 200


async def test_a_wrong_token_in_the_address_is_not_remembered() -> None:
    async with behind_a_token() as http:
        answer = await http.post("/echo", params={"token": "wrong"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_machines_ask_without_a_token() -> None:
    async with behind_a_token(open_paths=frozenset({"/echo"})) as http:
        for path in ("/livez", "/readyz", "/metrics", "/version"):
            assert (await http.get(path)).status_code == 200
        assert (await http.post("/echo")).status_code == 200
        assert (await http.post("/echo/")).status_code == 401


async def test_health_and_version_are_told() -> None:
    async with client() as http:
        assert (await http.get("/livez")).json() == {"live": True, "stalled": []}
        assert (await http.get("/readyz")).json() == {"ready": True, "waiting_for": {}}
        assert (await http.get("/version")).json() == {"version": "1.2.3"}
        assert "nps_outbox_rows 0.0" in (await http.get("/metrics")).text


async def test_what_waits_is_alive_and_not_ready() -> None:
    clock = ManualClock()
    health = Health(clock)

    async def probe() -> None:
        raise Transient("away")

    health.add_probe("kafka", probe)
    health.turned("consumer")
    health.waits("topic[0]", "a batch fails")
    clock.advance(seconds=60)
    assert health.stalled() == []
    assert await health.not_ready() == {"topic[0]": "a batch fails", "kafka": "away"}
    assert await health.anything_down() == "kafka: away"
    health.goes_on("topic[0]")
    assert await health.not_ready() == {"kafka": "away"}


async def test_a_loop_that_has_not_turned_for_a_minute_is_not_alive() -> None:
    clock = ManualClock()
    health = Health(clock)
    health.turned("consumer")
    health.turned("ended")
    health.ended("ended")
    clock.advance(seconds=timedelta(minutes=1).total_seconds() + 0.001)
    assert health.stalled() == ["consumer"]
    routes = ops_routes(health, Metrics(CHASSIS_METRICS), "1")
    async with AsyncClient(transport=ASGITransport(Starlette(routes=routes)), base_url="http://service") as http:
        answer = await http.get("/livez")
    assert (answer.status_code, answer.json()) == (503, {"live": False, "stalled": ["consumer"]})
