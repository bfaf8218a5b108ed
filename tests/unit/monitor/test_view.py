"""The view: what went in comes out, what changed comes out alone, and nothing grows without end."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from schemas.alert import Alert
from schemas.message import effect_id
from schemas.topics import ALERTS, SCORES, TALLIES, TASKS
from services.monitor import open_tasks, scores
from services.monitor import view as module
from services.monitor.pipeline import GroupLag, Pipeline
from services.monitor.snapshot import Choice, changes
from services.monitor.view import Payload, View
from tests.support.answers import NOON, answered
from tests.support.events import PERIODS, SPANS, decided, delivered, scored, tallied, tasked, window

DEFAULT = Choice("default", window="30d")


def seen(*payloads: Payload) -> View:
    view = View()
    for payload in payloads:
        view.apply(payload)
    view.complete = True
    view.complete_days()
    return view


def shown(view: View, choice: Choice = DEFAULT, since: int = 0) -> dict[str, Any]:  # JSON
    found: dict[str, Any] = json.loads(json.dumps(changes(view, choice, NOON, since)))
    return found


def windows(tree: dict[str, Any]) -> dict[str, Any]:
    return {score["window"]["name"]: score for score in tree["windows"]}


def test_scores_come_out_as_they_went_in() -> None:
    score = scored(1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2)
    (found,) = shown(seen(score))["windows"]
    assert found == json.loads(score.model_dump_json(exclude={"tenant"}))
    assert found["nps"] == 25.0


def test_an_empty_window_has_no_score_and_never_a_zero() -> None:
    tree = shown(seen(scored()))
    assert (tree["windows"][0]["n"], tree["windows"][0]["nps"], tree["windows"][0]["interval"]) == (0, None, None)
    assert tree["segments"] == [{"segment": "all", "n": 0, "nps": None, "low": None, "high": None, "enough": False}]


def test_the_last_score_of_a_key_holds() -> None:
    assert shown(seen(scored(1), scored(1, 1)))["windows"][0]["n"] == 2


def test_all_windows_of_a_segment_are_shown_and_one_window_of_all_segments() -> None:
    view = seen(*(scored(1, name=name, segment=segment) for name in SPANS for segment in ("all", "channel=email")))
    tree = shown(view, Choice("default", "channel=email", "7d"))
    assert list(windows(tree)) == list(SPANS)
    assert {score["segment"] for score in tree["windows"]} == {"channel=email"}
    assert [row["segment"] for row in tree["segments"]] == ["all", "channel=email"]


@pytest.mark.parametrize(
    ("answered_in", "chosen"),
    [
        ({"24h", "7d", "30d", "90d", "all_time"}, "30d"),
        ({"90d", "all_time"}, "90d"),
        ({"all_time"}, "all_time"),
        (set(), "30d"),
    ],
)
def test_thirty_days_are_shown_first_or_the_next_longer_window_with_answers(answered_in: set[str], chosen: str) -> None:
    view = seen(*(scored(*([1] if name in answered_in else []), name=name) for name in SPANS))
    assert shown(view, Choice("default"))["choice"]["window"] == chosen


def test_calendar_windows_are_shown_while_they_are_open_and_come_last() -> None:
    view = seen(*(scored(1, name=name) for name in (*PERIODS, *SPANS)))
    assert list(windows(shown(view))) == [*SPANS, *PERIODS]
    since = view.version
    view.apply(scored(1, window=window("month.2026-05", state="final")))
    tree = shown(view, since=since)
    assert tree["whole"]
    assert list(windows(tree)) == [*SPANS, "quarter.2026-Q2", "year.2026"]
    view.apply(scored(2, window=window("month.2026-05", state="restated")))
    assert "month.2026-05" not in windows(shown(view))
    assert view.left_out() == {}


def test_whoever_looks_at_a_period_that_ends_is_shown_what_is_shown_first() -> None:
    view = seen(scored(1), scored(1, name="month.2026-05"))
    month = Choice("default", window="month.2026-05")
    assert shown(view, month)["choice"]["window"] == "month.2026-05"
    view.apply(scored(1, window=window("month.2026-05", state="final")))
    assert shown(view, month)["choice"]["window"] == "30d"


def test_nobody_is_shown_a_calendar_window_first() -> None:
    view = seen(scored(name="30d"), scored(name="all_time"), scored(1, name="year.2026"))
    assert shown(view, Choice("default"))["choice"]["window"] == "30d"


def test_windows_of_latest_answers_alone_are_not_shown() -> None:
    view = seen(scored(1))
    assert view.apply(scored(1, series="latest")) == ()


def test_a_verdict_says_how_far_it_may_be_off() -> None:
    verdict = {"direction": "no_evidence", "delta": -6.0, "z": -0.98, "p": 0.33}
    (found,) = shown(seen(scored(1, verdict=verdict)))["windows"]
    assert found["verdict"]["margin"] == pytest.approx(12.0, abs=0.01)


def test_only_what_changed_since_a_version_comes_again() -> None:
    view = seen(scored(1), scored(1, segment="channel=email"), answered(response_id="a"), answered(response_id="b"))
    since = view.version
    view.apply(decided("a"))
    tree = shown(view, since=since)
    assert not tree["whole"]
    assert [answer["id"] for answer in tree["answers"]] == ["a"]
    assert tree.keys() & {"windows", "days", "tasks", "alerts", "pipeline"} == set()


def test_what_another_tenant_does_changes_nothing_here() -> None:
    view = seen(scored(1))
    since = view.version
    view.apply(scored(1, tenant="other"))
    assert shown(view, since=since).keys() == {"version", "whole", "complete", "now", "choice", "reasons"}


def test_records_that_say_nothing_new_change_no_version() -> None:
    view = seen(answered(response_id="r"), decided("r"), delivered("r", version=2))
    before = view.version
    assert view.apply(decided("r")) == ()
    assert view.apply(delivered("r", version=1, state="sending")) == ()
    assert view.apply(tallied(series="latest")) == ()
    assert view.version == before


def test_nothing_that_names_anybody_is_shown() -> None:
    view = seen(answered(response_id="r", subject="a" * 32), tasked("r", owner="kim@example.org"))
    text = json.dumps(shown(view))
    for personal in ("example.org", "Lovelace", "a" * 32, "sealed", "Call back"):
        assert personal not in text


def test_open_tasks_come_by_priority_and_then_by_when_they_are_due() -> None:
    view = seen(
        tasked("a", priority="normal", due_at=NOON - timedelta(hours=1)),
        tasked("b", priority="urgent", due_at=NOON + timedelta(hours=2)),
        tasked("c", priority="urgent", due_at=NOON + timedelta(hours=1)),
        tasked("d", status="done"),
    )
    tasks = shown(view)["tasks"]
    assert [task["task_id"] for task in tasks["next"]] == [str(effect_id("default", name, "task")) for name in "cba"]
    assert (tasks["open"], tasks["overdue"]) == (3, 1)
    assert tasks["by_priority"] == {"urgent": 2, "normal": 1}


def test_a_task_that_is_closed_or_erased_is_open_no_more() -> None:
    view = seen(tasked("a"), tasked("b"))
    view.apply(tasked("a", version=2, status="done"))
    assert view.forget(TASKS.name, ["default", str(effect_id("default", "b", "task"))]) == ("tasks",)
    assert shown(view)["tasks"]["open"] == 0


def test_a_score_that_is_gone_is_told_by_telling_everything_anew() -> None:
    view = seen(scored(1), scored(1, segment="channel=email"))
    since = view.version
    assert view.forget(SCORES.name, ["default", "channel=email", "30d"]) == ("scores",)
    tree = shown(view, since=since)
    assert tree["whole"]
    assert [row["segment"] for row in tree["segments"]] == ["all"]


def test_a_tombstone_of_a_tally_ends_its_generation() -> None:
    view = seen(tallied({"9": 5}, generation="old", offset=9), tallied({"9": 4}, generation="new", offset=1))
    assert view.forget(TALLIES.name, ["old", "default", "all", "all", "2026-05-20", "0"]) == ("days",)
    assert shown(view)["days"]["promoters"][-1] == 4


def test_alerts_stand_until_they_are_resolved() -> None:
    alert = Alert(
        alert_id="a", tenant="default", segment="all", rule="drop", state="open", text="fell by 12", opened_at=NOON
    )
    view = seen(alert)
    assert [one["text"] for one in shown(view)["alerts"]] == ["fell by 12"]
    view.apply(alert.model_copy(update={"state": "resolved", "resolved_at": NOON}))
    assert shown(view)["alerts"] == []
    view.apply(alert)
    assert view.forget(ALERTS.name, ["default", "a"]) == ("alerts",)


def test_days_are_those_of_the_segment_or_of_all_where_it_has_none() -> None:
    view = seen(tallied({"9": 5}), tallied({"9": 2}, segment="channel=email"))
    assert shown(view, Choice("default", "channel=email"))["days"]["promoters"][-1] == 2
    everything = shown(view, Choice("default", "channel=sms"))["days"]
    assert (everything["segment"], everything["promoters"][-1], len(everything["promoters"])) == ("all", 5, 90)
    assert everything["first"] == "2026-02-20"


def test_days_are_not_shown_before_all_of_them_are_read() -> None:
    view = View()
    view.apply(tallied({"9": 5}))
    assert shown(view)["days"] is None
    since = view.version
    view.complete_days()
    assert shown(view, since=since)["days"]["promoters"][-1] == 5


def test_time_alone_makes_tasks_overdue_and_ends_days() -> None:
    view = seen(tasked("a"), tallied())
    view.tick(NOON)
    before = view.version
    view.tick(NOON + timedelta(seconds=20))
    assert view.version == before
    view.tick(NOON + timedelta(minutes=1))
    assert view.version_of("default", "tasks") > before
    view.tick(NOON + timedelta(days=1))
    assert view.version_of("default", "days") > before


def test_how_the_line_fares_is_told_to_every_tenant() -> None:
    view = seen(scored(1))
    since = view.version
    view.tell(Pipeline(groups=(GroupLag("routing", {"nps.responses": 7}, started=True),), dead={"x.dlq": 2}))
    pipeline = shown(view, Choice("anybody"), since)["pipeline"]
    assert pipeline["groups"] == [{"group": "routing", "lag": 7, "started": True}]
    assert pipeline["dead_letters"] == 2
    before = view.version
    view.tell(view.pipeline)
    assert view.version == before


def test_the_tenant_with_the_newest_answer_comes_first() -> None:
    view = seen(scored(1, tenant="a"), answered(tenant="b"), answered(tenant="c"))
    assert view.tenants() == ["c", "b", "a"]


def test_what_finds_no_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "KEPT", 1)
    monkeypatch.setattr(open_tasks, "KEPT", 1)
    monkeypatch.setattr(module, "SEGMENTS_WITH_DAYS", 1)
    view = seen(
        *(scored(1, segment=segment) for segment in ("all", "channel=email")),
        *(tasked(name) for name in ("a", "b")),
        *(tallied(segment=segment) for segment in ("channel=email", "channel=sms", "all")),
    )
    view.apply(scored(1, 1))  # a key that is known has its room
    assert view.left_out() == {"scores": 1, "tasks": 1, "segments": 1}
    assert shown(view)["pipeline"]["left_out"] == {"scores": 1, "tasks": 1, "segments": 1}
    assert ("default", "all") in view.days
