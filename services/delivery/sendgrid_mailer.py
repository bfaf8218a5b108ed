"""Sends through SendGrid's API v3, and reads from each answer whether SendGrid has the mail.

202                       accepted; without X-Message-Id too, since the status says so and events name our id
429                       not accepted; not before X-RateLimit-Reset, or Retry-After
401, 403                  not accepted, and not this mail's fault: a key or a sender that is ours to mend
408                       ambiguous: something on the way gave up waiting, nobody says who
other 4xx                 refused: SendGrid has read the mail and will never take it
500, 503 in its own form  not accepted: SendGrid's application answered, and it answers so without accepting
any other 5xx             ambiguous: a gateway speaks (502, 504, a page instead of JSON), and what is behind it may
                          have taken the mail
any other status          ambiguous: the API knows no such answer to this request
no answer                 ambiguous once the request has begun to leave, else not accepted
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from sendgrid.helpers.mail import (
    Category,
    ClickTracking,
    Content,
    CustomArg,
    From,
    Header,
    OpenTracking,
    SubscriptionTracking,
    To,
    TrackingSettings,
)
from sendgrid.helpers.mail import Mail as SendGridMail

from services.chassis.clock import Clock
from services.delivery.mailer import Accepted, Ambiguous, Later, Mail, Outcome, Quota, Refused
from services.delivery.settings import DeliverySettings

PATH: Final = "/v3/mail/send"
LARGEST_ANSWER: Final = 64 * 1024
LONGEST_MESSAGE_ID: Final = 200
# shorter than any server keeps an idle connection: one that closes under a request makes its fate unknown
IDLE_S: Final = 2.0

SHORTEST: Final = timedelta(seconds=1)
UNTOLD: Final = timedelta(minutes=1)
"""How long to stay away after a 429 that does not say how long."""

NOT_THIS_MAIL: Final = frozenset({401, 403})
WITHOUT_ACCEPTING: Final = frozenset({500, 503})


class _MustNotLeave(Exception):
    """The moment to write the request has passed."""


@dataclass(slots=True)
class _Leaving:
    """One request on its way out."""

    may_leave: Callable[[], bool]
    left: bool = False


class SendGridMailer:
    """One connection pool to SendGrid, or to the sandbox that behaves like it."""

    name: Final = "sendgrid"

    def __init__(self, session: aiohttp.ClientSession, url: str, clock: Clock) -> None:
        self._session = session
        self._url = url + PATH
        self._clock = clock

    async def send(self, mail: Mail, may_leave: Callable[[], bool]) -> Outcome:
        """Tries once. Asks `may_leave` with the connection open, straight before anything is written to it."""
        leaving = _Leaving(may_leave)
        body = json.dumps(_built(mail)).encode()
        try:
            async with self._session.post(self._url, data=body, trace_request_ctx=leaving) as response:
                content = await _read(response)
                return outcome_of(response.status, response.headers, content, self._clock.now())
        except _MustNotLeave:
            return Later(detail="its time was over before the request left", everyone=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            detail = type(error).__name__
            return Ambiguous(detail=detail) if leaving.left else Later(detail=f"not reached: {detail}")


@asynccontextmanager
async def open_sendgrid_mailer(settings: DeliverySettings, clock: Clock) -> AsyncIterator[SendGridMailer]:
    """A mailer for the life of a process."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_about_to_write)
    headers = {
        "Authorization": f"Bearer {settings.sendgrid_key.get_secret_value()}",
        "Content-Type": "application/json",
        "User-Agent": "nps-loop",
    }
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.mails_at_once, keepalive_timeout=IDLE_S),
        timeout=aiohttp.ClientTimeout(total=settings.sendgrid_timeout_s),
        headers=headers,
        trace_configs=[trace],
    ) as session:
        yield SendGridMailer(session, settings.sendgrid_url, clock)


