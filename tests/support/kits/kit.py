"""How a vendor signs, and the calls recorded of it."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from services.intake.sources.catalogue import ADAPTERS, Adapter, AnyOptions
from services.intake.sources.source import Call, Lookup, SourceOptions, Told

RECORDED: Final = Path(__file__).parents[2] / "unit" / "intake" / "sources" / "recorded"
NOW: Final = datetime(2026, 5, 20, 12, tzinfo=UTC)

Headers = dict[str, str]
Sign = Callable[[bytes, str, datetime], Headers]


@dataclass(frozen=True)
class Kit:
    """One vendor. `sign` makes the headers that prove a body under a secret at a time; a token proves no body."""

    vendor: str
    options: Mapping[str, Any]  # as they stand in the business file
    secret: str
    other_secret: str
    sign: Sign
    proof: str = "authorization"
    time: str | None = None
    id: str | None = None
    signs_body: bool = True
    takes_several: bool = False
    """Whether one signature that fits is enough among others."""
    content_type: str = "application/json"
    url: str = ""
    """The address called, where the vendor signs it."""
    talks: bool = False
    """Whether its calls are turns of a conversation and no answers by themselves."""
    recorded_in: str | None = None
    """The folder of what is recorded, where the vendor has several kits."""

    @cached_property
    def adapter(self) -> Adapter:
        """The module's own functions."""
        return ADAPTERS[self.vendor]

    def parsed_options(self, **more: Any) -> SourceOptions:  # as they stand in the business file
        """Its part of the business file, read."""
        options: SourceOptions = TypeAdapter(AnyOptions).validate_python(
            {"vendor": self.vendor, **self.options, **more}
        )
        return options

    @property
    def recorded(self) -> dict[str, bytes]:
        """The bodies recorded, by name."""
        return _files(RECORDED / (self.recorded_in or self.vendor))

    @property
    def api(self) -> dict[str, bytes]:
        """What the vendor's API answered to the look-up of the recorded call of the same name."""
        return _files(RECORDED / self.vendor / "api")

    def told(self, name: str, options: SourceOptions) -> list[Told]:
        """What a recorded call says, its look-ups answered as they were."""
        said = self.adapter.parse(self.call(self.recorded[name]), options)
        read = [item.read(self.api[name]) if isinstance(item, Lookup) else [item] for item in said]
        return [item for each in read for item in each]

    def call(self, body: bytes, *, secret: str | None = None, at: datetime = NOW) -> Call:
        """A call as the vendor makes it."""
        headers = {"content-type": self.content_type} | self.sign(body, secret or self.secret, at)
        return Call.of(headers, body, url=self.url)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}


def with_header(call: Call, name: str, value: str) -> Call:
    """The same call with another value of one header."""
    return replace(call, headers={**call.headers, name: value})


def without(call: Call, name: str) -> Call:
    """The same call without a header."""
    return replace(call, headers={other: value for other, value in call.headers.items() if other != name})


def hex_signature(header: str, prefix: str = "", digest: str = "sha256") -> Sign:
    """HMAC over the body alone, hexadecimal."""
    return lambda body, secret, _at: {header: prefix + hmac.digest(secret.encode(), body, digest).hex()}


def base64_signature(header: str, prefix: str = "", digest: str = "sha256") -> Sign:
    """HMAC over the body alone, base64."""

    def sign(body: bytes, secret: str, _at: datetime) -> Headers:
        return {header: prefix + base64.b64encode(hmac.digest(secret.encode(), body, digest)).decode()}

    return sign


def standard_signature(body: bytes, secret: str, at: datetime) -> Headers:
    """Standard Webhooks 1.0."""
    name, sent = "msg_2f6b1c", str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{name}.{sent}.".encode() + body, "sha256")).decode()
    return {"webhook-id": name, "webhook-timestamp": sent, "webhook-signature": f"v1,{signature}"}


def bearer(_body: bytes, secret: str, _at: datetime) -> Headers:
    """A token of ours in a header of the vendor's choice."""
    return {"authorization": f"Bearer {secret}"}


def basic(_body: bytes, secret: str, _at: datetime) -> Headers:
    """A token of ours as password of an address."""
    return {"authorization": "Basic " + base64.b64encode(f"nps:{secret}".encode()).decode()}
