"""`nps links`: one link, a link for each row of a file, and the row of a mail; nobody's data on the screen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.console.main import app
from tests.integration.conftest import MASTER_KEY

MAILING = (
    "first_name;customer_id;email;language;segment.plan\n"
    "Olga;C-1;olga@example.org;fi;pro\n"
    '"Wei; Li";C-2;wei@example.org;;\n'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and settings under which the command works alone: neither Kafka nor intake is there."""
    for name, value in {
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "STATE_DIR": str(tmp_path / "state"),
        "MASTER_KEY": MASTER_KEY,
        "PUBLIC_URL": "https://ask.example.org/nps/",
    }.items():
        monkeypatch.setenv(f"NPS_{name}", value)
    return tmp_path


def nps(*arguments: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == expect, f"{result.output}{result.stderr}"
    return result


def test_a_link_stands_under_the_public_address(folder: Path) -> None:
    told = json.loads(nps("links", "create", "--email", "olga@example.org", "--json").stdout)
    assert told["link"].startswith("https://ask.example.org/nps/f/default.")
    assert told["row_link"] == told["link"].replace("/f/", "/r/")
    assert "olga" not in told["link"]


def test_each_row_of_a_file_gets_a_link_and_the_screen_nobodys_data(folder: Path) -> None:
    source = folder / "customers.csv"
    source.write_text(MAILING)
    told = nps("links", "create", "--csv", str(source), "--survey", "spring").stdout
    assert "columns used: customer_id, email, language, segment.plan" in told
    assert "columns passed over: first_name" in told
    assert not any(value in told for value in ("Olga", "Wei", "example.org/nps/f", "C-1"))
    with (folder / "customers.links.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["first_name"], row["customer_id"], row["email"]) for row in rows] == [
        ("Olga", "C-1", "olga@example.org"),
        ("Wei; Li", "C-2", "wei@example.org"),
    ]
    assert len({row["link"] for row in rows} | {row["row_link"] for row in rows}) == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "header: the file is empty"),
        ("email;link\na@example.org;x\n", "header: a column is called link already"),
        ("email;email\na;b\n", "header: a column stands there twice"),
        ("customer_id;email\nC-1;olga@example.org\nC-2;secret-nonsense\n", "line 3: email: does not have the form"),
        ("customer_id;name\nC-1;\nC-2;;more\n", "line 3: more cells"),
        ("customer_id;language\nC-1;de\n", "line 2: language: the form does not speak it"),
        ("customer_id;segment.all\nC-1;x\n", "line 2: segments.all: reserved"),
    ],
)
def test_a_file_that_is_wrong_is_named_by_line_and_reason_and_makes_nothing(
    folder: Path, text: str, reason: str
) -> None:
    source = folder / "customers.csv"
    source.write_text(text)
    told = nps("links", "create", "--csv", str(source), expect=6).stderr
    assert reason in told
    assert "secret-nonsense" not in told
    assert not (folder / "customers.links.csv").exists()


def test_a_file_that_is_no_text_is_refused(folder: Path) -> None:
    source = folder / "customers.csv"
    source.write_bytes(b"customer_id\n\xff\xfe\n")
    assert "no CSV in UTF-8" in nps("links", "create", "--csv", str(source), expect=6).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--many", "--email", "olga@example.org"), 6, "email: a link that takes many answers names nobody"),
        (("--many", "--csv", __file__), 2, "--many: of no use with --csv"),
        (("--team", "blue"), 2, "--team: of which --agent?"),
        (("--segment", "plan"), 2, "must be key=value"),
        (("--email", "nonsense"), 6, "email: does not have the form this field needs"),
        (("--channel", "E-Mail"), 6, "channel: does not have the form this field needs"),
        (("--tenant", "nobody"), 6, "tenant: not in the business file"),
    ],
)
def test_what_cannot_stand_in_a_link_is_named(folder: Path, arguments: tuple[str, ...], code: int, reason: str) -> None:
    assert reason in nps("links", "create", *arguments, expect=code).stderr


def test_the_row_takes_a_link_or_a_placeholder(folder: Path) -> None:
    row = nps("links", "row", "{{ row_link }}", "--language", "cs", "--brand", "Kettle & Co").stdout
    assert [f'href="{{{{ row_link }}}}/{number}"' in row for number in range(12)] == [True] * 11 + [False]
    assert "byste Kettle &amp; Co doporučili" in row
    link = json.loads(nps("links", "create", "--json").stdout)
    assert f'href="{link["row_link"]}/0"' in nps("links", "row", link["link"]).stdout
    assert "language: the form does not speak it" in nps("links", "row", "x", "--language", "de", expect=6).stderr
