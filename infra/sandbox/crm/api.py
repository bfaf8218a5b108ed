"""HTTP of the CRM: its page, and the same as JSON for tests and `nps demo`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.sandbox.crm.board import Board, CrmChange, Row
from infra.sandbox.crm.webhooks import Webhooks
from schemas.malformed import Malformed
from schemas.task import TaskStatus
from schemas.topic import decode_json
from services.chassis.clock import Clock
from services.chassis.problems import Problem
from services.chassis.web import body_of

STATIC: Final = {
    "crm.css": "text/css",
    "crm.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "index.html": "text/html; charset=utf-8",
}
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Query(BaseModel):
    """Which tasks to list: what is open first, then what is due first."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tenant: str | None = None
    status: TaskStatus | None = None
    limit: int = Field(default=200, ge=1, le=5000)
    offset: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class CrmApi:
    """What the routes need."""

    board: Board
    webhooks: Webhooks
    clock: Clock

    def routes(self) -> list[BaseRoute]:
        """Page and JSON."""
        pages = [Route("/" if name == "index.html" else f"/static/{name}", _static(name)) for name in STATIC]
        return [
            *pages,
            Route("/api/tasks", self.tasks),
            Route("/api/tasks/{external_id}", self.task),
            Route("/api/tasks/{external_id}/changes", self.change, methods=["POST"]),
            Route("/api/counts", self.counts),
            Route("/api/duplicates", self.duplicates),
        ]

    async def tasks(self, request: Request) -> Response:
        """A page of tasks with the counts around them; 304 while nothing has changed."""
        query, now = _queried(request), self.clock.now()
        etag = f'"{self.board.state}-{now:%H%M}"'  # what is overdue changes with the minute
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
        rows = self.board.rows(tenant=query.tenant, status=query.status)
        told = {
            "tasks": [_summary(row, now) for row in rows[query.offset : query.offset + query.limit]],
            "total": len(rows),
            "counts": self.board.counts(now, query.tenant),
            "tenants": self.board.tenants(),
            "duplicates": len(self.board.duplicates(query.tenant)),
            "missing": self.webhooks.missing,
        }
        return JSONResponse(told, headers={"ETag": etag, "Cache-Control": "no-cache"})

    async def task(self, request: Request) -> Response:
        """One task, whole."""
        return JSONResponse(_whole(self._row(request), self.clock.now()))

    async def change(self, request: Request) -> Response:
        """Does something to a task, and tells nps-loop."""
        row = self._row(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", "Content-Type: must be application/json")
        change, now = decode_json(CrmChange, await body_of(request)), self.clock.now()
        self.board.change(row, change, now)
        self.webhooks.post(row, change, now)
        return JSONResponse(_whole(row, now))

    async def counts(self, request: Request) -> Response:
        """How many tasks there are by status."""
        return JSONResponse(self.board.counts(self.clock.now(), _queried(request).tenant))

    async def duplicates(self, request: Request) -> Response:
        """Tasks that the CRM has twice."""
        return JSONResponse({"duplicates": self.board.duplicates(_queried(request).tenant)})

    def _row(self, request: Request) -> Row:
        external_id = request.path_params["external_id"]
        row = self.board.find(external_id)
        if row is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no-such-task", f"no task {external_id}")
        return row


def _queried(request: Request) -> Query:
    given = {name: value for name, value in request.query_params.items() if name != "token"}
    try:
        return Query.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


def _summary(row: Row, now: datetime) -> dict[str, Any]:  # JSON
    task = row.task
    customer = task.customer
    return {
        "external_id": row.external_id,
        "task_id": str(task.task_id),
        "tenant": task.tenant,
        "response_id": task.response_id,
        "version": task.version,
        "title": task.title,
        "status": task.status,
        "priority": task.priority,
        "kind": task.kind,
        "owner": task.owner,
        "score": task.score,
        "customer": customer.name or customer.email or customer.phone or customer.customer_id,
        "due_at": task.due_at.isoformat(),
        "overdue": row.is_overdue(now),
        "reason": task.reason,
        "unsent": row.unsent,
    }


def _whole(row: Row, now: datetime) -> dict[str, Any]:  # JSON
    told = row.task.model_dump(mode="json", exclude_none=True)
    return told | {
        "external_id": row.external_id,
        "overdue": row.is_overdue(now),
        "unsent": row.unsent,
        "trouble": row.trouble,
    }


def _static(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = (files("infra.sandbox.crm") / "static" / name).read_bytes()

    async def serve(_request: Request) -> Response:
        return Response(content, media_type=STATIC[name], headers=HEADERS)

    return serve
