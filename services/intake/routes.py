"""Where intake listens, and how its OpenAPI 3.1 document describes it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from schemas.response import Submission
from services.chassis.lifecycle import VERSION
from services.chassis.problems import MEDIA_TYPE, ProblemDetails
from services.chassis.web import ON_ERROR
from services.intake.api import MOST_IN_BATCH, ONE, Accepted, Api, BatchAccepted, ConsentGiven, StatusAccepted
from services.intake.calls import Calls, CallTaken
from services.intake.conversations.asked import Asked
from services.intake.conversations.http_conversations import (
    SAID,
    STARTED,
    ConversationStarted,
    ConversationTold,
    HttpConversations,
    SaidByBot,
)
from services.intake.sources.twilio import TWIML
from services.intake.webhooks import Webhooks

CALLED: Final = "/v1/sources/{tenant}/{source}"
JSON: Final = "application/json"
FRAMEWORKS_OWN: Final = "Successful Response"
"""What FastAPI says of a 200 that no route here gives."""
REF: Final = "#/components/schemas/{model}"

Described = dict[str, Any]  # a piece of an OpenAPI document

_BODY: Final = (400, 408, 413, 415, 422, 429, 503)
"""Of any route that takes a body."""

_KEYED: Final = (*_BODY, 401, 403)

_PROBLEMS: Final = {
    400: "not JSON",
    401: "no key that holds, or no valid signature",
    403: "the key is not for this",
    404: "no such source in the business file",
    408: "the body did not come in time",
    409: "the first request with this Idempotency-Key is still being worked on",
    413: "the body is too large, as it came or unpacked",
    415: "the body is packed in another way than gzip",
    422: "a field is missing or wrong; errors names each",
    429: "too many requests; try again after Retry-After",
    503: "nothing was accepted; try again after Retry-After",
}


def web_app(
    api: Api, webhooks: Webhooks, calls: Calls, conversations: HttpConversations, ops: Sequence[BaseRoute]
) -> FastAPI:
    """Every route of intake."""
    app = FastAPI(
        title="nps-loop intake",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        routes=list(ops),
        exception_handlers=ON_ERROR,
    )
    one = {"schema": _ref(Submission)}
    many = {"schema": {"type": "array", "items": _ref(Submission), "minItems": 1, "maxItems": MOST_IN_BATCH}}
    keyed = {"security": [{"key": []}], "parameters": [_idempotency_key()]}
    bodies: list[tuple[str, Any, str, Described]] = [
        (ONE, api.submit, "submit", {**_body(one), **keyed, **_followed(_answers(Accepted, *_KEYED, 409))}),
        (
            "/v1/responses:batch",
            api.submit_batch,
            "submitBatch",
            {**_body(many), **keyed, **_answers(BatchAccepted, *_KEYED, 409)},
        ),
        (
            "/v1/consents",
            api.consent,
            "consent",
            {**_body({"schema": _ref(ConsentGiven)}), "security": [{"key": []}], **_answers(StatusAccepted, *_KEYED)},
        ),
        ("/v1/webhooks/sendgrid", webhooks.on_sendgrid, "sendgridEvents", {**_body({"schema": {}}), **_taken()}),
        ("/v1/webhooks/crm", webhooks.on_crm, "crmUpdate", {**_body({"schema": {}}), **_taken()}),
    ]
    for path, endpoint, operation, described in bodies:
        app.add_api_route(
            path, endpoint, methods=["POST"], operation_id=operation, openapi_extra=described, response_model=None
        )
    _add_sources(app, calls)
    _add_conversations(app, conversations)
    app.openapi = partial(_document, app)  # type: ignore[method-assign]  # FastAPI's own way to complete the document
    return app


def _add_sources(app: FastAPI, calls: Calls) -> None:
    called = {"parameters": [_path_name("tenant"), _path_name("source")]}
    said = {"description": "TwiML: what to say next, if anything", "content": {TWIML: {"schema": {"type": "string"}}}}
    answers = {"200": said, **_answers(CallTaken, *_BODY, 401, 404)["responses"]}
    app.add_api_route(
        CALLED,
        calls.on_call,
        methods=["POST"],
        operation_id="sourceCall",
        openapi_extra={**called, **_body({"schema": {}}), "responses": answers},
        response_model=None,
    )
    app.add_api_route(
        CALLED,
        calls.probed,
        methods=["GET", "HEAD"],
        operation_id="sourceProbe",
        openapi_extra={**called, "responses": {"200": {"description": "there is such a source"}, **_problems(404)}},
        response_model=None,
        include_in_schema=False,
    )


def _add_conversations(app: FastAPI, conversations: HttpConversations) -> None:
    keyed: Described = {"security": [{"key": []}]}
    start = _answers(ConversationStarted, *_KEYED)
    start["responses"]["409"] = _problem("this person asked to be asked no more")
    app.add_api_route(
        STARTED,
        conversations.start,
        methods=["POST"],
        operation_id="startConversation",
        openapi_extra={**keyed, **_body({"schema": _ref(Asked)}), **start},
        response_model=None,
    )
    said = _answers(ConversationTold, *_KEYED)
    said["responses"]["404"] = _problem("no conversation with this session has been begun")
    app.add_api_route(
        SAID,
        conversations.said,
        methods=["POST"],
        operation_id="sayInConversation",
        openapi_extra={
            **keyed,
            "parameters": [_path_name("session")],
            **_body({"schema": _ref(SaidByBot)}),
            **said,
        },
        response_model=None,
    )


def openapi() -> Described:
    """What intake offers, without a service behind it."""
    nobody = Api.__new__(Api), Webhooks.__new__(Webhooks), Calls.__new__(Calls)
    return _document(web_app(*nobody, HttpConversations.__new__(HttpConversations), ()))


def _document(app: FastAPI) -> Described:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        models: list[type[BaseModel]] = [
            Submission,
            ConsentGiven,
            Accepted,
            BatchAccepted,
            StatusAccepted,
            CallTaken,
            Asked,
            SaidByBot,
            ConversationStarted,
            ConversationTold,
            ProblemDetails,
        ]
        _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=REF)
        components = document.setdefault("components", {})
        components["schemas"] = definitions["$defs"]
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for operations in document["paths"].values():
            for operation in operations.values():
                if operation["responses"].get("200", {}).get("description") == FRAMEWORKS_OWN:
                    del operation["responses"]["200"]
        app.openapi_schema = document
    return app.openapi_schema


def _ref(model: type[BaseModel]) -> Described:
    return {"$ref": REF.format(model=model.__name__)}


def _body(content: Described) -> Described:
    return {"requestBody": {"required": True, "content": {JSON: content}}}


def _answers(model: type[BaseModel], *problems: int) -> Described:
    accepted = {"description": "every replica has it", "content": {JSON: {"schema": _ref(model)}}}
    return {"responses": {"202": accepted, **_problems(*problems)}}


def _followed(answers: Described) -> Described:
    """What may be done with an answer that is in: change it, comment on it, take it back, by the id that was told."""
    named = {"response_id": "$response.body#/response_id"}
    later: dict[str, Described] = {
        "change": {"op": "updated", "score": 0},
        "comment": {"op": "commented", "comment": "It came a day late."},
        "takeBack": {"op": "retracted"},
    }
    answers["responses"]["202"]["links"] = {
        name: {"operationId": "submit", "requestBody": named | body} for name, body in later.items()
    }
    return answers


def _path_name(name: str) -> Described:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _taken() -> Described:
    return {"responses": {"204": {"description": "every replica has it"}, **_problems(*_BODY, 401)}}


def _problems(*statuses: int) -> Described:
    return {str(status): _problem(_PROBLEMS[status]) for status in sorted(statuses)}


def _problem(description: str) -> Described:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _ref(ProblemDetails)}}}


def _idempotency_key() -> Described:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "the same key and body have one effect and get one answer, for 24 hours",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }
