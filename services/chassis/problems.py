"""Errors over HTTP as RFC 9457 says: `application/problem+json`, naming each field and the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import Response

from schemas.malformed import Fault, Malformed

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(BaseModel):
    """One thing that is wrong with a request."""

    field: str
    reason: str


class ProblemDetails(BaseModel):
    """What a problem looks like on the wire (RFC 9457 §3.1)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)


class Problem(Exception):
    """An error that is answered with a status of its own."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        *,
        faults: tuple[Fault, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.faults = faults
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """The members RFC 9457 names, and `errors` with a field and reason each."""
        body: dict[str, object] = {
            "type": f"urn:nps-loop:problem:{self.kind}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        if self.faults:
            body["errors"] = [{"field": fault.field, "reason": fault.reason} for fault in self.faults]
        return body

    def response(self) -> Response:
        """As an HTTP response."""
        content = json.dumps(self.body(), ensure_ascii=False)
        return Response(content, self.status, self.headers, MEDIA_TYPE)


def problem_of_parameters(errors: Sequence[Mapping[str, Any]]) -> Problem:  # pydantic's errors, as frameworks hand on
    """What is wrong with path, query or headers, in our words and without the values."""
    return problem_of(Malformed([_parameter_fault(item) for item in errors]))


def _parameter_fault(item: Mapping[str, Any]) -> Fault:  # one of pydantic's errors
    field = ".".join(str(part) for part in item["loc"][1:])
    reason = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        return Fault(field, "unknown parameter")
    if item["type"] == "value_error" and not field and ": " in reason:
        # a check of several parameters names them itself
        field, reason = reason.split(": ", 1)
    return Fault(field, reason[:1].lower() + reason[1:])


def problem_of(error: Malformed) -> Problem:
    """400 where the body is no JSON at all, 422 where it is JSON and something in it is wrong (RFC 9110 §15.5)."""
    unreadable = any(fault.reason.startswith("not JSON") or fault.reason == "not UTF-8" for fault in error.faults)
    status = HTTPStatus.BAD_REQUEST if unreadable else HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "not-json" if unreadable else "invalid"
    return Problem(status, kind, str(error), faults=tuple(error.faults))
