"""What every request passes before its route: whom its address is believed from, how often it may come, the short way.

Answers one by one are most of what comes. Their route stands before the framework that describes the API, so that they
do not pay for what they do not use; they are described by it all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from services.chassis.rate_limits import RateLimited
from services.chassis.web import ON_ERROR, OPS_PATHS
from services.intake.api import ONE, Api

if TYPE_CHECKING:
    from services.intake.settings import IntakeSettings


def front(described: ASGIApp, api: Api, settings: IntakeSettings) -> ASGIApp:
    """All of intake's HTTP side, from the routes that describe themselves."""
    short = Starlette(
        routes=[Route(ONE, api.submit, methods=["POST"]), Mount("/", described)], exception_handlers=ON_ERROR
    )
    return RateLimited(short, most=settings.rate_limit_per_address, free=OPS_PATHS, proxies=settings.trusted_proxies)
