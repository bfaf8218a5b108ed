"""Requests to an application without a client in between, so that headers go as they are, whatever is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered."""

    status: int
    content_type: str
    body: bytes


async def post(app: ASGIApp, path: str, body: bytes, headers: Mapping[str, str], query: str = "") -> Told:
    """A POST as a server would hand it on. What no server would let pass in a header is passed on all the same."""
    scope: dict[str, Any] = {  # of the ASGI specification
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode(errors="replace")) for name, value in headers.items()],
        "client": ("192.0.2.1", 1),
        "server": ("intake", 80),
        "state": {},
    }
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    start = said[0]
    kind = dict(start["headers"]).get(b"content-type", b"").decode()
    return Told(start["status"], kind, b"".join(message.get("body", b"") for message in said[1:]))
