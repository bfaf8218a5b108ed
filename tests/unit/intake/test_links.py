"""Links to the form: ours alone, bound to their tenant, and without anybody's data in clear."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.malformed import Malformed
from schemas.response import SubmittedAgent
from services.intake.links import LONGEST_TOKEN, Link, answer_id, mark_of, opened, tenant_of, token_for
from tests.support.answers import NOON
from tests.support.forged_links import NAMES, forgeries

SECRET = bytes(range(32))
LINK = Link(
    tenant="acme",
    expires_at=NOON,
    response_id="00112233445566778899aabbccddeeff",
    customer_id="C-1042",
    email="olga@example.org",
    touchpoint="support",
    language="fi",
    segments={"plan": "pro"},
    agent=SubmittedAgent(id="anna", team="blue"),
)
OF_OLD = (
    "acme.5oSmR5mi9s4kTpQX2PX8amrzIbzLj4WOvDSwuNQwkTDKU2sdRzrl5RDTWU0DJAvh2y_iWMuonf2_lPuVgsfAWA3BD8xS_xv"
    "vudwipbiq4rXXkp0fJmRMG7LV7BhEmybw9D99tjM9Tk0vKn-arG7QfMUOxZf9JI1_SPkvBHa46UK2Fr2DVdAl2xhRz8S_wA"
)


def test_a_link_says_what_was_put_into_it() -> None:
    token = token_for(SECRET, LINK)
    assert tenant_of(token) == "acme"
    assert opened(SECRET, token) == LINK


def test_a_link_in_an_old_mail_still_opens() -> None:
    assert opened(SECRET, OF_OLD) == LINK


def test_nothing_about_anybody_stands_in_a_link_in_clear() -> None:
    token = token_for(SECRET, LINK)
    sealed = base64.urlsafe_b64decode(token.partition(".")[2] + "==")
    for value in ("olga", "example.org", "C-1042", "support", "anna", "pro"):
        assert value not in token
        assert value.encode() not in sealed


def test_a_link_with_all_of_it_is_short() -> None:
    assert len(token_for(SECRET, LINK)) < 250


def test_a_link_too_long_for_an_address_is_refused() -> None:
    letters = [chr(0x4E00 + number) for number in range(3_000)]
    segments = {f"k{number}": "".join(letters[number * 80 : (number + 1) * 80]) for number in range(20)}
    with pytest.raises(Malformed, match=f"link: .* at most {LONGEST_TOKEN}"):
        token_for(SECRET, LINK.model_copy(update={"segments": segments}))


@given(st.data())
def test_no_bit_may_change(data: st.DataObject) -> None:
    tenant, _, text = token_for(SECRET, LINK).partition(".")
    content = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Malformed, match="link: not one of ours"):
        opened(SECRET, f"{tenant}.{base64.urlsafe_b64encode(bytes(content)).decode().rstrip('=')}")


def test_a_link_has_one_name_alone() -> None:
    assert len(OF_OLD.partition(".")[2]) % 4 == 2, "four bits to spare behind the last byte"
    others = [OF_OLD[:-1] + letter for letter in "-_09AZaz" if letter != OF_OLD[-1]]
    for other in others:
        with pytest.raises(Malformed):
            opened(SECRET, other)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_written_by_us_is_malformed(name: str) -> None:
    with pytest.raises(Malformed, match="link: not one of ours"):
        opened(SECRET, forgeries(token_for(SECRET, LINK))[name])


def test_a_link_opens_with_the_secret_it_was_made_with_alone() -> None:
    with pytest.raises(Malformed):
        opened(SECRET[::-1], token_for(SECRET, LINK))


@given(st.text(max_size=300))
def test_whatever_the_text_it_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        opened(SECRET, text)


def test_a_link_ends_at_its_end() -> None:
    assert not LINK.is_expired(NOON - timedelta(seconds=1))
    assert LINK.is_expired(NOON)


def test_ids_are_the_same_for_the_same_parts_alone() -> None:
    assert answer_id(SECRET, "a", "bc") == answer_id(SECRET, "a", "bc")
    others = [answer_id(SECRET, "ab", "c"), answer_id(SECRET, "a", "bd"), answer_id(SECRET[::-1], "a", "bc")]
    assert answer_id(SECRET, "a", "bc") not in others
    assert mark_of(SECRET, "why") == mark_of(SECRET, "why") != mark_of(SECRET, "how")
