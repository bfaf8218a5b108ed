"""Scores over HTTP, for people and their tools. Errors are problems (RFC 9457); nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from services.chassis.described_api import DescribedApi, problems
from services.chassis.failures import Transient
from services.chassis.problems import Problem
from services.chassis.settings import ServiceSettings
from services.scoring.history import Desk
from services.scoring.resources import Comparison, ComparisonWanted, History, ScoreFilter, ScorePage, SeriesWanted

RETRY_AFTER_S: Final = 2

_NEVER_STORED: Final = {"Cache-Control": "no-store"}


def web(desk: Desk, settings: ServiceSettings, ops: Sequence[BaseRoute]) -> FastAPI:
    """The HTTP side of scoring: scores, and what orchestrators ask."""
    api = DescribedApi(
        settings,
        title="nps-loop scoring",
        summary="NPS with its interval, by tenant, segment and window, and as a history",
        routes=list(ops),
    )
    api.add_exception_handler(Transient, _on_reading)
    _add_routes(api, desk)
    return api


def openapi() -> dict[str, Any]:  # an OpenAPI document
    """What scoring offers, without a service behind it."""
    return web(Desk.__new__(Desk), ServiceSettings(), ()).openapi()


def _add_routes(api: FastAPI, desk: Desk) -> None:
    refused = problems(401, 422, 503)

    @api.get("/v1/scores", response_model=ScorePage, responses=refused, operation_id="listScores")
    async def list_scores(wanted: Annotated[ScoreFilter, Query()]) -> Response:
        """Scores as they were last published, by tenant, segment and window."""
        return Response(desk.page(wanted), headers=_NEVER_STORED, media_type="application/json")

    @api.get("/v1/scores/series", response_model=History, responses=refused, operation_id="readHistory")
    async def read_history(wanted: Annotated[SeriesWanted, Query()]) -> Response:
        """One segment by hour, day, week, month, quarter or year, for as far back as there are answers."""
        return _answered(await desk.history(wanted))

    @api.get("/v1/scores/compare", response_model=Comparison, responses=refused, operation_id="compareSpans")
    async def compare_spans(wanted: Annotated[ComparisonWanted, Query()]) -> Response:
        """Two spans of one segment against each other: whether the score moved from b to a, and how sure that is."""
        return _answered(await desk.compare(wanted))


def _answered(found: History | Comparison) -> Response:
    return Response(found.model_dump_json(), headers=_NEVER_STORED, media_type="application/json")


async def _on_reading(_request: Request, error: Exception) -> Response:
    """Counts are not all there yet: a part of them would be a wrong answer."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        f"{error}; try again",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    ).response()
