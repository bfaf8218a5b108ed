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
from services.intake.importing import Import, Importer, Report, Wishes, importer
from services.intake.sql_imports import Reached
from tests.support.clocks import ManualClock
from tests.support.sheets import write


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
        self.known.pop(what, None)


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


async def test_an_import_that_was_cut_short_goes_on_where_it_stopped(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "ROWS_AT_ONCE", 2)
    desk.door.room = 3
    content = "response_id,score\na,1\nb,eleven\nc,3\nd,4\ne,5\nf,twelve\n"
    with pytest.raises(Transient):
        await desk.take("old.csv", content)
    assert desk.scores == [1, 3, 4]
    desk.door.room = 100
    report = await desk.again("old.csv")
    assert desk.scores == [1, 3, 4, 5]
    assert (report.rows, report.accepted, report.rejected, report.resumed_at) == (6, 4, 2, 4)
    assert [line.split(",")[0] for line in desk.rejects("old.rejected.csv").splitlines()] == ["line", "3", "7"]


async def test_what_was_under_way_comes_again_with_the_same_id(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "ROWS_AT_ONCE", 2)
    await desk.take("old.csv", "score\n1\n2\n3\n4\n5\n")
    first = {arrival.submission.score: arrival.response_id for arrival in desk.door.admitted}
    desk.door = FakeDoor(room=3)
    with pytest.raises(Transient):
        await desk.again("old.csv")
    desk.door.room = 100
    await desk.again("old.csv")
    assert {arrival.submission.score: arrival.response_id for arrival in desk.door.admitted} == first


async def test_a_file_that_changed_or_is_read_otherwise_begins_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "ROWS_AT_ONCE", 1)
    desk.door.room = 2
    with pytest.raises(Transient):
        await desk.take("old.csv", "score,Land\n1,FI\n2,SE\n3,NO\n")
    desk.door.room = 100
    assert (await desk.again("old.csv", wishes=Wishes(segments=("Land",)))).resumed_at == 0
    assert (await desk.take("old.csv", "score,Land\n1,FI\n2,SE\n3,DK\n")).resumed_at == 0


async def test_once_it_is_done_nothing_is_remembered(desk: Desk) -> None:
    await desk.take("old.csv", "score\n1\n")
    assert desk.places.known == {}


@pytest.mark.parametrize("name", ["old.csv", "old.ndjson", "old.parquet", "old.xlsx"])
async def test_whatever_the_format_it_is_history_and_a_bad_row_is_told_with_its_line(desk: Desk, name: str) -> None:
    rows = [("a", 9, "jane@example.org", "fine"), ("b", 11, None, None), ("c", 0, None, "ž")]
    write(desk.folder / name, ("response_id", "NPS", "E-mail", "Verbatim"), rows)
    report = await desk.again(name)
    assert (report.accepted, report.rejected, desk.scores) == (2, 1, [9, 0])
    assert all(arrival.history for arrival in desk.door.admitted)
    assert (desk.answers[0].email, desk.answers[1].comment) == ("jane@example.org", "ž")
    assert report.reasons == {"score: input should be less than or equal to 10": 1}
    assert report.rejects is not None
    assert report.rejects.suffix == (".ndjson" if name.endswith("ndjson") else ".csv")
    again = report.rejects.with_name("mended" + report.rejects.suffix)
    again.write_text(report.rejects.read_text().replace("11", "10"))
    assert ((await desk.again(again.name)).accepted, desk.scores) == (1, [9, 0, 10])


async def test_a_dry_run_says_what_would_be_and_writes_nothing(desk: Desk) -> None:
    report = await desk.take("old.csv", "score\n9\n12\n13\nx\n", dry_run=True)
    assert (report.accepted, report.rejected, report.rejects) == (1, 3, None)
    assert report.reasons.most_common(1) == [("score: input should be less than or equal to 10", 2)]
    assert list(desk.folder.iterdir()) == [desk.folder / "old.csv"]


async def test_without_a_score_nothing_is_imported(desk: Desk) -> None:
    with pytest.raises(Malformed, match="say --map COLUMN=score"):
        await desk.take("old.csv", "Stars,E-mail\n5,a@example.org\n")


async def test_columns_nobody_asked_for_are_left_out(desk: Desk) -> None:
    content = "NPS;Země;Plan;Secret\n9;Česko;pro;x\n"
    wishes = Wishes({"Země": "segment.country"}, segments=("Plan",), attributes=())
    await desk.take("old.csv", content, wishes=wishes)
    assert desk.answers[0].segments == {"country": "Česko", "plan": "pro"}
    assert not desk.answers[0].attributes


async def test_a_column_can_be_kept_with_the_person(desk: Desk) -> None:
    await desk.take("old.csv", "NPS,First name\n9,Jane\n", wishes=Wishes(attributes=("First name",)))
    assert desk.answers[0].attributes == {"First name": "Jane"}


async def test_keys_that_come_up_late_in_ndjson_stand_where_they_are(desk: Desk) -> None:
    lines = ['{"score": 1}'] * 150 + ['{"score": 2, "comment": "late"}', '{"score": 3, "colour": "red"}']
    report = await desk.take("old.ndjson", "\n".join(lines))
    assert (desk.answers[-1].comment, report.rejected) == ("late", 1)
    assert report.reasons == {"colour: unknown field": 1}


async def test_channels_have_the_form_of_their_names(desk: Desk) -> None:
    await desk.take("old.csv", "score,Channel\n9,In-App\n9,E-mail \n9,sms\n")
    assert [answer.channel for answer in desk.answers] == ["in_app", "e_mail", "sms"]
