"""What every source must do with good calls, forged ones and nonsense: one table over all of them.

Whatever the bytes, who cannot prove to be the vendor is `Unverified`, and what a vendor cannot have meant is
`Malformed`: nothing else is ever raised.
"""

from __future__ import annotations

import random
import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest

from schemas.malformed import Malformed
from services.intake.sources.catalogue import ADAPTERS
from services.intake.sources.source import Answered, Call, Lookup, Unverified
from tests.support.kits.kit import NOW, Kit, with_header, without
from tests.support.mutations import mutated_body, mutated_headers

MUTATIONS = 300

SAFE_PATH = re.compile(r"([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+")
STRANGE_IDS = (b"..", b"../../me", b"a/b", b"a?b=c", b"a#b", b"%2e%2e", b"a@b", b"", b"\xc3\xbc", b"a b", b"%2F%2F")


def kits_of(vendor: str) -> dict[str, Kit]:
    """A vendor's kit, or its kits where one vendor proves itself in several ways."""
    module = import_module(f"tests.support.kits.{vendor}")
    return getattr(module, "KITS", None) or {vendor: module.KIT}


KITS = {name: kit for vendor in ADAPTERS for name, kit in kits_of(vendor).items()}
LOOKING_UP = {name: kit for name, kit in KITS.items() if kit.adapter.access}


GOOD = [
    pytest.param(kit, body, id=f"{name}-{title}") for name, kit in KITS.items() for title, body in kit.recorded.items()
]


def another_time(sent: str) -> str:
    """A time nearby, in the same form: its last digit is another."""
    return re.sub(r"\d(?=\D*$)", lambda digit: str(9 - int(digit[0])), sent)


def forged(kit: Kit) -> dict[str, tuple[Call, bool]]:
    """Calls by what is wrong with them, and whether they are believed all the same."""
    body = next(iter(kit.recorded.values()))
    good = kit.call(body)
    proof = good.headers[kit.proof]
    table = {
        "tampered body": (replace(good, body=body.replace(b"9", b"8") + b" "), not kit.signs_body),
        "wrong key": (kit.call(body, secret=kit.other_secret), False),
        "missing": (without(good, kit.proof), False),
        "empty": (with_header(good, kit.proof, ""), False),
        "junk beside it": (with_header(good, kit.proof, f"v1,junk {proof} ,,,"), kit.takes_several),
        "not ASCII": (with_header(good, kit.proof, "Ünterschrift ١٢٣ 签名"), False),
        "bad base64": (with_header(good, kit.proof, proof[:-3] + "!?*"), False),
        "8 KB": (with_header(good, kit.proof, "v1,QUFB " * 1024), False),
        "cut short": (with_header(good, kit.proof, proof[:-4]), False),
    }
    if kit.time:
        sent = good.headers[kit.time]
        table |= {
            "tampered time": (with_header(good, kit.time, another_time(sent)), False),
            "old": (kit.call(body, at=NOW - timedelta(minutes=5, seconds=1)), False),
            "old, but not too old": (kit.call(body, at=NOW - timedelta(minutes=5)), True),
            "future": (kit.call(body, at=NOW + timedelta(minutes=5, seconds=1)), False),
            "no time": (without(good, kit.time), False),
            "no number": (with_header(good, kit.time, "yesterday"), False),
        }
    if kit.id:
        table |= {
            "tampered id": (with_header(good, kit.id, "another"), False),
            "no id": (without(good, kit.id), False),
        }
    return table


FORGED = [
    pytest.param(kit, call, believed, id=f"{name}-{title}")
    for name, kit in KITS.items()
    for title, (call, believed) in forged(kit).items()
]


@pytest.mark.parametrize(("kit", "body"), GOOD)
def test_a_recorded_call_is_believed_and_understood(kit: Kit, body: bytes) -> None:
    options, call = kit.parsed_options(), kit.call(body)
    kit.adapter.verify(call, options, kit.secret, NOW)
    kit.adapter.parse(call, options)


@pytest.mark.parametrize(("kit", "call", "believed"), FORGED)
def test_a_forged_call_is_refused(kit: Kit, call: Call, *, believed: bool) -> None:
    if believed:
        kit.adapter.verify(call, kit.parsed_options(), kit.secret, NOW)
    else:
        with pytest.raises(Unverified):
            kit.adapter.verify(call, kit.parsed_options(), kit.secret, NOW)


@pytest.mark.parametrize("kit", KITS.values(), ids=KITS)
def test_the_same_call_says_the_same_again(kit: Kit) -> None:
    for body in kit.recorded.values():
        assert kit.adapter.parse(kit.call(body), kit.parsed_options()) == kit.adapter.parse(
            kit.call(body), kit.parsed_options()
        )


@pytest.mark.parametrize("kit", KITS.values(), ids=KITS)
def test_nonsense_is_unverified_or_malformed_and_nothing_else(kit: Kit) -> None:
    chance, options = random.Random(kit.recorded_in or kit.vendor), kit.parsed_options()
    for body in kit.recorded.values():
        for _ in range(MUTATIONS):
            call = kit.call(mutated_body(chance, body))
            with suppress(Malformed):
                kit.adapter.parse(call, options)
            with suppress(Unverified):
                kit.adapter.verify(replace(call, headers=mutated_headers(chance, call.headers)), options, "x" * 8, NOW)


@pytest.mark.parametrize("kit", LOOKING_UP.values(), ids=LOOKING_UP)
def test_nonsense_of_a_vendors_api_is_malformed_and_nothing_else(kit: Kit) -> None:
    chance = random.Random(kit.vendor)
    for name, looked_up in kit.api.items():
        (lookup,) = kit.adapter.parse(kit.call(kit.recorded[name]), kit.parsed_options())
        assert isinstance(lookup, Lookup)
        for _ in range(MUTATIONS):
            with suppress(Malformed):
                lookup.read(mutated_body(chance, looked_up))


@pytest.mark.parametrize("kit", LOOKING_UP.values(), ids=LOOKING_UP)
def test_a_look_up_leads_to_one_place_in_the_vendors_api_whatever_ids_a_call_names(kit: Kit) -> None:
    options = kit.parsed_options()
    for name in kit.api:
        body = kit.recorded[name]
        for evil in STRANGE_IDS:
            for known in re.findall(rb"[A-Za-z0-9_-]{9,}", body):
                with suppress(Malformed):
                    for item in kit.adapter.parse(kit.call(body.replace(known, evil)), options):
                        assert not isinstance(item, Lookup) or SAFE_PATH.fullmatch(item.path)


@pytest.mark.parametrize("kit", KITS.values(), ids=KITS)
def test_what_a_business_says_of_a_source_holds_for_all_its_answers(kit: Kit) -> None:
    said = {"channel": "event", "touchpoint": "fair", "survey_id": "fair-2026", "test": True}
    options = kit.parsed_options(**said, segments={"booth": "7"})
    told = [item for name in kit.recorded for item in kit.told(name, options)]
    answers = [item.submission for item in told if isinstance(item, Answered)]
    assert answers or kit.talks, "nothing recorded is an answer"
    for each in answers:
        assert {name: getattr(each, name) for name in said} == said
        assert each.segments["booth"] == "7"
