"""Files with answers: what is bad is named by line and reason, and its reject file can be imported again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from schemas.malformed import Malformed
from schemas.response import Response, Submission
from services.chassis.failures import Transient
from services.intake.domain import Arrival
from services.intake.door import Prepared
from services.intake.importing import Import, Importer, Report
from services.intake.sql_imports import Reached
from tests.support.clocks import ManualClock


@dataclass
class FakeDoor:
    """Lets everything in that it can hold."""

    room: int = 1_000_000
    admitted: list[Arrival] = field(default_factory=list)

    async def prepare(self, arrivals: Sequence[Arrival], now: datetime) -> Prepared:
        del now
        return Prepared(cast("list[Response | Malformed]", list(arrivals)), [])

    async def let_in(self, prepared: Prepared) -> None:
        if len(self.admitted) + len(prepared.results) > self.room:
            raise Transient("full")
        self.admitted += cast("list[Arrival]", prepared.results)


@dataclass
class FakePlaces:
    """Remembers in memory."""

    known: dict[str, Reached] = field(default_factory=dict)

    async def reached(self, what: str) -> Reached:
        return self.known.get(what, Reached())

    async def note(self, what: str, place: Reached, now: datetime) -> None:
        del now
        self.known[what] = place

    async def finish(self, what: str) -> None:
        del self.known[what]


@dataclass
class Desk:
    """Imports what a file of that name holds."""

    folder: Path
    door: FakeDoor = field(default_factory=FakeDoor)
    places: FakePlaces = field(default_factory=FakePlaces)

    async def take(self, name: str, content: str | bytes, **how: Any) -> Report:  # options of an import
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return await self.again(name, **how)

    async def again(self, name: str, **how: Any) -> Report:  # options of an import
        what = Import(self.folder / name, "default", **how)
        return await Importer(what, self.door, self.places, ManualClock()).run(lambda *_: None)

    def rejects(self, name: str) -> str:
        return (self.folder / name).read_text(errors="surrogateescape")

    @property
    def answers(self) -> list[Submission]:
        return [arrival.submission for arrival in self.door.admitted]

    @property
    def scores(self) -> list[int | None]:
        return [answer.score for answer in self.answers]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("cell", ["--5", "+-5", "5" * 5000, "٣", "1e3", "-", "9 9"])
async def test_what_is_no_number_is_a_rejected_row(desk: Desk, cell: str) -> None:
    report = await desk.take("old.csv", f"response_id,score\na,{cell}\nb,7\n")
    assert (report.accepted, report.rejected) == (1, 1)
    assert desk.rejects("old.rejected.csv").splitlines()[1].startswith("2,score: input should be a valid integer")


@pytest.mark.parametrize("cell", ["nan", "inf", "1e999", "many"])
async def test_what_is_no_rating_is_a_rejected_row(desk: Desk, cell: str) -> None:
    report = await desk.take("old.csv", f"metric,rating\ncsat,{cell}\ncsat,4.5\n")
    assert (report.accepted, report.rejected) == (1, 1)
    assert desk.rejects("old.rejected.csv").splitlines()[1].startswith("2,rating: ")


async def test_a_mended_reject_file_is_imported(desk: Desk) -> None:
    await desk.take("old.csv", "response_id;score;segment.plan\na;eleven;pro\nb;7;pro\n")
    told = desk.rejects("old.rejected.csv")
    assert told.splitlines()[0] == "line,reason,response_id,score,segment.plan,unreadable"
    report = await desk.take("mended.csv", told.replace("eleven", "8"))
    assert (report.accepted, report.rejected) == (1, 0)
    assert (desk.scores, desk.answers[1].segments) == ([7, 8], {"plan": "pro"})


async def test_a_reject_file_that_is_not_mended_comes_out_the_same(desk: Desk) -> None:
    await desk.take("old.csv", 'response_id,score\na,eleven\nb,7,8\nc,"7"7\n')
    told = desk.rejects("old.rejected.csv")
    await desk.take("again.csv", told)
    again = desk.rejects("again.rejected.csv")
    assert [line.split(",")[2:] for line in again.splitlines()][:2] == [
        line.split(",")[2:] for line in told.splitlines()
    ][:2]
    assert '"b,7,8"' in again
    assert '"c,""7""7"' in again


async def test_a_row_that_cannot_be_divided_keeps_its_text(desk: Desk) -> None:
    report = await desk.take("old.csv", 'response_id,score\n"a"x,9\nb,7,8\nc,6\n')
    assert (report.accepted, report.rejected) == (1, 2)
    assert desk.rejects("old.rejected.csv").splitlines() == [
        "line,reason,response_id,score,unreadable",
        '2,"row: no CSV: \',\' expected after \'""\'",,,"""a""x,9"',
        '3,row: more cells than there are columns,,,"b,7,8"',
    ]


async def test_a_header_that_is_no_csv_is_malformed(desk: Desk) -> None:
    with pytest.raises(Malformed, match="header: no CSV"):
        await desk.take("old.csv", '"score"x,email\n9,\n')


async def test_lines_are_counted_with_those_that_are_blank_or_within_quotes(desk: Desk) -> None:
    content = 'score,comment\n\n\nx,"two\n\nlines"\n\ny,\n7,"a\nb"\nz,\n'
    await desk.take("old.csv", content)
    with (desk.folder / "old.rejected.csv").open() as file:
        lines = [line.split(",")[0] for line in file if ",score: " in line]
    assert lines == ["4", "8", "11"]


async def test_rejects_of_ndjson_are_ndjson_and_can_be_imported(desk: Desk) -> None:
    await desk.take("old.ndjson", '{"score": 11, "response_id": "a"}\n\nno json\n{"score": 3}\n[1]\n')
    told = desk.rejects("old.rejected.ndjson")
    first, second, third = map(json.loads, told.splitlines())
    assert first == {
        "line": 1,
        "reason": "score: input should be less than or equal to 10",
        "score": 11,
        "response_id": "a",
    }
    assert (second["line"], second["unreadable"]) == (3, "no json")
    assert (third["line"], third["unreadable"]) == (5, "[1]")
    report = await desk.take("mended.ndjson", told.replace('"score":11', '"score":1'))
    assert (report.accepted, report.rejected, desk.scores) == (1, 2, [3, 1])
    again = [json.loads(line) for line in desk.rejects("mended.rejected.ndjson").splitlines()]
    assert [item["unreadable"] for item in again] == ["no json", "[1]"]


async def test_bytes_that_are_no_text_are_rejected_and_shown(desk: Desk) -> None:
    await desk.take("old.ndjson", b'{"score": 3, "name": "\xff"}\n')
    (told,) = map(json.loads, desk.rejects("old.rejected.ndjson").splitlines())
    assert told["unreadable"] == '{"score": 3, "name": "\\xff"}'


async def test_a_clean_import_leaves_no_reject_file(desk: Desk) -> None:
    report = await desk.take("old.csv", "score\n9\n")
    assert (report.accepted, report.rejects, list(desk.folder.iterdir())) == (1, None, [desk.folder / "old.csv"])
