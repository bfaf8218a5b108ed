"""A Twilio to test against: takes texts as its API does, and calls back, signed, when a telephone answers."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from defusedxml import ElementTree
from httpx2 import AsyncClient, Response
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response as Sent
from starlette.routing import Route

from tests.support.listening import listening

ACCOUNT = "AC" + "0" * 31 + "1"
TOKEN = "auth token of the account"
NUMBER = "+15005550006"


def signature(url: str, body: bytes, token: str) -> str:
    """What Twilio says of a form it sends."""
    parameters = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    signed = url + "".join(name + value for name, value in sorted(set(parameters)))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


@dataclass
class TwilioSandbox:
    """One account. `texts` are the forms it has taken, in order; `answers` what it answers before it behaves again."""

    texts: list[dict[str, str]] = field(default_factory=list)
    answers: list[Sent | None] = field(default_factory=list)
    url: str = ""
    heard: int = 0

    def fails(self, status: int, code: int | None = None) -> None:
        """The next text is answered so, and not taken."""
        told = {"code": code, "message": "The number +420... is wrong", "more_info": "", "status": status}
        self.answers.append(JSONResponse(told, status))

    def to(self, phone: str) -> list[str]:
        """What a telephone was sent, template or text."""
        return [text.get("ContentSid") or text["Body"] for text in self.texts if text["To"] == phone]

    async def take(self, request: Request) -> Sent:
        """POST Messages.json, as far as it is used here."""
        offered = request.headers.get("authorization", "").removeprefix("Basic ")
        if base64.b64decode(offered).decode() != f"{ACCOUNT}:{TOKEN}" or request.path_params["account"] != ACCOUNT:
            return JSONResponse({"code": 20003, "message": "Authenticate", "status": 401}, 401)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            return answer
        self.texts.append(dict(parse_qsl((await request.body()).decode(), strict_parsing=True)))
        return JSONResponse({"sid": f"SM{len(self.texts):032x}", "status": "queued"}, 201)

    async def says(self, client: AsyncClient, phone: str, text: str, **more: str) -> Response:
        """A telephone answers: the webhook is called, signed. What comes back as TwiML is sent to the telephone."""
        self.heard += 1
        form = {
            "MessageSid": f"SM{self.heard:032x}",
            "AccountSid": ACCOUNT,
            "From": phone,
            "To": NUMBER,
            "Body": text,
            "NumMedia": "0",
        } | more
        answer = await self.call(client, form)
        if answer.headers["content-type"].startswith("text/xml"):
            for message in ElementTree.fromstring(answer.text).findall("Message"):
                self.texts.append({"To": phone, "Body": message.text or ""})
        return answer

    async def call(self, client: AsyncClient, form: Mapping[str, str], source: str = "default/sms") -> Response:
        """Calls the webhook of a source."""
        url, body = f"http://service/v1/sources/{source}", urlencode(form).encode()
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": signature(url, body, TOKEN),
        }
        return await client.post(url, content=body, headers=headers)


@asynccontextmanager
async def twilio_sandbox() -> AsyncIterator[TwilioSandbox]:
    """A sandbox that is served for as long as the block lasts."""
    sandbox = TwilioSandbox()
    routes = [Route("/2010-04-01/Accounts/{account}/Messages.json", sandbox.take, methods=["POST"])]
    async with listening(Starlette(routes=routes)) as url:
        sandbox.url = url
        yield sandbox


def secrets(*sources: str) -> str:
    """What NPS_SOURCE_SECRETS holds."""
    return json.dumps(dict.fromkeys(sources, TOKEN))
