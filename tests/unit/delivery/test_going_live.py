"""Before mail may reach real people: what must be set, and how the sandbox is told from the real thing."""

from __future__ import annotations

from typing import Any

import pytest

from services.chassis.business import Sections
from services.chassis.failures import Halt
from services.delivery.going_live import check_may_go_live, sender_of, speaks_to_sandbox, unsubscribe_base
from services.delivery.settings import DeliverySection, DeliverySettings, Sender

SENDER = {"email": "hello@acme.fi", "name": "Acme", "address": "1 Main Street"}
LIVE = {"sendgrid_url": "https://api.sendgrid.com", "unsubscribe_url": "https://mail.acme.fi"}


def set_to(**given: Any) -> DeliverySettings:  # values of settings
    return DeliverySettings(**{"sendgrid_key": "SG.k", "master_key": "A" * 43 + "=", "http_port": 8083, **given})


def sections(**section: Any) -> Sections[DeliverySection]:  # values of the section
    return Sections({"acme": DeliverySection.model_validate(section)})


@pytest.mark.parametrize(
    ("url", "said", "sandbox"),
    [
        ("http://127.0.0.1:8086", False, True),
        ("http://localhost:8086", False, True),
        ("http://[::1]:8086", False, True),
        ("http://127.9.9.9", False, True),
        ("https://api.sendgrid.com", False, False),
        ("https://api.eu.sendgrid.com", False, False),
        ("https://api.sendgrid.com", True, False),
        ("https://API.SendGrid.com.", True, False),
        ("http://mail-sandbox:8086", False, False),
        ("http://mail-sandbox:8086", True, True),
        ("https://localhost.evil.example", False, False),
        ("https://notsendgrid.com.example", True, True),
    ],
)
def test_the_sandbox_is_on_loopback_or_said_to_be_one_and_never_sendgrids_own(
    url: str, *, said: bool, sandbox: bool
) -> None:
    assert speaks_to_sandbox(set_to(sendgrid_url=url, sendgrid_sandbox=said)) == sandbox


def test_against_the_sandbox_nothing_need_be_set() -> None:
    check_may_go_live(set_to(sendgrid_url="http://127.0.0.1:8086"), sections())


def test_everything_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(Halt) as refusal:
        check_may_go_live(set_to(), sections())
    said = str(refusal.value)
    for missing in ("NPS_UNSUBSCRIBE_URL", "tenants.acme.delivery.sender", "allow_list or live"):
        assert missing in said


@pytest.mark.parametrize("permission", [{"live": True}, {"allow_list": ["acme.fi"]}])
def test_with_a_sender_an_unsubscribe_address_and_a_permission_it_goes_live(permission: dict[str, Any]) -> None:
    check_may_go_live(set_to(**LIVE), sections(sender=SENDER, **permission))


@pytest.mark.parametrize(
    ("settings", "section", "missing"),
    [
        (LIVE | {"unsubscribe_url": None}, {"sender": SENDER, "live": True}, "NPS_UNSUBSCRIBE_URL"),
        (LIVE | {"unsubscribe_url": "http://mail.acme.fi"}, {"sender": SENDER, "live": True}, "must be https"),
        (LIVE | {"sendgrid_url": "http://api.sendgrid.com"}, {"sender": SENDER, "live": True}, "NPS_SENDGRID_URL"),
        (LIVE, {"live": True}, "sender"),
        (LIVE, {"sender": SENDER | {"email": "hello@acme.example"}, "live": True}, "sender.email"),
        (LIVE, {"sender": SENDER | {"email": "hello@Example.com"}, "live": True}, "sender.email"),
        (LIVE, {"sender": SENDER | {"email": "hello@mail.example.com"}, "live": True}, "sender.email"),
        (LIVE, {"sender": SENDER}, "allow_list or live"),
    ],
)
def test_each_thing_that_is_missing_alone_keeps_it_from_going_live(
    settings: dict[str, Any], section: dict[str, Any], missing: str
) -> None:
    with pytest.raises(Halt, match=missing):
        check_may_go_live(set_to(**settings), sections(**section))


@pytest.mark.parametrize("domain", ["counterexample.com", "latest.fi", "contest.test.fi"])
def test_a_domain_that_only_looks_like_a_reserved_one_goes_live(domain: str) -> None:
    check_may_go_live(set_to(**LIVE), sections(sender=SENDER | {"email": f"hi@{domain}"}, live=True))


def test_one_tenant_that_lacks_something_keeps_all_from_going_live() -> None:
    ready = DeliverySection(sender=Sender(**SENDER), live=True)
    with pytest.raises(Halt, match=r"tenants\.b\.delivery"):
        check_may_go_live(set_to(**LIVE), Sections({"a": ready, "b": DeliverySection()}))


@pytest.mark.parametrize("tenant", ["default", "demo-1f", "a_b-", "0"])
def test_the_stand_in_sender_has_an_address_nobody_can_have(tenant: str) -> None:
    assert sender_of(tenant, DeliverySection()).email.endswith(".example")


def test_unsubscribe_links_begin_with_what_is_set_or_in_the_sandbox_with_this_machine() -> None:
    assert unsubscribe_base(set_to(unsubscribe_url="https://mail.acme.fi/nps/")) == "https://mail.acme.fi/nps"
    assert unsubscribe_base(set_to()) == "http://127.0.0.1:8083"
