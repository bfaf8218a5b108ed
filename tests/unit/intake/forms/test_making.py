"""Making links: whose answer is behind each."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path

from services.intake.forms.making import FORM, Maker
from services.intake.links import Link, opened
from services.intake.settings import IntakeSection
from tests.support.answers import NOON

SECRET = bytes(range(32))
CUSTOMER = {"customer_id": "C-1", "email": "olga@example.org", "survey_id": "spring"}


def maker() -> Maker:
    numbers = count()
    return Maker("default", IntakeSection(), SECRET, "https://ask.example.org", lambda: f"chance-{next(numbers)}")


def link(asked: dict[str, str], *, days: int = 1, made_by: Maker | None = None) -> Link:
    made = (made_by or maker()).make(asked, NOON + timedelta(days=days))
    return opened(SECRET, made.form.partition(FORM)[2])


def test_one_person_has_one_answer_in_a_survey_however_many_links() -> None:
    first, second = link(CUSTOMER), link(CUSTOMER | {"language": "fi"}, days=9)
    assert first.response_id == second.response_id
    assert first.expires_at != second.expires_at


def test_other_people_surveys_and_touchpoints_have_other_answers() -> None:
    others = [{"customer_id": "C-2"}, {"survey_id": "autumn"}, {"touchpoint": "support"}]
    ids = {link(CUSTOMER | other).response_id for other in others} | {link(CUSTOMER).response_id}
    assert len(ids) == 4
    assert not any("C-" in (one or "") for one in ids)


def test_without_survey_or_person_each_link_has_an_answer_of_its_own() -> None:
    one = maker()
    anybody, nowhere = {"survey_id": "spring"}, {"customer_id": "C-1"}
    ids = [link(asked, made_by=one).response_id for asked in (anybody, anybody, nowhere, nowhere)]
    assert ids == ["chance-0", "chance-1", "chance-2", "chance-3"]


def test_a_row_says_what_differs_from_what_all_are_asked(tmp_path: Path) -> None:
    source, into = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("customer_id,touchpoint,segment.plan,agent.id\nC-1,,pro,\nC-2,order,,eva\n")
    asked = {"touchpoint": "support", "segments": {"country": "FI"}, "agent": {"id": "anna", "team": "blue"}}
    written = maker().make_all(source, into, asked, NOON)
    tokens = [line.split(",")[-2].partition(FORM)[2] for line in into.read_text().splitlines()[1:]]
    one, two = (opened(SECRET, token) for token in tokens)
    assert (one.touchpoint, two.touchpoint) == ("support", "order")
    assert (one.segments, two.segments) == ({"country": "FI", "plan": "pro"}, {"country": "FI"})
    assert [(each.agent.id, each.agent.team) for each in (one, two) if each.agent] == [
        ("anna", "blue"),
        ("eva", "blue"),
    ]
    assert (written.links, written.passed_over) == (2, [])
