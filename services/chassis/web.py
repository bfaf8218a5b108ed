"""HTTP around a service: health and metrics, problems as RFC 9457, a bound on bodies, tokens off loopback.

One server a process, on the loop its consumers run on.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.bodies import TooLarge, check_depth, unpacked
from services.chassis.failures import Malformed, Transient
from services.chassis.health import Health
from services.chassis.logs import logger
from services.chassis.metrics import ChassisMetric, Metrics
from services.chassis.patient_http import LARGEST_HEAD, PatientHttp
from services.chassis.problems import Problem, problem_of

if TYPE_CHECKING:
    from services.chassis.settings import ServiceSettings

LARGEST_BODY: Final = 1024 * 1024
BODY_WITHIN: Final = timedelta(seconds=30)
RETRY_AFTER_S: Final = 5
OPS_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics", "/version"})
TOKEN_COOKIE: Final = "nps_token"  # noqa: S105 a name, no secret

_log = logger("http")


def ops_routes(health: Health, metrics: Metrics[ChassisMetric], version: str) -> list[BaseRoute]:
    """What orchestrators and Prometheus ask every service."""

    async def livez(_request: Request) -> Response:
        stalled = health.stalled()
        return JSONResponse({"live": not stalled, "stalled": stalled}, 503 if stalled else 200)

    async def readyz(_request: Request) -> Response:
        missing = await health.not_ready()
        return JSONResponse({"ready": not missing, "waiting_for": missing}, 503 if missing else 200)

    async def scrape(_request: Request) -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def tell_version(_request: Request) -> Response:
        return JSONResponse({"version": version})

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", scrape),
        Route("/version", tell_version),
    ]


async def on_problem(_request: Request, error: Exception) -> Response:
    """Answers with the problem itself."""
    assert isinstance(error, Problem)
    return error.response()


async def on_malformed(_request: Request, error: Exception) -> Response:
    """Answers bad input with what is wrong with it."""
    assert isinstance(error, Malformed)
    return problem_of(error).response()


async def on_transient(_request: Request, error: Exception) -> Response:
    """Nothing was accepted: the same request may work later."""
    _log.warning("request.unavailable", reason=str(error))
    return unavailable().response()


async def on_not_found(request: Request, _error: Exception) -> Response:
    """A path nobody serves."""
    return Problem(HTTPStatus.NOT_FOUND, "not-found", f"nothing at {request.url.path}").response()


async def on_wrong_method(request: Request, error: Exception) -> Response:
    """A path that is served, asked in another way; `Allow` names the right ones (RFC 9110 §15.5.6)."""
    detail = f"{request.method} is not allowed here"
    allowed = getattr(error, "headers", None)
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method", detail, headers=allowed).response()


async def on_failure(_request: Request, _error: Exception) -> Response:
    """A mistake of ours: the server logs it, the client learns nothing of it."""
    detail = "not accepted: this is our mistake; it has been noted"
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail).response()


ON_ERROR: Final[dict[int | type[Exception], Callable[[Request, Exception], Coroutine[Any, Any, Response]]]] = {
    Problem: on_problem,
    Malformed: on_malformed,
    Transient: on_transient,
    404: on_not_found,
    405: on_wrong_method,
    500: on_failure,
}


def unavailable() -> Problem:
    """503: not accepted, worth trying again."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "not accepted: a dependency is away; try again",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


async def body_of(request: Request, *, largest: int = LARGEST_BODY) -> bytes:
    """The body of a request as its sender wrote it, unpacked if it came packed by gzip.

    Raises:
        Problem: 413 if it is larger, packed or unpacked; 415 if it is packed otherwise; 408 if it comes too slowly.
        Malformed: if it does not unpack, or is JSON of too many levels.
    """
    packed = _is_packed(request)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > largest:
        raise _too_large(largest)
    try:
        async with asyncio.timeout(BODY_WITHIN.total_seconds()):
            body = await _read(request, largest)
    except TimeoutError as error:
        detail = f"body: not here within {BODY_WITHIN.total_seconds():.0f} s"
        raise _unfinished(HTTPStatus.REQUEST_TIMEOUT, "too-slow", detail) from error
    except ClientDisconnect as error:
        raise _unfinished(HTTPStatus.BAD_REQUEST, "cut-off", "body: ends before its end") from error
    if packed:
        try:
            body = unpacked(body, largest)
        except TooLarge as error:
            raise _too_large(largest) from error
    check_depth(body)
    return body


async def _read(request: Request, largest: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise _too_large(largest)
    return bytes(body)


def _is_packed(request: Request) -> bool:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return False
    if encoding not in {"gzip", "x-gzip"}:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "content-encoding",
            "Content-Encoding: must be gzip, or left out",
            headers={"Accept-Encoding": "gzip"},
        )
    return True


def _too_large(largest: int) -> Problem:
    return _unfinished(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"body: larger than {largest} bytes")


def _unfinished(status: HTTPStatus, kind: str, detail: str) -> Problem:
    """Of a body that is not read to its end: the connection is of no use after it."""
    return Problem(status, kind, detail, headers={"Connection": "close"})


class TokenGuard:
    """Asks for the access token: as bearer, or as a cookie set by opening a page once with `?token=`.

    On loopback with no token set everybody may pass: it is the developer's own machine.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, open_paths: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._token = token
        self._open = open_paths | OPS_PATHS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 401."""
        if scope["type"] != "http" or self._token is None or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        offered = request.query_params.get("token")
        if self._fits(offered):
            await self._app(scope, receive, self._remembering(send))
        elif self._fits(_bearer(request)) or self._fits(request.cookies.get(TOKEN_COOKIE)):
            await self._app(scope, receive, send)
        else:
            problem = Problem(
                HTTPStatus.UNAUTHORIZED,
                "token",
                "an access token is needed: Authorization: Bearer, or ?token= once",
                headers={"WWW-Authenticate": "Bearer"},
            )
            await problem.response()(scope, receive, send)

    def _fits(self, offered: str | None) -> bool:
        return self._token is not None and hmac.compare_digest((offered or "").encode(), self._token.encode())

    def _remembering(self, send: Send) -> Send:
        cookie = f"{TOKEN_COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            await send(message)

        return sending


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def guarded(settings: ServiceSettings, open_paths: frozenset[str] = frozenset()) -> list[Middleware]:
    """The token guard as these settings ask for it."""
    token = settings.access_token.get_secret_value() if settings.access_token else None
    return [Middleware(TokenGuard, token=token, open_paths=open_paths)]


class Server(uvicorn.Server):
    """Uvicorn without its signal handlers: stopping is the lifecycle's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield


def server_for(app: ASGIApp) -> Server:
    """A server for one process; the socket is bound elsewhere."""
    config = uvicorn.Config(
        app,
        http=PatientHttp,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        # whom a forwarded address is believed from is a setting, and none by default
        proxy_headers=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        server_header=False,
        ws="none",
    )
    return Server(config)
