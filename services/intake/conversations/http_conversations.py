"""HTTP of conversations: begun by an API key, led by bots a message at a time, answered by telephones through a vendor.

202 means that what was said is durable and the next step is saved.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from schemas.contract import Identifier, Stranger, Text
from schemas.topic import decode_json
from services.chassis import tracing
from services.chassis.problems import Problem
from services.chassis.web import body_of
from services.intake.conversations.asked import Asked, international
from services.intake.conversations.conversing import Message, Started
from services.intake.conversations.stop_words import asks_to_stop, is_answered_by_twilio
from services.intake.sources import twilio
from services.intake.sources.source import Heard

if TYPE_CHECKING:
    from services.intake.calls import Source
    from services.intake.conversations.conversing import Conversing
    from services.intake.sources.source import Call

STARTED: Final = "/v1/conversations"
SAID: Final = "/v1/conversations/{session}/messages"


class SaidByBot(Stranger):
    """What somebody said to a bot; `message_id` is the same when the same is sent again."""

    text: Text
    message_id: Identifier | None = None


class ConversationStarted(BaseModel):
    """A conversation that goes on. `say` is the question; on telephones it has gone out, if `sent` says so."""

    conversation_id: str = Field(description="names the answer, once there is one")
    say: str
    over: bool = False
    new: bool = Field(description="false where one with this telephone or session goes on: nothing was sent again")
    sent: Literal["accepted", "unknown"] | None = None


class ConversationTold(BaseModel):
    """What to say next, if anything, and whether nothing more is asked."""

    say: str | None
    over: bool


@dataclass(frozen=True, slots=True)
class HttpConversations:
    """What the routes of conversations need."""

    conversing: Conversing
    tenant_of: Callable[[Request], Awaitable[str]]

    async def start(self, request: Request) -> Response:
        """Asks somebody."""
        tenant = await self.tenant_of(request)
        asked = decode_json(Asked, await body_of(request))
        return _response(_started(await self.conversing.start(tenant, asked)))

    async def said(self, request: Request) -> Response:
        """Takes in what somebody said to a bot, and tells it what to say."""
        tenant = await self.tenant_of(request)
        message = decode_json(SaidByBot, await body_of(request))
        party = await self.conversing.session_party(tenant, request.path_params["session"])
        told = await self.conversing.hear(
            tenant,
            party,
            Message(
                text=message.text,
                message_id=message.message_id,
                traceparent=request.headers.get(tracing.HEADER),
            ),
        )
        if told is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not-found", "no conversation with this session has been begun")
        return _response(ConversationTold(say=told.say, over=told.over))

    async def on_text(self, source: Source, call: Call) -> Response:
        """Answers a verified call of Twilio.

        Raises:
            Malformed: if it is no message that anybody could answer.
            Transient: if nothing can be taken in now.
        """
        trace = call.headers.get(tracing.HEADER)
        say = None
        for heard in twilio.parse(call, source.options):  # type: ignore[arg-type]  # its vendor is twilio
            if isinstance(heard, Heard):
                say = await self._answer(source, heard, trace)
        return Response(twilio.reply(say), media_type=twilio.TWIML)

    async def _answer(self, source: Source, heard: Heard, trace: str | None) -> str | None:
        phone = international(heard.phone, "From")
        message = Message(text=heard.text, message_id=heard.message_id, opts_out=heard.opts_out, traceparent=trace)
        party = await self.conversing.phone_party(source.tenant, phone)
        told = await self.conversing.hear(source.tenant, party, message)
        stops = heard.opts_out or asks_to_stop(heard.text, None)
        if told is None:
            if stops:
                await self.conversing.stop(source.tenant, phone, source.name, trace)
            return None
        answered = heard.opts_out or (heard.medium == "sms" and is_answered_by_twilio(heard.text))
        return None if answered else told.say


def _started(started: Started) -> ConversationStarted:
    return ConversationStarted(
        conversation_id=started.conversation_id, say=started.told.say or "", new=started.new, sent=started.sent
    )


def _response(told: BaseModel) -> Response:
    return Response(told.model_dump_json(), HTTPStatus.ACCEPTED, media_type="application/json")
