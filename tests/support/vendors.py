"""A vendor's API over real HTTP: gives the answers recorded of it to whoever shows the token, and fails as told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.listening import listening

REFRESH_TOKEN = "a refresh token"
GRANTED = "a token that does not last"


@dataclass
class Vendor:
    """One vendor's API. `answers` are found by path; `headers` must be shown, else it answers 401."""

    headers: dict[str, str]
    answers: dict[str, bytes] = field(default_factory=dict)
    open: dict[str, bytes] = field(default_factory=dict)
    """What anybody may read, by path."""
    failing: list[int] = field(default_factory=list)
    """Statuses to answer with before anything else, in order."""
    asked: list[str] = field(default_factory=list)
    granted: int = 0
    address: str = ""

    async def get(self, request: Request) -> Response:
        """Answers one look-up."""
        self.asked.append(request.url.path)
        if self.failing:
            return Response("<html>busy</html>", self.failing.pop(0), {"location": f"{self.address}/elsewhere"})
        if request.url.path in self.open:
            return Response(self.open[request.url.path], media_type="application/json")
        if any(request.headers.get(name) != value for name, value in self.headers.items()):
            return Response(status_code=401)
        found = self.answers.get(request.url.path)
        return Response(found, media_type="application/json") if found else Response(status_code=404)

    async def grant(self, request: Request) -> Response:
        """Exchanges the refresh token, as RFC 6749 §6 has it."""
        form = dict(pair.split("=") for pair in (await request.body()).decode().split("&"))
        expected = {
            "grant_type": "refresh_token",
            "client_id": "client",
            "client_secret": "secret",
            "refresh_token": REFRESH_TOKEN.replace(" ", "+"),
        }
        if form != expected:
            return JSONResponse({"error": "invalid_grant"}, 400)
        self.granted += 1
        return JSONResponse({"access_token": GRANTED, "expires_in": 3599, "token_type": "Bearer"})


@asynccontextmanager
async def standing_in(vendor: Vendor) -> AsyncIterator[Vendor]:
    """The vendor, where its address says."""
    app = Starlette(
        routes=[Route("/token", vendor.grant, methods=["POST"]), Route("/{path:path}", vendor.get, methods=["GET"])]
    )
    async with listening(app) as address:
        vendor.address = address
        yield vendor
