"""Twilio: what is signed, who said what, and what is said back."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

import pytest

from schemas.malformed import Malformed
from services.intake.sources.source import Call, Heard, Said, Unverified
from services.intake.sources.twilio import Options, parse, reply, verify
from tests.support.kits.kit import NOW
from tests.support.kits.twilio import KIT, URL
from tests.support.twilio_sandbox import signature

OPTIONS = Options(vendor="twilio")


def told(name: str) -> list[Said]:
    return parse(KIT.call(KIT.recorded[name]), OPTIONS)


def test_the_example_in_twilios_own_guide_is_believed() -> None:
    """Webhooks security, "Validating signatures from Twilio": token 12345."""
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    call = Call.of(
        {"X-Twilio-Signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ="},
        urlencode(form).encode(),
        url="https://mycompany.com/myapp.php?foo=1&bar=2",
    )
    verify(call, OPTIONS, "12345", NOW)
    with pytest.raises(Unverified):
        verify(replace(call, url="https://mycompany.com/myapp.php?foo=1&bar=3"), OPTIONS, "12345", NOW)


@pytest.mark.parametrize("signed", [URL, URL.replace("example.org", "example.org:443")])
@pytest.mark.parametrize("called", [URL, URL.replace("example.org", "example.org:443")])
def test_the_port_may_be_signed_or_not(signed: str, called: str) -> None:
    body = KIT.recorded["sms"]
    call = Call.of({"x-twilio-signature": signature(signed, body, KIT.secret)}, body, url=called)
    verify(call, OPTIONS, KIT.secret, NOW)


def test_another_address_is_not_the_one_that_was_signed() -> None:
    call = KIT.call(KIT.recorded["sms"])
    for url in (URL.replace("https", "http"), URL + "2", "", "https://[", "//"):
        with pytest.raises(Unverified, match="x-twilio-signature"):
            verify(replace(call, url=url), OPTIONS, KIT.secret, NOW)


def test_parameters_that_nobody_knows_yet_are_part_of_the_signature() -> None:
    body = KIT.recorded["sms"] + b"&NewOne=1&NewOne=0"
    verify(KIT.call(body), OPTIONS, KIT.secret, NOW)


def test_a_text_is_heard_with_its_sender_and_its_id() -> None:
    assert told("sms") == [
        Heard(
            phone="+420601123456",
            text="I'd say 9",
            message_id="SM00000000000000000000000000000001",
            medium="sms",
        )
    ]


def test_a_message_by_whatsapp_has_the_same_sender() -> None:
    (heard,) = told("whatsapp")
    assert isinstance(heard, Heard)
    assert (heard.phone, heard.text, heard.medium) == ("+420601123456", "девять 👍", "whatsapp")


def test_what_twilio_takes_for_a_stop_is_one() -> None:
    (heard,) = told("opted_out")
    assert isinstance(heard, Heard)
    assert heard.opts_out


def test_what_became_of_a_text_of_ours_says_nothing() -> None:
    assert told("delivered") == []


@pytest.mark.parametrize("body", [b"Body=9", b"Body=9&From=somebody", b"Body=9&From=messenger:123abc"])
def test_a_message_without_a_telephone_number_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed, match="From: no telephone number"):
        parse(KIT.call(body), OPTIONS)


def test_a_form_without_end_is_refused() -> None:
    body = b"&".join(b"a=1" for _ in range(1000))
    call = Call.of({"x-twilio-signature": "x"}, body, url=URL)
    with pytest.raises(Malformed, match="body: "):
        parse(call, OPTIONS)
    with pytest.raises(Unverified, match="body: "):
        verify(call, OPTIONS, KIT.secret, NOW)


def test_what_is_said_back_is_twiml() -> None:
    assert reply("Was it <slow> & late?").endswith(
        b"<Response><Message>Was it &lt;slow&gt; &amp; late?</Message></Response>"
    )
    assert reply(None).endswith(b"<Response></Response>")
