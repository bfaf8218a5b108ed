"""Unsubscribe links: ours alone, and without an address."""

from __future__ import annotations

import base64
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.failures import Malformed
from services.delivery.unsubscribing import parse_token, token_for

SECRET = bytes(range(32))
MAIL = UUID("6d1f9d0e-52fb-5c1e-9a64-0d4a7f9c2b11")


def test_a_token_is_believed_with_the_secret_it_was_made_with_alone() -> None:
    token = parse_token(token_for(SECRET, "default", MAIL))
    assert (token.tenant, token.delivery_id) == ("default", MAIL)
    assert token.is_signed_with(SECRET)
    assert not token.is_signed_with(SECRET[::-1])


def test_a_token_never_changes_so_that_links_in_old_mails_work() -> None:
    assert token_for(SECRET, "default", MAIL) == "bR-dDlL7XB6aZA1Kf5wrEdy59Nv4VbyhktLVhQ98RA9kZWZhdWx0"


def test_a_token_of_one_mail_or_tenant_fits_no_other() -> None:
    content = bytearray(base64.urlsafe_b64decode(_padded(token_for(SECRET, "acme", MAIL))))
    other_mail = bytes(uuid4().bytes + content[16:])
    other_tenant = bytes(content[:32]) + b"other"
    for forged in (other_mail, other_tenant):
        assert not parse_token(base64.urlsafe_b64encode(forged).decode().rstrip("=")).is_signed_with(SECRET)


@given(st.integers(0, 8 * 39 - 1))
def test_no_bit_may_change(bit: int) -> None:
    content = bytearray(base64.urlsafe_b64decode(_padded(token_for(SECRET, "default", MAIL))))
    content[bit // 8] ^= 1 << bit % 8
    try:
        token = parse_token(base64.urlsafe_b64encode(bytes(content)).decode().rstrip("="))
    except Malformed:
        return
    assert not token.is_signed_with(SECRET)


@given(st.text(max_size=300))
def test_whatever_the_text_it_is_a_token_or_malformed(text: str) -> None:
    try:
        assert not parse_token(text).is_signed_with(SECRET)
    except Malformed:
        return


@pytest.mark.parametrize("text", ["", "a", "=", "AAAA", "ä" * 10])
def test_what_is_cut_off_or_no_token_at_all_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="token: not one of ours"):
        parse_token(text)


def _padded(token: str) -> str:
    return token + "=" * (-len(token) % 4)
