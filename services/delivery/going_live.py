"""What must be set before mail may reach real people, and how the sandbox is told from the real SendGrid.

It is the sandbox if it answers on loopback, or if NPS_SENDGRID_SANDBOX says so; a host of SendGrid's never is. Against
anything else delivery refuses to start before everything it needs is set.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from services.chassis.business import Sections
from services.chassis.failures import Halt
from services.delivery.settings import DeliverySection, DeliverySettings, Sender

PROVIDERS_OWN: Final = ("sendgrid.com", "sendgrid.net", "twilio.com")
SANDBOX_UNSUBSCRIBE_URL: Final = "http://127.0.0.1:{port}"
RESERVED: Final = ("example.com", "example.net", "example.org", "example", "invalid", "test", "localhost")
"""Names nobody can have mail at (RFC 2606)."""


def speaks_to_sandbox(settings: DeliverySettings) -> bool:
    """Whether mails stay on the sandbox, whatever they say."""
    host = (urlsplit(settings.sendgrid_url).hostname or "").rstrip(".").lower()
    if _is_under(host, PROVIDERS_OWN):
        return False
    return settings.sendgrid_sandbox or _is_loopback(host)


def check_may_go_live(settings: DeliverySettings, sections: Sections[DeliverySection]) -> None:
    """Returns if mails stay in the sandbox, or if everything is set.

    Raises:
        Halt: listing everything that is missing.
    """
    if speaks_to_sandbox(settings):
        return
    missing = _missing_settings(settings)
    for tenant, section in sections:
        missing += [f"tenants.{tenant}.delivery.{line}" for line in _missing_in(section)]
    if missing:
        lines = "\n".join(f"  {line}" for line in missing)
        raise Halt(f"{settings.sendgrid_url} sends real mail; before that, set:\n{lines}")


def sender_of(tenant: str, section: DeliverySection) -> Sender:
    """The tenant's sender; in the sandbox, where none need be set, a stand-in nobody can have mail at."""
    return section.sender or Sender(
        email=f"feedback@{tenant.strip('-').replace('_', '-')}.example",
        name="Sample Company",
        address="1 Sample Street, 00100 Sampletown",
    )


def unsubscribe_base(settings: DeliverySettings) -> str:
    """Under which address our unsubscribe links stand; in the sandbox this machine's own, if none is set."""
    return settings.unsubscribe_url or SANDBOX_UNSUBSCRIBE_URL.format(port=settings.http_port)


def _missing_settings(settings: DeliverySettings) -> list[str]:
    found = []
    if settings.unsubscribe_url is None:
        found.append("NPS_UNSUBSCRIBE_URL: the public https address of delivery's /u/")
    elif not settings.unsubscribe_url.startswith("https://"):
        found.append("NPS_UNSUBSCRIBE_URL: must be https (RFC 8058)")
    if not settings.sendgrid_url.startswith("https://"):
        found.append("NPS_SENDGRID_URL: must be https, or the key goes out in clear")
    return found


def _missing_in(section: DeliverySection) -> list[str]:
    found = []
    if section.sender is None:
        found.append("sender: email, name and postal address")
    elif _is_under(section.sender.email.rpartition("@")[2].lower(), RESERVED):
        found.append("sender.email: an address of your own")
    if not section.live and not section.allow_list:
        found.append("allow_list or live: whom to write to, or live: true for everybody")
    return found


def _is_under(host: str, domains: Collection[str]) -> bool:
    return any(host == domain or host.endswith("." + domain) for domain in domains)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
