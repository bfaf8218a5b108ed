"""`nps import` and `nps answers unmatched` as somebody at a terminal sees them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.console.main import app
from tests.integration.conftest import MASTER_KEY

EXPORT = "Response ID;NPS;Verbatim;E-mail;Country\nr-1;9;Great;jane.doe@example.org;FI\nr-2;3;;;SE\nr-3;11;;;SE\n"


@pytest.fixture
def folder(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world of its own, and a file as a survey tool exports it."""
    for name, value in {
        "KAFKA_BOOTSTRAP": bootstrap,
        "TOPIC_PREFIX": f"t{secrets.token_hex(4)}.",
        "PARTITIONS": "2",
        "STATE_DIR": str(tmp_path / "state"),
        "MASTER_KEY": MASTER_KEY,
    }.items():
        monkeypatch.setenv(f"NPS_{name}", value)
    (tmp_path / "export.csv").write_text(EXPORT)
    return tmp_path


def nps(*arguments: str, said: str | None = None, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments, input=said)
    assert result.exit_code == expect, f"{result.output}{result.stderr}"
    return result


def test_columns_are_shown_and_nothing_starts_until_somebody_agrees(folder: Path) -> None:
    file = str(folder / "export.csv")
    refused = nps("import", file, said="n\n", expect=1)
    assert "(left out)" in refused.stderr
    assert "jane" not in refused.output
    assert not (folder / "export.rejected.csv").exists()
    done = nps("import", file, "--segment", "Country", said="y\n", expect=6)
    assert "3 rows: 2 accepted, 1 rejected" in done.stdout
    assert (folder / "export.rejected.csv").exists()
    told = json.loads(nps("import", file, "--segment", "Country", "--yes", "--json", expect=6).stdout)
    assert (told["rows"], told["accepted"], told["rejected"]) == (3, 2, 1)
    assert told["reasons"] == {"score: input should be less than or equal to 10": 1}


def test_a_dry_run_asks_nothing_and_lets_nothing_in(folder: Path) -> None:
    done = nps("import", str(folder / "export.csv"), "--dry-run", expect=6)
    assert "3 rows: 2 would be accepted, 1 would be rejected" in done.stdout
    assert [path.name for path in folder.iterdir()] == ["export.csv"]


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--date-format", "dym"), 2, "--date-format dym: one of dmy, mdy, ymd, or a pattern with %"),
        (("--encoding", "latin"), 2, "--encoding latin: one of utf-8"),
        (("--map", "NPS"), 2, "--map NPS: must be column=field"),
        (("--map", "NPS=colour"), 6, "colour: an answer has no such field"),
        (("--map", "NPS="), 6, "no column holds the score"),
        (("--tenant", "nobody", "--yes"), 6, "tenant: not in the business file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    folder: Path, options: tuple[str, ...], code: int, reason: str
) -> None:
    done = nps("import", str(folder / "export.csv"), *options, expect=code)
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_answers_of_nobody_are_listed_until_somebody_says_whose_they_are(folder: Path) -> None:
    nps("import", str(folder / "export.csv"), "--yes", expect=6)
    (one,) = json.loads(nps("answers", "unmatched", "--json").stdout)
    assert (one["response_id"], one["score"], one["channel"]) == ("r-2", 3, "import")
    (folder / "more.csv").write_text("response_id,revision,score,email\nr-2,2,3,x@example.org\n")
    nps("import", str(folder / "more.csv"), "--yes")
    assert json.loads(nps("answers", "unmatched", "--json").stdout) == []
