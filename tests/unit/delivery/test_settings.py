"""Delivery's settings and its section of the business file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from services.delivery.settings import DeliverySection, DeliverySettings, Item, Sender


def test_a_lease_is_at_least_five_times_the_request_timeout() -> None:
    settings = DeliverySettings(sendgrid_key="SG.k", master_key="A" * 43 + "=", sendgrid_timeout_s=7)
    assert settings.lease >= 5 * timedelta(seconds=7)


@pytest.mark.parametrize("url", ["api.sendgrid.com", "ftp://x", "https://", "https://x?a=1", "https://x#y"])
def test_an_address_is_http_or_https_and_no_more(url: str) -> None:
    with pytest.raises(ValidationError, match="must be an http or https address"):
        DeliverySettings(sendgrid_key="SG.k", master_key="A" * 43 + "=", sendgrid_url=url)


def test_the_key_shows_nowhere() -> None:
    assert "SG.secret" not in repr(DeliverySettings(sendgrid_key="SG.secret", master_key="A" * 43 + "="))


@pytest.mark.parametrize(
    ("allow_list", "address", "allowed"),
    [
        ([], "ada@acme.fi", True),
        (["acme.fi"], "ada@acme.fi", True),
        (["acme.fi"], "ada@ACME.fi", True),
        (["acme.fi"], "ada@notacme.fi", False),
        (["acme.fi"], "ada@mail.acme.fi", False),
        (["ada@acme.fi"], "ada@acme.fi", True),
        (["ada@acme.fi"], "bob@acme.fi", False),
        (["acme.fi"], "acme.fi@example.org", False),
    ],
)
def test_the_allow_list_names_addresses_and_whole_domains(
    allow_list: list[str], address: str, *, allowed: bool
) -> None:
    assert DeliverySection.model_validate({"allow_list": allow_list}).allows(address) == allowed


@pytest.mark.parametrize("entry", ["@acme.fi", "ada@", "a b@acme.fi", "ada@ACME.fi", "acme..fi", ""])
def test_the_allow_list_takes_no_entry_that_fits_nobody(entry: str) -> None:
    with pytest.raises(ValidationError):
        DeliverySection.model_validate({"allow_list": [entry]})


@pytest.mark.parametrize("name", ["Acme\r\nBcc: x", "Acme\n", "", "\x00"])
def test_a_senders_name_is_one_line(name: str) -> None:
    with pytest.raises(ValidationError):
        Sender(email="hello@acme.fi", name=name, address="1 Main Street")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "http://acme.fi", 'https://acme.fi/"x'])
def test_a_link_of_the_catalogue_is_https(link: str) -> None:
    with pytest.raises(ValidationError):
        Item(title="t", text="t", link=link)


def test_a_rule_names_an_item_by_its_template_or_the_kind_names_it() -> None:
    item = Item(title="t", text="t")
    section = DeliverySection(perks={"perk": item})
    assert section.item("perk", None) == section.item("perk", "perk") == item
    assert section.item("perk", "gold") is None
    assert section.item("offer", "perk") is None
