"""Look-ups: what a call says once the vendor's API has answered, and which token is shown to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter
from structlog.testing import capture_logs

from schemas.malformed import Malformed
from schemas.response import Submission
from services.chassis.failures import Transient
from services.chassis.settings import load
from services.intake.lookups import Lookups
from services.intake.settings import IntakeSettings
from services.intake.sources.catalogue import AnyOptions
from services.intake.sources.source import Access, Answered, Lookup, OptedOut, Said, Told
from services.intake.vendor_api import TokenRefused

OPTIONS: AnyOptions = TypeAdapter(AnyOptions).validate_python({"vendor": "surveymonkey", "score": "1"})
GONE = OptedOut(email="a@example.org")


class FakeApi:
    """A vendor's API that knows some tokens and some answers."""

    def __init__(self, answers: dict[str, bytes], *tokens: str) -> None:
        self._answers = answers
        self._tokens = tokens
        self.shown: list[str] = []

    async def get(self, access: Access, path: str) -> bytes:
        token = access.headers["authorization"].removeprefix("Bearer ")
        self.shown.append(token)
        if token not in self._tokens:
            raise TokenRefused("api.example.org: answered 401")
        if path not in self._answers:
            raise Malformed.of("answer", "the vendor has it no more (404)")
        return self._answers[path]


def lookups(api: FakeApi, *tokens: str) -> Lookups:
    held = SecretStr(json.dumps({"default/sm": tokens}) if tokens else "{}")
    return Lookups(load(IntakeSettings, master_key="A" * 43 + "=", source_tokens=held), api)


def scored(body: bytes) -> list[Told]:
    return [Answered(Submission(score=int(body)))]


def lookup(path: str, read: Callable[[bytes], list[Told]] = scored) -> Lookup:
    return Lookup(path, read)


async def told(subject: Lookups, *said: Said) -> list[Any]:
    found = await subject.told("default", "sm", OPTIONS, said)
    return [item.submission.score if isinstance(item, Answered) else item for item in found]


async def test_each_look_up_is_replaced_in_its_place_by_what_the_vendor_says_there() -> None:
    api = FakeApi({"a": b"9", "b": b"3"}, "token-one")
    assert await told(lookups(api, "token-one"), lookup("a"), GONE, lookup("b")) == [9, GONE, 3]


async def test_what_needs_no_look_up_needs_no_token() -> None:
    api = FakeApi({})
    assert await told(lookups(api), GONE) == [GONE]
    assert api.shown == []


async def test_a_look_up_may_find_that_nothing_was_said() -> None:
    api = FakeApi({"a": b"9"}, "token-one")
    assert await told(lookups(api, "token-one"), lookup("a", lambda _: [])) == []


async def test_while_one_token_replaces_another_both_are_tried_the_newest_first() -> None:
    api = FakeApi({"a": b"9"}, "token-old")
    assert await told(lookups(api, "token-new", "token-old"), lookup("a")) == [9]
    assert api.shown == ["token-new", "token-old"]


async def test_without_a_token_the_setting_and_the_source_are_named() -> None:
    with pytest.raises(Transient, match="NPS_SOURCE_TOKENS has none for default/sm"):
        await told(lookups(FakeApi({})), lookup("a"))


async def test_tokens_that_are_all_refused_let_the_vendor_call_again_and_the_log_says_what_to_mend() -> None:
    with capture_logs() as lines, pytest.raises(TokenRefused, match="answered 401"):
        await told(lookups(FakeApi({"a": b"9"}), "token-one", "token-two"), lookup("a"))
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("source.token_refused", "error")
    assert (line["source"], line["setting"]) == ("default/sm", "NPS_SOURCE_TOKENS")
    assert "token-" not in str(line)


async def test_an_answer_that_is_gone_is_asked_for_once() -> None:
    api = FakeApi({}, "token-one", "token-two")
    with pytest.raises(Malformed, match="no more"):
        await told(lookups(api, "token-one", "token-two"), lookup("a"))
    assert api.shown == ["token-one"]
