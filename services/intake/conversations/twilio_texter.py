"""Sends through Twilio's API (2010-04-01, Messages), and reads from each answer whether Twilio has the text.

201          accepted
400, 404 ... refused: Twilio has read it and will never take it; 21610 says that the person told Twilio to stop
401, 403     not accepted, and not this text's fault: credentials or rights that are ours to mend
429          not accepted
408, 5xx     ambiguous: Twilio does not say that nothing was taken
no answer    ambiguous once the request has begun to leave, else not accepted
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import aiohttp

from services.intake.conversations.texter import Accepted, Ambiguous, Later, Outcome, PhoneText, Refused

if TYPE_CHECKING:
    from services.intake.settings import IntakeSettings

PATH: Final = "/2010-04-01/Accounts/{account}/Messages.json"
MESSAGING_SERVICE: Final = "MG"
LARGEST_ANSWER: Final = 64 * 1024
# shorter than any server keeps an idle connection: one that closes under a request makes its fate unknown
IDLE_S: Final = 2.0

NOT_THIS_TEXT: Final = frozenset({401, 403, 429})
TOLD_TO_STOP: Final = 21610


@dataclass(slots=True)
class _Leaving:
    """Whether a request has begun to be written."""

    left: bool = False


class TwilioTexter:
    """One connection pool to Twilio, or to what stands in for it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(self, text: PhoneText) -> Outcome:
        """Tries once."""
        leaving = _Leaving()
        try:
            async with self._session.post(
                self._url + PATH.format(account=text.account),
                data=form_of(text),
                headers={"Authorization": aiohttp.encode_basic_auth(text.account, text.token)},
                trace_request_ctx=leaving,
                allow_redirects=False,
            ) as response:
                return outcome_of(response.status, await _code(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            detail = type(error).__name__
            return Ambiguous(detail) if leaving.left else Later(f"not reached: {detail}")


@asynccontextmanager
async def open_twilio_texter(settings: IntakeSettings) -> AsyncIterator[TwilioTexter]:
    """A texter for the life of a process."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_begins_to_leave)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(keepalive_timeout=IDLE_S),
        timeout=aiohttp.ClientTimeout(total=settings.twilio_timeout_s),
        headers={"User-Agent": "nps-loop"},
        trace_configs=[trace],
    ) as session:
        yield TwilioTexter(session, settings.twilio_url)


def form_of(text: PhoneText) -> dict[str, str]:
    """What Twilio is sent."""
    sender = "MessagingServiceSid" if text.sender.startswith(MESSAGING_SERVICE) else "From"
    form = {"To": text.to, sender: text.sender}
    if text.template is None:
        return form | {"Body": text.body}
    return form | {"ContentSid": text.template, "ContentVariables": json.dumps(dict(text.variables))}


def outcome_of(status: int, code: int | None) -> Outcome:
    """What an answer says of the text; the table stands above."""
    detail = f"{status} {code}" if code else str(status)
    if status == 201:
        return Accepted()
    if status in NOT_THIS_TEXT:
        return Later(detail)
    if 400 <= status < 500 and status != 408:
        return Refused(detail, opted_out=code == TOLD_TO_STOP)
    return Ambiguous(detail)


async def _begins_to_leave(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    leaving: _Leaving = context.trace_request_ctx
    leaving.left = True


async def _code(response: aiohttp.ClientResponse) -> int | None:
    """Twilio's number of an error. Its message stays out: it may quote the telephone number."""
    try:
        told = json.loads(await response.content.read(LARGEST_ANSWER))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
    code = told.get("code") if isinstance(told, dict) else None
    return code if type(code) is int else None
