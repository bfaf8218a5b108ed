"""`nps sources`: what there is, and what a payload becomes. No Kafka answers here, and there is no database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.console.main import app
from tests.support.kits import delighted, surveymonkey
from tests.support.kits.kit import RECORDED

BUSINESS = """
tenants:
  default:
    intake:
      sources:
        mail: {vendor: delighted}
        survey: {vendor: surveymonkey, score: "100"}
        kiosk:
          vendor: generic
          proof: {kind: token}
          channel: in_app
          segments: {country: AT}
          skip_unless: starts_with(event, 'feedback.')
          map:
            response_id: feedback.ref
            op: {at: event, values: {feedback.created: submitted}}
            score: feedback.grade
            answered_at: feedback.at
            email: feedback.guest.plan
            attributes: feedback.where
  acme:
    intake:
      sources:
        fair: {vendor: generic, proof: {kind: token}, each: answers, map: {score: points, channel: {value: event}}}
"""


@pytest.fixture
def nps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nps:
    (tmp_path / "nps.yaml").write_text(BUSINESS)
    monkeypatch.setenv("NPS_BUSINESS_FILE", str(tmp_path / "nps.yaml"))
    monkeypatch.setenv("NPS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("NPS_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    return Nps(tmp_path)


class Nps:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, expect: int = 0) -> Result:
        result = CliRunner().invoke(app, ("sources", *arguments))
        assert result.exit_code == expect, f"{result.output}{result.stderr}{result.exception!r}"
        assert not (self.folder / "state").exists()
        return result

    def tried(self, name: str, body: Any, *more: str, expect: int = 0) -> Any:  # JSON of any shape
        file = self.folder / "body.json"
        file.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
        return json.loads(self("test", name, str(file), "--json", *more, expect=expect).stdout)


def lines(told: Any) -> dict[str, tuple[Any, Any]]:  # JSON of any shape
    (one,) = told["says"]
    return {line["field"]: (line["value"], line["reason"]) for line in one["fields"]}


def test_each_field_is_shown_with_what_was_found_and_what_it_becomes(nps: Nps) -> None:
    told = nps.tried("kiosk", (RECORDED / "generic" / "answer.json").read_bytes())
    assert told["usable"]
    assert lines(told) == {
        "response_id": ("48151", None),
        "op": ("submitted", None),
        "score": (9, None),
        "answered_at": ("2026-05-20T11:59:50Z", None),
        "email": (None, "does not have the form this field needs"),
        "attributes": ({"store": "Wien 3", "till": 4}, None),
        "attributes.store": ("Wien 3", None),
        "attributes.till": ("4", None),
        "segments.country": ("AT", None),
        "channel": ("in_app", None),
    }
    (op,) = [line for line in told["says"][0]["fields"] if line["field"] == "op"]
    assert (op["where"], op["found"]) == ("event", "feedback.created")


def test_a_refused_field_has_its_reason_and_the_others_what_they_would_become(nps: Nps) -> None:
    told = nps.tried("kiosk", {"event": "feedback.lost", "feedback": {"grade": "12", "at": 1779278390}}, expect=1)
    assert not told["usable"]
    assert {name: line for name, line in lines(told).items() if any(line)} == {
        "op": (None, "not among the values that the business file translates"),
        "score": (None, "input should be less than or equal to 10"),
        "answered_at": ("2026-05-20T11:59:50+00:00", None),
    }
    assert [error["field"] for error in told["says"][0]["errors"]] == ["op", "score"]


def test_what_the_door_would_refuse_is_refused_here(nps: Nps) -> None:
    sent = {"event": "feedback.created", "feedback": {"grade": 1, "at": "2999-01-01T00:00:00Z"}}
    assert lines(nps.tried("kiosk", sent, expect=1))["answered_at"] == (None, "more than five minutes in the future")
    assert lines(nps.tried("kiosk", {"event": "feedback.created"}, expect=1))["score"] == (
        None,
        "required when metric is nps",
    )


def test_what_says_nothing_is_usable_and_what_is_no_json_is_not(nps: Nps) -> None:
    assert nps.tried("kiosk", {"event": "ping"}) == {"usable": True, "refused": None, "says": []}
    assert nps.tried("kiosk", b"{", expect=1)["refused"].startswith("body: not JSON")


def test_several_answers_of_a_call_are_told_one_by_one(nps: Nps) -> None:
    told = nps.tried("fair", {"answers": [{"points": 9}, {"points": "x"}]}, "--tenant", "acme", expect=1)
    assert [(one["kind"], one["usable"]) for one in told["says"]] == [("answer", True), ("refused", False)]


def test_every_vendor_can_be_tried(nps: Nps) -> None:
    assert lines(nps.tried("mail", delighted.KIT.recorded["created"]))["score"] == (9, None)
    gone = nps.tried("mail", delighted.KIT.recorded["unsubscribed"])
    assert (gone["says"][0]["kind"], lines(gone)["email"]) == ("opt-out", ("foo@example.org", None))


def test_an_answer_that_a_call_only_names_is_not_fetched(nps: Nps) -> None:
    told = nps.tried("survey", surveymonkey.KIT.recorded["completed"])
    assert (told["usable"], told["says"][0]["kind"]) == (True, "look-up")
    assert lines(told)["path"][0].endswith("/details")


def test_a_person_reads_it_as_a_table(nps: Nps) -> None:
    file = str(RECORDED / "generic" / "answer.json")
    told = nps("test", "kiosk", file).output
    assert "feedback.grade" in told
    assert "left out: does not have the form this field needs" in told
    removed = nps("test", "kiosk", str(RECORDED / "generic" / "removed.json"), expect=1).output
    assert "REFUSED: not among the values" in removed
    assert "says nothing" in nps("test", "kiosk", str(RECORDED / "generic" / "ping.json")).output


def test_who_is_not_in_the_business_file_is_said(nps: Nps) -> None:
    file = str(RECORDED / "generic" / "ping.json")
    assert "no source nobody of tenant default" in nps("test", "nobody", file, expect=6).stderr
    assert "not in the business file" in nps("test", "kiosk", file, "--tenant", "nobody", expect=6).stderr
    assert "must be name: value" in nps("test", "kiosk", file, "--header", "x", expect=2).stderr


def test_sources_are_listed_with_their_address_and_whether_they_have_a_secret(
    nps: Nps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPS_MASTER_KEY", "A" * 43 + "=")
    monkeypatch.setenv("NPS_INTAKE_URL", "https://in.example.org")
    monkeypatch.setenv("NPS_SOURCE_SECRETS", '{"default/mail": "a secret of theirs"}')
    told = json.loads(nps("list", "--json").stdout)
    assert told[0] == {
        "tenant": "default",
        "name": "mail",
        "vendor": "delighted",
        "address": "https://in.example.org/v1/sources/default/mail",
        "secret": True,
    }
    assert [(one["tenant"], one["name"], one["secret"]) for one in told[1:]] == [
        ("default", "survey", False),
        ("default", "kiosk", False),
        ("acme", "fair", False),
    ]
    shown = nps("list").output
    assert "nothing it sends is believed" in shown
    assert "a secret of theirs" not in shown
