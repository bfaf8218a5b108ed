"""Nonsense by the thousand at the HTTP side of intake: calls changed by chance, and whatever its OpenAPI allows or not.

No status but those that are documented, never a 5xx, and every refusal is a problem.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp

from services.chassis.problems import MEDIA_TYPE
from services.intake.routes import openapi
from services.intake.sources.catalogue import ADAPTERS
from tests.support.asgi_calls import post
from tests.support.fake_intake import name_of
from tests.support.kits.kit import Kit
from tests.support.mutations import mutated_body, mutated_headers

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

AnyCase = Case[Any]  # of whatever schemathesis finds
PLAIN: Final = settings(
    # what is found is not made smaller: schemathesis draws otherwise the second time
    phases=[Phase.generate],
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
UNLIKELY: Final = frozenset({"tenant", "timezone", "answered_at", "updated_at", "rating", "revision"})
SOURCE: Final = "shop"


def every_kit() -> dict[str, Kit]:
    """The kits of all vendors, by name; some prove themselves in several ways."""
    modules = {vendor: import_module(f"tests.support.kits.{vendor}") for vendor in ADAPTERS}
    return {
        name: kit
        for vendor, module in modules.items()
        for name, kit in (getattr(module, "KITS", None) or {vendor: module.KIT}).items()
    }


async def bombard(app: ASGIApp, kit: Kit, calls: int) -> Counter[int]:
    """Sends a vendor's recorded calls with body or headers changed, half of them signed anew; returns the statuses."""
    chance, statuses = random.Random(kit.vendor), Counter[int]()
    bodies = list(kit.recorded.values())
    for _ in range(calls):
        body = chance.choice(bodies)
        signed_anew = chance.random() < 0.5
        sent = mutated_body(chance, body) if signed_anew or chance.random() < 0.5 else body
        call = kit.call(sent if signed_anew else body)
        headers: Mapping[str, str] = call.headers
        if not signed_anew or chance.random() < 0.2:
            headers = mutated_headers(chance, headers)
        told = await post(app, f"/v1/sources/default/{name_of(kit)}", sent, headers)
        assert told.status < 500, (kit.vendor, sent, headers)
        assert told.status < 400 or told.content_type == MEDIA_TYPE, (told.status, told.content_type)
        statuses[told.status] += 1
    return statuses


def operations() -> list[Any]:  # schemathesis' own type
    """Every operation of intake."""
    return [found.ok() for found in _schema().get_all_operations()]


def _schema() -> Any:  # schemathesis' own type
    return schemathesis.openapi.from_dict(openapi())


def fuzzed(
    operation: Any, cases: int, sending: Mapping[str, Any]
) -> Counter[int]:  # schemathesis' own type and options
    """As many cases, half of them as documented and half beside it, where anything is; returns the statuses."""
    documented = _drawn(operation, GenerationMode.POSITIVE, cases // 2, sending)
    try:
        return documented + _drawn(operation, GenerationMode.NEGATIVE, cases // 2, sending)
    except Unsatisfiable:  # a body that may be anything can be nothing else
        return documented


def _drawn(operation: Any, mode: GenerationMode, cases: int, sending: Mapping[str, Any]) -> Counter[int]:
    statuses: Counter[int] = Counter()

    @settings(PLAIN, max_examples=cases)
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: AnyCase) -> None:
        if mode is GenerationMode.POSITIVE and len(repr(case.body)) % 2:
            make_sense(case)
        response = case.call(**sending)
        case.validate_response(response, checks=CHECKS)
        statuses[response.status_code] += 1

    run()
    return statuses


def make_sense(case: AnyCase) -> None:
    """Turns what a schema allows into what means something: whoever draws lots seldom draws an answer to a question."""
    if case.operation.label.startswith("POST /v1/responses"):
        if isinstance(case.body, list):
            case.body = [_answer(one) if isinstance(one, dict) else one for one in case.body]
        elif isinstance(case.body, dict):
            case.body = _answer(case.body)
    elif case.operation.label.startswith("POST /v1/sources"):
        case.path_parameters = {"tenant": "default", "source": SOURCE}


def _answer(drawn: Mapping[str, Any]) -> dict[str, Any]:  # JSON
    """The same with a score, without what no chance hits: a tenant, a time zone, a time that is past.

    And without a number, which would have all that come later from that source be numbered.
    """
    named = drawn.get("response_id")
    kept = {name: value for name, value in drawn.items() if name not in UNLIKELY and (named or name != "op")}
    return kept | {"metric": "nps", "score": 9, "channel": "website", "comment": "It came a day late."}


def followed(stories: int, sending: Mapping[str, Any]) -> Counter[int]:  # options of schemathesis
    """What becomes of answers that are in, step by step along the links of the document; returns the statuses."""
    statuses: Counter[int] = Counter()

    class Story(_schema().as_state_machine()):  # type: ignore[misc]  # made by schemathesis
        """One answer and what is told of it later."""

        def before_call(self, case: AnyCase) -> None:
            make_sense(case)
            case.headers.pop("Idempotency-Key", None)  # stories know nothing of each other

        def get_call_kwargs(self, _case: AnyCase) -> dict[str, Any]:  # options of schemathesis
            return dict(sending)

        def validate_response(self, response: Response, case: AnyCase, **_: Any) -> None:
            case.validate_response(response, checks=CHECKS)
            statuses[response.status_code] += 1

    Story.run(settings=settings(PLAIN, max_examples=stories, stateful_step_count=5))
    return statuses
