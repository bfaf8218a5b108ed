"""An HTTP API that describes itself: FastAPI with problems (RFC 9457) and the access token in its OpenAPI document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from services.chassis.lifecycle import VERSION
from services.chassis.problems import MEDIA_TYPE, ProblemDetails, problem_of_parameters
from services.chassis.settings import ServiceSettings
from services.chassis.web import ON_ERROR, guarded

REF: Final = "#/components/schemas/{model}"

Described = dict[int | str, dict[str, Any]]  # parts of an OpenAPI document, of any shape


class DescribedApi(FastAPI):
    """The API of one service: guarded by the access token, every error a problem."""

    def __init__(self, settings: ServiceSettings, **options: Any) -> None:  # FastAPI's own keyword arguments
        super().__init__(version=VERSION, docs_url=None, redoc_url=None, middleware=guarded(settings), **options)
        for error, handler in {**ON_ERROR, RequestValidationError: _on_invalid}.items():
            self.add_exception_handler(error, handler)

    def openapi(self) -> dict[str, Any]:  # an OpenAPI document
        """With what FastAPI does not know of: problems, and the token."""
        document = super().openapi()
        components = document.setdefault("components", {})
        problem = ProblemDetails.model_json_schema(ref_template=REF)
        components.setdefault("schemas", {}).update(problem.pop("$defs", {}) | {ProblemDetails.__name__: problem})
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}, {}]
        return document


def problems(*statuses: int) -> Described:
    """The answers of a route that are problems."""
    content = {MEDIA_TYPE: {"schema": {"$ref": REF.format(model=ProblemDetails.__name__)}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


async def _on_invalid(_request: Request, error: Exception) -> Response:
    """What is wrong with path, query or headers, in our words and without the values."""
    assert isinstance(error, RequestValidationError)
    return problem_of_parameters(error.errors()).response()
