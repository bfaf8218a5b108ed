"""The generic source: the business file says what a sender means, and types are as loose as senders are."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.malformed import Malformed
from schemas.response import Submission
from services.chassis.business import BadBusiness, Business
from services.intake.settings import IntakeSection
from services.intake.sources.generic import Options, parse, verify
from services.intake.sources.source import Answered, Unverified
from tests.support.kits.generic import KITS, MAP
from tests.support.kits.kit import NOW, Kit, with_header

KIT = KITS["generic-hex"]
BATCH = KITS["generic-batch"]


def answers(kit: Kit, body: bytes, **more: Any) -> list[Submission]:  # options as they stand in the business file
    options: Any = kit.parsed_options(**more)
    return [said.submission for said in parse(kit.call(body), options) if isinstance(said, Answered)]


def mapped(sent: Any, **fields: Any) -> Submission:  # JSON of any shape, and parts of a map
    """The one answer in what is sent."""
    (one,) = answers(KIT, json.dumps(sent).encode(), skip_unless="@", map={"score": "score", **fields})
    return one


def reason(sent: Any, **fields: Any) -> str:  # JSON of any shape, and parts of a map
    with pytest.raises(Malformed) as caught:
        mapped(sent, **fields)
    return str(caught.value)


def test_every_field_is_found_where_the_map_says() -> None:
    (one,) = answers(KIT, KIT.recorded["answer"])
    assert one.model_dump(exclude_unset=True) == {
        "response_id": "48151",
        "revision": 2,
        "op": "submitted",
        "score": 9,
        "comment": "Leicht zu finden, schön aufgebaut.",
        "answered_at": datetime(2026, 5, 20, 11, 59, 50, tzinfo=UTC),
        "updated_at": datetime(2026, 5, 20, 11, 59, 55, tzinfo=UTC),
        "language": "de-AT",
        "callback_requested": True,
        "customer_id": "1001",
        "email": "anna.huber@example.org",
        "channel": "in_app",
        "agent": {"id": "a-7", "team": "Kasse"},
        "segments": {"store": "Wien 3", "country": "AT"},
        "attributes": {"till": "4", "plan": "pro"},
        "test": False,
    }


def test_what_is_not_sent_is_left_out_and_0_is_a_score() -> None:
    (one,) = answers(KIT, KIT.recorded["bare"])
    assert (one.response_id, one.score, one.comment, one.agent) == ("48152", 0, None, None)
    assert one.answered_at == datetime(2026, 5, 20, 11, 59, 50, tzinfo=UTC)


def test_an_answer_is_taken_back_where_the_table_says_so() -> None:
    (one,) = answers(KIT, KIT.recorded["removed"])
    assert (one.op, one.response_id, one.score) == ("retracted", "48151", None)


def test_what_is_to_be_skipped_says_nothing() -> None:
    assert answers(KIT, KIT.recorded["ping"]) == []


def test_one_call_may_carry_several_answers() -> None:
    one, two = answers(BATCH, BATCH.recorded["batch"])
    assert [(each.response_id, each.score, each.survey_id, each.channel) for each in (one, two)] == [
        ("a-1", 10, "fair", "event"),
        ("a-2", 3, "fair", "event"),
    ]
    assert one.attributes == {"hall": "B", "days": "2"}
    assert one.answered_at == datetime(2026, 5, 20, 11, 58, tzinfo=UTC)


def test_one_of_several_that_is_wrong_holds_up_no_other() -> None:
    body = BATCH.recorded["batch"].replace(b'"points": 10', b'"points": 11')
    options: Any = BATCH.parsed_options()
    wrong, right = parse(BATCH.call(body), options)
    assert isinstance(wrong, Malformed)
    assert wrong.faults == [("[0].score", "input should be less than or equal to 10")]
    assert isinstance(right, Answered)


@pytest.mark.parametrize(
    ("body", "told"),
    [(b"{}", "each: finds no list"), (b'{"answers": {}}', "each: finds no list"), (b"{", "body: not JSON")],
)
def test_a_call_that_carries_no_list_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        answers(BATCH, body)


def test_more_answers_than_a_batch_has_are_refused() -> None:
    with pytest.raises(Malformed, match="each: finds more than 500"):
        answers(BATCH, json.dumps({"answers": [{"points": 1}] * 501}).encode())


@pytest.mark.parametrize("score", [9, "9", 9.0, "9.0", " 9 "])
def test_a_score_may_be_text(score: object) -> None:
    assert mapped({"score": score}).score == 9


@pytest.mark.parametrize("score", [9.5, "nine", True, [9], {"is": 9}, 11, -1, "1e400"])
def test_what_is_no_score_is_refused_and_never_rounded(score: object) -> None:
    assert reason({"score": score}).startswith("score: ")


@pytest.mark.parametrize(
    "sent",
    [
        "2026-05-20T11:59:50Z",
        "2026-05-20 13:59:50+02:00",
        "2026-05-20 13:59:50",
        "2026-05-20T13:59:50.000",
        1779278390,
        "1779278390",
        1779278390000,
        "1779278390000",
        "Wed, 20 May 2026 11:59:50 +0000",
        "Wed, 20 May 2026 11:59:50 GMT",
    ],
)
def test_times_are_read_in_the_usual_forms(sent: object) -> None:
    moment = mapped({"score": 1, "at": sent}, answered_at="at").answered_at
    assert moment == datetime(2026, 5, 20, 11, 59, 50, tzinfo=UTC)


@pytest.mark.parametrize("sent", ["yesterday", True, [], "x" * 50, "2026-13-40", 10**30, "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_refused(sent: object) -> None:
    assert reason({"score": 1, "at": sent}, answered_at="at").startswith("answered_at: ")


def test_a_time_without_an_offset_needs_a_zone() -> None:
    with pytest.raises(Malformed, match="answered_at: has no offset, and the source has no timezone"):
        answers(KIT, KIT.recorded["bare"], timezone=None)


def test_what_is_said_of_people_and_cannot_be_used_is_left_out() -> None:
    sent = {"score": 1, "mail": "nowhere", "no": ["x"], "zone": "Europe/Nowhere", "lang": "?"}
    one = mapped(sent, email="mail", customer_id="no", timezone="zone", language="lang")
    assert one.model_dump(exclude_none=True, exclude_unset=True).keys() == {
        "score",
        "channel",
        "attributes",
        "segments",
        "test",
    }


def test_a_word_that_is_in_no_table_is_refused_and_otherwise_stands_for_it() -> None:
    table = {"at": "kind", "values": {"new": "submitted", 1: "submitted", "true": "submitted"}}
    assert reason({"score": 1, "kind": "old"}, op=table) == "op: not among the values that the business file translates"
    assert mapped({"score": 1, "kind": "old"}, op={**table, "otherwise": "submitted"}).op == "submitted"
    assert [mapped({"score": 1, "kind": kind}, op=table).op for kind in ("new", 1, True, None)] == ["submitted"] * 4


def test_all_that_is_wrong_is_said_at_once() -> None:
    told = reason({"score": "x", "at": "y"}, answered_at="at", comment="[score]")
    assert {line.partition(":")[0] for line in told.split("; ")} == {"score", "answered_at", "comment"}


def test_an_answer_is_named_by_the_event_where_it_has_no_id() -> None:
    options: Any = KIT.parsed_options(skip_unless="@", map={"score": "score", "event_id": "event"})
    (said,) = parse(KIT.call(b'{"score": 3, "event": 7}'), options)
    assert isinstance(said, Answered)
    assert (said.event_id, said.submission.response_id, options.names_answers) == ("7", None, True)
    standard = KITS["generic-standard"]
    options = standard.parsed_options(skip_unless="@", map={"score": "score"})
    (said,) = parse(standard.call(b'{"score": 3}'), options)
    assert isinstance(said, Answered)
    assert (said.event_id, options.names_answers) == ("msg_5e1f", True)
    assert not KIT.parsed_options(map={"score": "score"}).names_answers


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("milliseconds", lambda at: str(int(at.timestamp() * 1000))),
        ("iso", lambda at: at.isoformat()),
        ("iso", lambda at: at.isoformat().replace("+00:00", "Z")),
    ],
)
def test_a_signed_time_may_be_written_otherwise(form: str, written: Any) -> None:
    kit = KITS["generic-time"]
    way = {**kit.options["proof"], "timestamp": {"header": "X-Kiosk-Time", "form": form, "joined": "{body}{timestamp}"}}
    options: Any = kit.parsed_options(proof=way)

    def called(at: datetime) -> Any:  # a call
        made = kit.call(b"{}")
        return with_header(with_header(made, "x-kiosk-time", written(at)), "x-kiosk-signature", signed(written(at)))

    verify(called(NOW), options, kit.secret, NOW)
    with pytest.raises(Unverified, match="more than five minutes ago"):
        verify(called(NOW - timedelta(minutes=6)), options, kit.secret, NOW)
    for nonsense in ("", "x", "2026-05-20T12:00:00", "9" * 50, "٣"):
        with pytest.raises(Unverified):
            verify(with_header(called(NOW), "x-kiosk-time", nonsense), options, kit.secret, NOW)


def signed(sent: str) -> str:
    return "v0=" + base64.b64encode(hmac.digest(KIT.secret.encode(), b"{}" + sent.encode(), "sha512")).decode()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("map: {score: 'grade['}", "kiosk.map.score: no JMESPath: a mistake at character 7"),
        ("map: {score: {at: 'size(x)'}}", "kiosk.map.score.at: size(): no function of JMESPath"),
        ("map: {scores: grade}", "kiosk.map.scores: extra inputs are not permitted"),
        ("map: {comment: text}", "kiosk.map: one of score, rating and op is required"),
        ("proof: {kind: hmac}", "kiosk.proof.header: field required"),
        ("proof: {kind: trust}", "kiosk.proof: input tag 'trust'"),
        ("proof: {kind: hmac, header: X, timestamp: {header: T, joined: '{body}'}}", "once each"),
        ("timezone: Mars/Olympus", "kiosk.timezone: not an IANA time zone"),
        ("time_format: '%Q'", "kiosk.time_format: no form of a time"),
        ("channel: null", "kiosk: channel: required, here or in map"),
    ],
)
def test_a_mistake_in_the_business_file_is_told_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    own, name = tmp_path / "nps.yaml", line.partition(":")[0]
    given = {"proof": "proof: {kind: token}", "map": "map: {score: grade}", "channel": "channel: event", name: line}
    text = "".join(f"          {each}\n" for each in ("vendor: generic", *given.values()))
    own.write_text(f"tenants:\n  default:\n    intake:\n      sources:\n        kiosk:\n{text}")
    number = next(i for i, written in enumerate(own.read_text().splitlines(), 1) if written.strip() == line)
    with pytest.raises(BadBusiness) as caught:
        Business.load(
            Path("schemas/nps.yaml"), own, frozenset({"intake", "scoring", "routing", "delivery", "outreach"})
        ).sections("intake", IntakeSection)
    at = number if not told.startswith("kiosk: ") else 5
    assert str(caught.value).startswith(f"{own}:{at}: tenants.default.intake.sources.")
    assert told in str(caught.value)


def test_the_map_of_the_kits_names_most_fields() -> None:
    assert MAP.keys() <= Options.model_fields["map"].annotation.model_fields.keys()  # type: ignore[union-attr]  # a model