def outcome_of(status: int, headers: Mapping[str, str], content: bytes, now: datetime) -> Outcome:
    """What an answer says of the mail; the table stands above."""
    quota = _quota(headers)
    detail = " ".join([str(status), *_fields(content)])[:200]
    if status == 202:
        return Accepted(message_id=_message_id(headers), quota=quota)
    if status == 429:
        return Later(detail=detail, not_before=_not_before(headers, now), quota=quota)
    if status in NOT_THIS_MAIL:
        return Later(detail=detail, quota=quota)
    if 400 <= status < 500 and status != 408:
        return Refused(detail=detail, quota=quota)
    if status in WITHOUT_ACCEPTING and _errors(content) is not None:
        return Later(detail=detail, quota=quota)
    return Ambiguous(detail=detail, quota=quota)


def _built(mail: Mail) -> dict[str, Any]:  # JSON of any shape
    """SendGrid's JSON. Nothing but opaque ids goes into custom_args: SendGrid keeps them for long."""
    recipient = To()
    recipient.email = mail.recipient  # the constructor would parse `Name <address>` out of it
    built = SendGridMail(From(mail.sender_email, mail.sender_name), recipient, mail.subject)
    built.add_content(Content("text/plain", mail.text))
    built.add_content(Content("text/html", mail.html))
    built.add_header(Header("List-Unsubscribe", f"<{mail.unsubscribe_url}>"))
    built.add_header(Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    built.add_custom_arg(CustomArg("delivery_id", str(mail.delivery_id)))
    built.add_custom_arg(CustomArg("tenant", mail.tenant))
    built.add_category(Category(mail.category))
    tracking = TrackingSettings()
    tracking.click_tracking = ClickTracking(enable=False, enable_text=False)
    tracking.open_tracking = OpenTracking(enable=False)
    tracking.subscription_tracking = SubscriptionTracking(enable=False)
    built.tracking_settings = tracking
    content: dict[str, Any] = built.get()
    return content


async def _about_to_write(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """Called by aiohttp with the connection open and nothing written yet; an exception closes it unwritten."""
    leaving: _Leaving = context.trace_request_ctx
    if not leaving.may_leave():
        raise _MustNotLeave
    leaving.left = True


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body as far as it matters; the status has been said, so that a body cut off changes nothing."""
    try:
        return await response.content.readexactly(LARGEST_ANSWER)
    except asyncio.IncompleteReadError as whole:
        return whole.partial
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b""


def _message_id(headers: Mapping[str, str]) -> str | None:
    given = headers.get("X-Message-Id", "").strip()
    return given if given.isprintable() and 0 < len(given) <= LONGEST_MESSAGE_ID else None


def _quota(headers: Mapping[str, str]) -> Quota | None:
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    limit, remaining, reset = (_number(headers.get(name)) for name in names)
    if limit is None or remaining is None or reset is None or limit <= 0:
        return None
    return Quota(limit, remaining, datetime.fromtimestamp(reset, UTC))


def _not_before(headers: Mapping[str, str], now: datetime) -> datetime:
    """When a 429 wants us back: the reset, else Retry-After in seconds or as a date; never at once."""
    reset, after = _number(headers.get("X-RateLimit-Reset")), headers.get("Retry-After", "").strip()
    seconds = _number(after)
    if reset is not None:
        moment = datetime.fromtimestamp(reset, UTC)
    elif seconds is not None:
        moment = now + timedelta(seconds=seconds)
    else:
        try:
            moment = parsedate_to_datetime(after).astimezone(UTC)
        except ValueError:
            moment = now + UNTOLD
    return max(moment, now + SHORTEST)


def _number(text: str | None) -> int | None:
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else None


def _errors(content: bytes) -> list[object] | None:
    """The errors of an answer in SendGrid's own form; none if it has another."""
    try:
        told = json.loads(content)
    except ValueError:
        return None
    errors = told.get("errors") if isinstance(told, dict) else None
    return errors if isinstance(errors, list) else None


def _fields(content: bytes) -> list[str]:
    """The fields SendGrid complains of. Its messages stay out: they may quote an address."""
    fields = [error.get("field") for error in _errors(content) or () if isinstance(error, dict)]
    return [field for field in fields if isinstance(field, str) and field.isascii() and field.isprintable()]
