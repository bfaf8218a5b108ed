"""What delivery needs to know: addresses and the provider's key from the environment, the rest from its section."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from services.chassis.business import Section
from services.chassis.settings import SealedSettings

LEASE_OVER_TIMEOUT = 6
"""A lease lasts this many request timeouts: at least five, and one for what is around them."""

ItemName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
EmailAddress = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^\s@<>\"]+@[^\s@<>\".]+(\.[^\s@<>\".]+)+$")]
Recipient = Annotated[str, StringConstraints(max_length=254, pattern=r"^([^\s@]+@)?[^\s@.]+(\.[^\s@.]+)*$")]


class DeliverySettings(SealedSettings):
    """Delivery's environment."""

    http_port: int = Field(default=8083, ge=0, le=65535, description="port to listen on; 0 takes any")
    sendgrid_url: str = Field(default="https://api.sendgrid.com", description="where SendGrid's API v3 answers")
    sendgrid_key: SecretStr = Field(description="API key of SendGrid with the right to send mail")
    sendgrid_sandbox: bool = Field(
        default=False, description="says that sendgrid_url is this project's sandbox, where it is not on loopback"
    )
    sendgrid_timeout_s: float = Field(default=10.0, gt=0, le=60, description="how long an answer may take, seconds")
    mails_at_once: int = Field(default=16, ge=1, le=100, description="requests under way at the same time")
    unsubscribe_url: str | None = Field(
        default=None, description="public address under which this service's /u/ is reached; required to go live"
    )

    @field_validator("sendgrid_url", "unsubscribe_url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://unset")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http or https address without query")
        return url and url.rstrip("/")

    @property
    def lease(self) -> timedelta:
        """How long a mail is ours once claimed."""
        return timedelta(seconds=self.sendgrid_timeout_s * LEASE_OVER_TIMEOUT)


class Sender(Section):
    """Who mails come from."""

    email: EmailAddress = Field(description="an address SendGrid knows as a verified sender")
    name: Line = Field(description="the name people see")
    address: Line = Field(description="postal address of the company, at the foot of every mail")


class Item(Section):
    """One perk or offer of the catalogue."""

    title: Line = Field(description="what it is, in a few words; stands in the subject")
    text: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="a sentence or two about it"
    )
    link: Annotated[str, StringConstraints(pattern=r"^https://[^\s\"<>]+$", max_length=500)] | None = Field(
        default=None, description="where it can be had, https"
    )


class DeliverySection(Section):
    """Delivery's part of a tenant in the business file."""

    sender: Sender | None = Field(default=None, description="required to go live; a stand-in is used in the sandbox")
    live: bool = Field(default=False, description="mail whoever answers, where the allow-list is empty")
    allow_list: tuple[Recipient, ...] = Field(
        default=(), description="if not empty, only these addresses and domains are written to"
    )
    perks: dict[ItemName, Item] = Field(default_factory=dict, description="what promoters get, by the rule's template")
    offers: dict[ItemName, Item] = Field(default_factory=dict, description="what passives get, by the rule's template")

    @model_validator(mode="after")
    def _in_lower_case(self) -> Self:
        if any(entry.rpartition("@")[2] != entry.rpartition("@")[2].lower() for entry in self.allow_list):
            raise ValueError("allow_list: domains in lower case")
        return self

    def item(self, kind: str, name: str | None) -> Item | None:
        """The perk or offer of that name; none if there is no such."""
        return (self.perks if kind == "perk" else self.offers).get(name or kind)

    def allows(self, address: str) -> bool:
        """Whether an address may be written to, as far as the allow-list goes; the local part is taken as it is."""
        domain = address.rpartition("@")[2].lower()
        named = f"{address.rpartition('@')[0]}@{domain}"
        return not self.allow_list or domain in self.allow_list or named in self.allow_list
