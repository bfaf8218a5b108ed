"""Tasks over HTTP: list, read, change with optimistic concurrency, annotate. Errors are problems (RFC 9457).

A task's ETag is its version: whoever changes one says which version was seen (If-Match), and a later one stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Header, Query, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from schemas.contract import Tenant
from schemas.topic import decode_json
from services.chassis.described_api import Described, DescribedApi, problems
from services.chassis.problems import Problem
from services.chassis.settings import ServiceSettings
from services.chassis.web import body_of
from services.outreach.desk import TaskDesk, Wanted, etag_of
from services.outreach.resources import NewNote, TaskAnswer, TaskChange, TaskFilter, TaskPage

IfMatch = Annotated[str | None, Header(description="ETags of the versions that were seen, or *")]


def rest(desk: TaskDesk, settings: ServiceSettings, ops: Sequence[BaseRoute]) -> FastAPI:
    """The HTTP side of outreach: tasks, and what orchestrators ask."""
    api = DescribedApi(
        settings,
        title="nps-loop outreach",
        summary="Tasks that answers led to, for people to act on",
        routes=list(ops),
    )
    _add_reading(api, desk)
    _add_changing(api, desk)
    return api


def openapi() -> dict[str, Any]:  # an OpenAPI document
    """What outreach offers, without a service behind it."""
    return rest(TaskDesk.__new__(TaskDesk), ServiceSettings(), ()).openapi()


def _add_reading(api: FastAPI, desk: TaskDesk) -> None:
    @api.get("/v1/tasks", response_model=TaskPage, responses=problems(401, 422, 503), operation_id="listTasks")
    async def list_tasks(wanted: Annotated[TaskFilter, Query()]) -> Response:
        """Tasks, oldest first. Walking the pages misses none that was there and shows none twice."""
        return Response((await desk.page(wanted)).to_json(), media_type="application/json")

    @api.get(
        "/v1/tasks/{task_id}",
        response_model=TaskAnswer,
        responses=problems(401, 404, 422, 503) | _with_etag(200),
        operation_id="readTask",
    )
    async def read_task(task_id: UUID, tenant: Tenant | None = None) -> Response:
        """One task; with `tenant`, only if it is that tenant's."""
        return _answered(await desk.read(Wanted(task_id, tenant)))


def _add_changing(api: FastAPI, desk: TaskDesk) -> None:
    @api.patch(
        "/v1/tasks/{task_id}",
        response_model=TaskAnswer,
        responses=problems(400, 401, 404, 409, 412, 413, 415, 422, 428, 503) | _with_etag(200),
        openapi_extra=_body(TaskChange),
        operation_id="changeTask",
    )
    async def change_task(
        task_id: UUID, request: Request, tenant: Tenant | None = None, if_match: IfMatch = None
    ) -> Response:
        """Changes a task. If-Match is required and names the version that was seen."""
        if not if_match:
            detail = "If-Match: required, with the ETag of the task that was read"
            raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "precondition", detail)
        changes = decode_json(TaskChange, await _json_of(request))
        return _answered(await desk.change(Wanted(task_id, tenant, if_match), changes))

    @api.post(
        "/v1/tasks/{task_id}/notes",
        response_model=TaskAnswer,
        status_code=HTTPStatus.CREATED,
        responses=problems(400, 401, 404, 412, 413, 415, 422, 503) | _with_etag(201),
        openapi_extra=_body(NewNote),
        operation_id="annotateTask",
    )
    async def annotate_task(
        task_id: UUID, request: Request, tenant: Tenant | None = None, if_match: IfMatch = None
    ) -> Response:
        """Adds a note. If-Match may be given: then a request that is sent twice adds one note."""
        note = decode_json(NewNote, await _json_of(request))
        return _answered(await desk.annotate(Wanted(task_id, tenant, if_match), note), HTTPStatus.CREATED)


def _answered(task: TaskAnswer, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(task.to_json(), status, {"ETag": etag_of(task.version)}, "application/json")


async def _json_of(request: Request) -> bytes:
    """The body, if it says that it is JSON: a form on somebody's page cannot."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", "Content-Type: must be application/json")
    return await body_of(request)


def _with_etag(status: int) -> Described:
    header = {"description": "version of the task", "schema": {"type": "string"}, "required": True}
    return {status: {"headers": {"ETag": header}}}


def _body(model: type[TaskChange | NewNote]) -> dict[str, Any]:  # part of an OpenAPI document
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}
