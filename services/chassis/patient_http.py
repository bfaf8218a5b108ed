"""The HTTP protocol of our servers: patient with the slow, for so long, and then no connection is held for them.

uvicorn waits without end for the head of a request, and for the rest of a body that was answered before it was read.
What is no HTTP at all is answered with a problem like everything else that is wrong.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.chassis.problems import MEDIA_TYPE, Problem

LARGEST_HEAD: Final = 32 * 1024
HEAD_WITHIN: Final = timedelta(seconds=30)
REST_WITHIN: Final = timedelta(seconds=5)
"""For the rest of a body nobody reads, so that the answer is read before the connection is gone (RFC 9112 §9.6)."""


class PatientHttp(H11Protocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # uvicorn's own
        super().__init__(*arguments, **options)
        self.conn = InOnePiece(h11.SERVER, self.config.h11_max_incomplete_event_size or LARGEST_HEAD)
        self._cutting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Waits for the first head."""
        super().connection_made(transport)
        self._cut_after(HEAD_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing left to cut."""
        super().connection_lost(exc)
        self._cut_no_more()

    def data_received(self, data: bytes) -> None:
        """A head that has begun has so long to end, however its bytes trickle in."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            if self._cutting is None:
                self._cut_after(HEAD_WITHIN)
        elif self.conn.our_state is not h11.DONE:
            self._cut_no_more()

    def on_response_complete(self) -> None:
        """What was answered before it was read has little time left."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._cut_after(REST_WITHIN)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or has a head that is too large."""
        problem = Problem(HTTPStatus.BAD_REQUEST, "not-http", msg)
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=problem.status, headers=headers, reason=problem.status.phrase.encode()),
            h11.Data(data=json.dumps(problem.body()).encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _cut_after(self, patience: timedelta) -> None:
        self._cut_no_more()
        self._cutting = self.loop.call_later(patience.total_seconds(), self.transport.close)

    def _cut_no_more(self) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None


class InOnePiece(h11.Connection):
    """Hands the head of an answer out with the beginning of its body: one call of the system instead of two.

    A head that tells no length begins a stream, whose first piece may be far off: it goes at once.
    """

    _head = b""

    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override]  # theirs tells when it is which
        """The bytes to be sent now."""
        output = super().send(event)
        if isinstance(event, h11.Response) and output and any(name == b"content-length" for name, _ in event.headers):
            self._head, output = output, b""
        elif self._head and output is not None:
            self._head, output = b"", self._head + output
        return output
