"""What intake needs to know: addresses and secrets from the environment, and its section of the business file."""

from __future__ import annotations

from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Annotated, Final
from urllib.parse import urlsplit

from phonenumbers import SUPPORTED_REGIONS
from pydantic import ConfigDict, Field, SecretStr, StringConstraints, TypeAdapter, ValidationError, field_validator
from pydantic_settings import NoDecode

from schemas.contract import Name
from services.chassis.business import Section
from services.chassis.failures import Halt
from services.chassis.settings import SealedSettings
from services.intake.conversations.settings import ConversationsSection
from services.intake.forms.words import Spoken
from services.intake.sources import crm
from services.intake.sources.catalogue import AnyOptions

Brand = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]

_Secret = Annotated[str, StringConstraints(min_length=8)]
_BY_SOURCE: Final[TypeAdapter[dict[str, _Secret | list[_Secret]]]] = TypeAdapter(
    dict[str, _Secret | list[_Secret]], config=ConfigDict(hide_input_in_errors=True)
)


class IntakeSettings(SealedSettings):
    """Intake's environment."""

    http_port: int = Field(default=8081, ge=0, le=65535, description="port to listen on; 0 takes any")
    sendgrid_webhook_key: str | None = Field(
        default=None, description="public key of SendGrid's signed event webhook, base64; without it events are refused"
    )
    crm_webhook_secret: SecretStr | None = Field(
        default=None, description="secret of the CRM's signed webhook, whsec_...; without it its calls are refused"
    )
    public_url: str | None = Field(
        default=None,
        description="address under which others reach intake, without /v1: links to forms begin with it, and some "
        "sources sign the address that they call; loopback if not set",
    )
    source_secrets: SecretStr = Field(
        default=SecretStr("{}"),
        description='secrets of sources, JSON: {"tenant/source": "secret"}, or a list while one replaces another',
    )
    source_tokens: SecretStr = Field(
        default=SecretStr("{}"),
        description="tokens for the APIs of vendors whose calls do not carry the answer, JSON as in NPS_SOURCE_SECRETS",
    )
    source_api_timeout_s: float = Field(
        default=5, gt=0, le=60, description="how long an answer is waited for that must be fetched from a vendor"
    )
    twilio_url: str = Field(default="https://api.twilio.com", description="where Twilio's API answers")
    twilio_timeout_s: float = Field(
        default=10.0, gt=0, le=60, description="how long Twilio may take to take a text, seconds"
    )

    rate_limit_per_key: int = Field(
        default=20_000,
        ge=0,
        description="requests within ten seconds under one API key, in each process; 0 for no limit",
    )
    rate_limit_per_address: int = Field(
        default=20_000,
        ge=0,
        description="requests within ten seconds from one address, in each process; 0 for no limit",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="addresses or networks whose X-Forwarded-For is believed, comma separated; none if not set",
    )

    def secrets_of(self, tenant: str, source: str) -> tuple[str, ...]:
        """What a source may sign with: none means that nothing it sends is believed."""
        return _held(self.source_secrets, tenant, source)

    def tokens_of(self, tenant: str, source: str) -> tuple[str, ...]:
        """What opens the API of a source's vendor, the newest first."""
        return _held(self.source_tokens, tenant, source)

    @property
    def forms_base(self) -> str:
        """Under which address links to forms stand."""
        return self.public_url or f"http://127.0.0.1:{self.http_port}"

    @field_validator("public_url", "twilio_url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://unset")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http or https address without query")
        return url and url.rstrip("/")

    @field_validator("source_secrets", "source_tokens")
    @classmethod
    def _is_a_map(cls, value: SecretStr) -> SecretStr:
        try:
            _BY_SOURCE.validate_json(value.get_secret_value())
        except ValidationError as error:
            raise ValueError('must be JSON: {"tenant/source": "secret"}, secrets of at least 8 characters') from error
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _are_networks(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        proxies = value.split(",") if isinstance(value, str) else value
        try:
            return tuple(str(ip_network(proxy.strip())) for proxy in proxies)
        except ValueError as error:
            raise ValueError("must be addresses or networks, comma separated: 10.0.0.7, 192.168.4.0/24") from error

    @field_validator("crm_webhook_secret")
    @classmethod
    def _signs(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            crm.parse_secret(value.get_secret_value())
        except Halt as error:
            raise ValueError(str(error).partition(": ")[2]) from error
        return value


def _held(by_source: SecretStr, tenant: str, source: str) -> tuple[str, ...]:
    held = _BY_SOURCE.validate_json(by_source.get_secret_value()).get(f"{tenant}/{source}", ())
    return (held,) if isinstance(held, str) else tuple(held)


class SegmentBound(Section):
    """How many segments there may be: each is counted for every window, so they must not grow without end."""

    most: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="distinct key=value pairs that are told apart, those of touchpoints, agents and teams among them",
    )
    overflow: str = Field(default="other", min_length=1, max_length=80, description="value that stands for all beyond")


class FormsSection(Section):
    """The form that people answer on."""

    brand: Brand | None = Field(default=None, description="what the question asks about; else it asks about us")
    language: Spoken = Field(default="en", description="where neither link nor browser asks for one that it speaks")


class IntakeSection(Section):
    """Intake's part of a tenant in the business file."""

    segments: SegmentBound = SegmentBound()
    phone_region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="country whose telephone numbers come without its code, for example FI (ISO 3166)"
    )
    inbound_topics: tuple[str, ...] = Field(
        default=("responses.*",), description="topics whose events may speak for this tenant; * stands for anything"
    )

    conversations: ConversationsSection | None = Field(
        default=None, description="the survey in SMS, WhatsApp, chatbots and voicebots; none without it"
    )
    sources: dict[Name, AnyOptions] = Field(
        default_factory=dict, description="programs of others that call us, by the name that stands in their address"
    )

    forms: FormsSection = FormsSection()

    @field_validator("phone_region")
    @classmethod
    def _has_telephones(cls, value: str | None) -> str | None:
        if value is not None and value not in SUPPORTED_REGIONS:
            raise ValueError(f"no telephone numbers are known of {value}")
        return value

    def may_speak(self, topic: str) -> bool:
        """Whether events of an inbound topic may name this tenant."""
        return any(fnmatchcase(topic, pattern) for pattern in self.inbound_topics)
