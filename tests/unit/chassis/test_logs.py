"""No personal data in any line: ours, a library's, or that of an exception."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from schemas.personal_data import PersonalData
from services.chassis import logs

ADDRESS = "robin@example.org"
CANARIES = {
    "email": ADDRESS,
    "phone": "+358405550100",
    "name": "Robin Canary",
    "comment": "the canary's comment",
    "text": "the canary's text",
    "note": "the canary's note",
    "customer_id": "c-canary",
    "account_id": "a-canary",
    "address": "Canary Street 1",
    "body": "the canary's body",
}


@pytest.fixture(params=["json", "console"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is written to standard error, logging being as a service has it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(request.param, "DEBUG", "test")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _line() -> structlog.stdlib.BoundLogger:
    return logs.logger("test")


def _leaks(written: io.StringIO) -> list[str]:
    text = written.getvalue()
    assert text, "nothing was logged"
    return [canary for canary in CANARIES.values() if canary in text]


def test_personal_keys_are_dropped(written: io.StringIO) -> None:
    _line().info("answer.taken", **CANARIES)
    assert _leaks(written) == []


def test_personal_keys_are_dropped_however_deep_they_lie(written: io.StringIO) -> None:
    _line().info("answer.taken", answer={"of": [CANARIES, (CANARIES,)], "segments": {"country": "FI"}})
    assert _leaks(written) == []
    assert "FI" in written.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        ADDRESS,
        f"to <{ADDRESS}>, again",
        [ADDRESS],
        {"to": ADDRESS},
        {ADDRESS: 1},
        {ADDRESS},
        frozenset({ADDRESS}),
        ADDRESS.encode(),
        ValueError(ADDRESS),
        PersonalData(email=ADDRESS),
    ],
    ids=repr,
)
def test_addresses_are_masked_wherever_they_stand(written: io.StringIO, value: Any) -> None:  # values of any type
    _line().info("mail.sent", to=value)
    assert _leaks(written) == []
    assert "***" in written.getvalue()


def test_addresses_in_the_lines_of_libraries_are_masked(written: io.StringIO) -> None:
    logging.getLogger("some.library").warning("could not write to %s", ADDRESS)
    logging.getLogger("some.library").warning("could not write", extra={"email": ADDRESS})
    assert _leaks(written) == []
    assert "***" in written.getvalue()


def test_addresses_in_exceptions_are_masked(written: io.StringIO) -> None:
    for logger in (_line(), logging.getLogger("some.library")):
        try:
            raise ValueError(f"no mailbox {ADDRESS}")
        except ValueError:
            logger.exception("mail.failed")
    assert _leaks(written) == []
    assert written.getvalue().count("ValueError") >= 2


def test_what_does_not_fit_a_model_is_not_quoted(written: io.StringIO) -> None:
    try:
        PersonalData.model_validate_json(
            json.dumps(CANARIES | {"name": CANARIES["name"] + "\x07", "locale": "canary!"})
        )
    except ValueError:
        _line().exception("answer.failed")
    assert _leaks(written) == []


def test_a_line_says_what_happened_where_and_when(written: io.StringIO) -> None:
    _line().info("answer.taken", offset=7, seconds=0.5, late=False, reason=None)
    if written.getvalue().startswith("{"):
        line = json.loads(written.getvalue())
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "event": "answer.taken",
            "level": "info",
            "service": "test",
            "component": "test",
            "offset": 7,
            "seconds": 0.5,
            "late": False,
            "reason": None,
        }


def test_what_libraries_chatter_about_is_not_logged(written: io.StringIO) -> None:
    logging.getLogger("aiokafka.consumer").warning("heartbeat failed")
    _line().info("service.ready")
    assert "heartbeat" not in written.getvalue()


@dataclass
class _Customer:
    email: str


def test_objects_are_masked_as_they_would_be_written(written: io.StringIO) -> None:
    _line().info("answer.taken", by=_Customer(ADDRESS))
    assert _leaks(written) == []
