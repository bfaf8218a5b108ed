"""The sandbox signs as SendGrid does: SendGrid's own verifier is the judge."""

from __future__ import annotations

import base64

import pytest
from sendgrid.helpers.eventwebhook import EventWebhook

from infra.sandbox.sendgrid.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, new_key_pair, signer
from services.chassis.failures import Halt

KEYS = new_key_pair()


def test_what_the_sandbox_signs_sendgrids_own_library_verifies() -> None:
    headers = signer(KEYS.private).headers("1779278400", b'[{"event": "processed"}]')
    verifier = EventWebhook(KEYS.public)
    for body, fits in (('[{"event": "processed"}]', True), ('[{"event":"processed"}]', False)):
        assert verifier.verify_signature(body, headers[SIGNATURE_HEADER], headers[TIMESTAMP_HEADER]) is fits


def test_both_halves_of_a_pair_belong_together_and_no_two_pairs_are_the_same() -> None:
    assert signer(KEYS.private).public_key == KEYS.public
    assert new_key_pair().public != KEYS.public
    assert KEYS.private not in repr(KEYS)


def test_without_a_key_the_sandbox_makes_one_for_itself() -> None:
    assert signer(None).public_key != signer(None).public_key


@pytest.mark.parametrize("key", ["", "!!!", "AAAA", base64.b64encode(b"x" * 100).decode()])
def test_a_key_that_is_none_is_said_to_be(key: str) -> None:
    with pytest.raises(Halt, match="NPS_SANDBOX_SENDGRID_PRIVATE_KEY"):
        signer(key)
