"""What a newcomer does in the first hour: imports a file of old answers, looks at the score, looks around."""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.support.running_loop import Loop, Tenant, until

ROWS = 10_000
WITHOUT_SCORE = 7


def a_file_from_2014(path: Path) -> None:
    chance = random.Random(2014)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "response_id",
                "score",
                "answered_at",
                "channel",
                "segment.country",
                "segment.plan",
                "segment.store",
                "email",
                "comment",
            ]
        )
        without = set(chance.sample(range(ROWS), WITHOUT_SCORE))
        for number in range(ROWS):
            at = datetime(2014, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(525_000))
            writer.writerow(
                [
                    f"old-{number}",
                    "" if number in without else min(10, max(0, round(chance.gauss(8, 2)))),
                    at.strftime("%Y-%m-%d %H:%M"),
                    chance.choice(["email", "phone"]),
                    chance.choice(["CZ", "FI", "PL"]),
                    chance.choice(["free", "pro"]),
                    f"store {chance.randrange(12)}",
                    f"customer{number % 4000}@example.org",
                    chance.choice(["", "Fine, thanks.", 'Too slow; "really"', "Příliš žluťoučký kůň"]),
                ]
            )


def test_ten_thousand_old_answers_score_what_pandas_says_and_nobody_is_mailed(loop: Loop, tenant: Tenant) -> None:
    file = loop.stack.folder / "answers-2014.csv"
    a_file_from_2014(file)
    done = loop.nps("import", str(file), "--tenant", tenant.name, "--yes", "--json", expect=6)
    report = json.loads(done.stdout)
    assert (report["rows"], report["accepted"], report["rejected"]) == (ROWS, ROWS - WITHOUT_SCORE, WITHOUT_SCORE)
    answers = pd.read_csv(file)
    blank = answers.index[answers["score"].isna()]
    rejected = pd.read_csv(report["reject_file"])
    assert rejected["line"].tolist() == [line + 2 for line in blank]
    assert set(rejected["reason"]) == {"score: required when metric is nps"}

    until(tenant.score, lambda found: found and found["n"] == ROWS - WITHOUT_SCORE, deadline_s=90)
    counted = answers.dropna(subset=["score"])
    frames = {"all": counted}
    for column in ("channel", "segment.country", "segment.plan", "segment.store"):
        for value, frame in counted.groupby(column):
            frames[f"{column.removeprefix('segment.')}={value}"] = frame
    scores = until(
        tenant.scores,
        lambda found: sum(s["n"] for s in found.values()) == len(counted) * 5,
    )
    shown = {score["segment"]: score for score in loop.told("scores", "--tenant", tenant.name, "--window", "all_time")}
    assert shown == scores
    for segment, frame in frames.items():
        promoters, detractors = (frame["score"] >= 9).sum(), (frame["score"] <= 6).sum()
        assert (scores[segment]["n"], scores[segment]["promoters"]) == (len(frame), promoters)
        assert scores[segment]["nps"] == pytest.approx(100 * (promoters - detractors) / len(frame))
    assert scores.keys() == frames.keys()
    assert (tenant.mails(), tenant.tasks()) == ([], [])


def test_the_doctor_finds_everything_in_order_and_tells_the_memory_of_each_process(loop: Loop) -> None:
    findings = {finding["what"]: finding for finding in loop.told("doctor")}
    assert all(finding["ok"] for finding in findings.values()), findings
    assert {"memory of kafka", "memory of scoring", "memory of all"} <= findings.keys()


def test_a_first_answer_is_published_and_followed(loop: Loop) -> None:
    token = loop.told("keys", "create", "--tenant", "default")["key"]
    loop.stack.env["NPS_API_KEY"] = token
    told = loop.told("publish", "--score", "9", "--email", "newcomer@example.org")
    default = Tenant(loop, "default")
    until(lambda: default.steps(told["response_id"]), lambda steps: any("delivered" in what for _, what in steps))
    assert "thank-promoters" in loop.nps("trace", told["response_id"]).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("trace", "nobody"), 6, "no answer nobody of tenant default"),
        (("dlq", "show", "zzz"), 6, "0 dead letters"),
        (("keys", "revoke", "zzz"), 6, "no key zzz"),
        (("topics", "create", "Bad-Name"), 6, "channel"),
        (("run", "nothing"), 2, "not one of"),
        (("import", "/nowhere.csv"), 2, "does not exist"),
        (("publish", "--score", "11"), 2, "less than or equal to 10"),
    ],
)
def test_a_wrong_command_says_what_is_wrong_in_a_line(
    loop: Loop, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = loop.nps(*arguments, expect=code)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
