"""Perk codes: the same for ever, readable, and not the same for two answers."""

from __future__ import annotations

import re

from services.delivery.perk_code import perk_code


def test_a_code_never_changes() -> None:
    assert perk_code("default", "r-1") == "HFHH-DDN9-HQDV"
    assert perk_code("default", "r-1") == perk_code("default", "r-1")


def test_codes_have_no_letters_that_look_like_others() -> None:
    codes = [perk_code("default", f"r-{number}") for number in range(2000)]
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", code) for code in codes)


def test_two_answers_have_two_codes_in_one_tenant_and_in_two() -> None:
    codes = [perk_code(tenant, f"r-{number}") for tenant in ("a", "b") for number in range(20_000)]
    assert len(set(codes)) == len(codes)


def test_every_character_varies() -> None:
    codes = [perk_code("default", f"r-{number}").replace("-", "") for number in range(2000)]
    assert [len({code[place] for code in codes}) for place in range(12)] == [32] * 12
