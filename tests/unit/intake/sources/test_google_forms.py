"""Google Forms: what our script sends, and what it is read as."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.intake.sources.google_forms import parse
from services.intake.sources.source import Answered
from tests.support.kits.google_forms import KIT
from tests.support.needing import program

SCRIPT = Path(__file__).parents[4] / "docs" / "guides" / "sources" / "google_forms.gs"

STAND_IN = """
const sent = [];
const slept = [];
const answer = (title, value) => ({getItem: () => ({getTitle: () => title}), getResponse: () => value});
const recorded = %s;
const statuses = %s;
global.PropertiesService = {getScriptProperties: () => ({getProperty: (name) => settings[name]})};
global.Utilities = {sleep: (milliseconds) => slept.push(milliseconds)};
global.UrlFetchApp = {fetch: (url, options) => {
  sent.push({url, ...options});
  return {getResponseCode: () => statuses[sent.length - 1]};
}};
global.Date = class extends Date { constructor(at) { super(at === undefined ? recorded.sent_at : at); } };
const settings = {address: 'https://intake.example.org/v1/sources/default/form', token: 'a token of ours'};
"""
RUN = """
let failed = null;
try {
  onAnswer({
    source: {getId: () => recorded.form_id},
    response: {
      getId: () => recorded.response_id,
      getTimestamp: () => new Date(recorded.submitted_at),
      getRespondentEmail: () => recorded.email || '',
      getItemResponses: () => recorded.answers.map((one) => answer(one.title, one.value)),
    },
  });
} catch (error) { failed = error.message; }
console.log(JSON.stringify({sent, slept, failed}));
"""


def told(body: bytes, **options: str) -> Submission:
    (said,) = parse(KIT.call(body), KIT.parsed_options(**options))  # type: ignore[arg-type]  # its own
    assert isinstance(said, Answered)
    return said.submission


@dataclass(frozen=True)
class Run:
    """What the script sent, how long it waited in between, and with which error it ended."""

    sent: list[dict[str, Any]]  # requests, as UrlFetchApp takes them
    slept: list[int]
    failed: str | None


def ran(name: str, *statuses: int) -> Run:
    """What the script does when such an answer is sent in and the address answers so."""
    stand_in = STAND_IN % (KIT.recorded[name].decode(), json.dumps(statuses))
    command = [program("node"), "-e", stand_in + SCRIPT.read_text() + RUN]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return Run(**json.loads(done.stdout))


def test_the_questions_that_are_named_are_score_and_comment() -> None:
    submission = told(KIT.recorded["answered"])
    assert (submission.score, submission.comment, submission.customer_id) == (9, "Delivered a day early.", "C-1001")
    assert submission.email == "lian.smith@example.org"
    assert submission.segments == {"shop": "Tampere"}
    assert submission.answered_at == datetime(2026, 5, 20, 11, 59, 40, tzinfo=UTC)


def test_a_changed_answer_is_the_same_one_and_newer() -> None:
    first, then = told(KIT.recorded["answered"]), told(KIT.recorded["changed"])
    assert first.response_id == then.response_id
    assert then.score == 3
    assert first.updated_at is not None
    assert then.updated_at is not None
    assert first.updated_at < then.updated_at


def test_a_question_may_hold_the_address_instead_of_the_form() -> None:
    assert told(KIT.recorded["answered"], email="Which shop?").email is None
    assert told(KIT.recorded["score_alone"]).email is None


def test_a_form_without_the_question_says_which_is_missing() -> None:
    with pytest.raises(Malformed, match=r"answers: no answer to the question Would you\?"):
        told(KIT.recorded["answered"], score="Would you?")


@pytest.mark.parametrize("name", ["answered", "changed", "score_alone"])
def test_the_script_sends_what_is_recorded_with_the_token(name: str) -> None:
    (sent,) = ran(name, 202).sent
    assert json.loads(sent["payload"]) == json.loads(KIT.recorded[name])
    assert sent["url"] == "https://intake.example.org/v1/sources/default/form"
    assert (sent["method"], sent["contentType"]) == ("post", "application/json")
    assert sent["headers"] == {"Authorization": "Bearer a token of ours"}


def test_the_script_tries_again_while_nothing_can_be_accepted_and_then_gives_up_aloud() -> None:
    mended, given_up = ran("answered", 503, 429, 202), ran("answered", *[503] * 5)
    assert (len(mended.sent), mended.slept, mended.failed) == (3, [1000, 2000], None)
    assert len({sent["payload"] for sent in mended.sent}) == 1
    assert (len(given_up.sent), given_up.failed) == (5, "nps-loop answered 503")


def test_the_script_does_not_try_again_what_is_refused() -> None:
    refused = ran("answered", 401)
    assert (len(refused.sent), refused.failed) == (1, "nps-loop answered 401")
