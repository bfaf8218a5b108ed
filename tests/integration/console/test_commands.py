"""The `nps` command against a real Kafka: what it makes, shows, saves and brings back."""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import shutil
import sqlite3
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from infra.local.stack import lock, read_env
from services.chassis.kafka import Kafka
from services.chassis.settings import ServiceSettings
from services.console.main import app
from tests.integration.conftest import MASTER_KEY


@pytest.fixture
def nps(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nps:
    """The command, in a world of its own."""
    prefix = f"t{secrets.token_hex(4)}."
    for name, value in {
        "KAFKA_BOOTSTRAP": bootstrap,
        "TOPIC_PREFIX": prefix,
        "PARTITIONS": "2",
        "STATE_DIR": str(tmp_path / "state"),
        "MASTER_KEY": MASTER_KEY,
        "SENDGRID_KEY": "SG.none",
    }.items():
        monkeypatch.setenv(f"NPS_{name}", value)
    return Nps(ServiceSettings(), tmp_path)


class Nps:
    def __init__(self, settings: ServiceSettings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder

    def __call__(self, *arguments: str, expect: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == expect, f"{result.output}{result.stderr}"
        return result

    def publish(self, topic: str, value: bytes) -> None:
        async def send() -> None:
            kafka = Kafka(self.settings)
            producer = kafka.producer()
            await producer.start()
            await producer.send_and_wait(kafka.topic(topic), value)
            await producer.stop()

        asyncio.run(send())


def test_topics_are_made_once_and_checked(nps: Nps) -> None:
    assert "nps.responses" in nps("topics", "create", "email").output
    assert "everything is there" in nps("topics", "create", "email").output
    assert json.loads(nps("topics", "check", "--json").stdout) == {"problems": []}


def test_missing_topics_are_named(nps: Nps) -> None:
    told = json.loads(nps("topics", "check", "--json", expect=1).stdout)
    assert f"{nps.settings.topic_prefix}nps.responses: missing" in told["problems"]


def test_a_key_is_shown_once_and_revoked(nps: Nps) -> None:
    nps("topics", "create")
    made = json.loads(nps("keys", "create", "--name", "shop", "--json").stdout)
    assert made["key"].startswith("nps_")
    listed = nps("keys", "list", "--json").output
    assert made["key"] not in listed
    nps("keys", "revoke", made["key_id"])
    assert json.loads(nps("keys", "list", "--json").stdout)[0]["revoked_at"]
    nps("keys", "revoke", made["key_id"], expect=6)


def test_scores_tasks_and_letters_are_empty_lists_at_first(nps: Nps) -> None:
    nps("topics", "create")
    for command in (("scores",), ("tasks",), ("dlq", "list")):
        assert json.loads(nps(*command, "--json").stdout) == []
        assert "nothing there" in nps(*command).output


def test_settings_that_are_missing_are_all_said_at_once(nps: Nps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPS_MASTER_KEY")
    monkeypatch.setenv("NPS_PARTITIONS", "many")
    told = nps("keys", "create", expect=3).stderr
    assert "NPS_MASTER_KEY: required" in told
    assert "NPS_PARTITIONS" in told


def test_a_kafka_that_is_away_is_one_line_and_its_code(nps: Nps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    told = nps("scores", expect=5).stderr
    assert "Kafka" in told
    assert "Traceback" not in told


def test_a_backup_brings_back_databases_and_secrets(nps: Nps) -> None:
    nps("topics", "create")
    nps("keys", "create", "--name", "before")
    state = nps.folder / "state"
    (state / "env").write_text("NPS_MASTER_KEY=kept\n")
    file = nps.folder / "backup.tar.gz"
    assert "master key" in nps("backup", str(file)).stderr
    assert file.stat().st_mode & 0o077 == 0
    nps("keys", "create", "--name", "after")
    (state / "env").write_text("NPS_MASTER_KEY=lost\n")
    nps("restore", str(file), "--yes")
    assert [key["name"] for key in json.loads(nps("keys", "list", "--json").stdout)] == ["before"]
    assert read_env(state / "env") == {"NPS_MASTER_KEY": "kept", "NPS_STATE_DIR": str(state)}
    with sqlite3.connect(state / "intake.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_topics_are_saved_too_where_nothing_runs(nps: Nps) -> None:
    state, file = nps.folder / "state", nps.folder / "backup.tar.gz"
    nps("topics", "create")
    nps("keys", "create")
    (state / "env").write_text("")
    (state / "kafka" / "data").mkdir(parents=True)
    (state / "kafka" / "data" / "log").write_text("records")
    holding = lock(state)
    assert "Topics are not in it" in nps("backup", str(file)).stderr
    assert "the stack is running" in nps("restore", str(file), "--yes", expect=6).stderr
    os.close(holding)
    nps("backup", str(file))
    shutil.rmtree(state / "kafka")
    assert "recover" not in nps("restore", str(file), "--yes").output
    assert (state / "kafka" / "data" / "log").read_text() == "records"


def test_only_what_is_paused_is_resumed_and_only_who_is_known_is_paused(nps: Nps) -> None:
    nps("topics", "create")
    assert "no tenant nobody" in nps("pause", "mail", "--tenant", "nobody", expect=6).stderr
    nps("pause", "mail")
    assert "no such pause" in nps("resume", "mail", "--tenant", "default", expect=6).stderr
    nps("resume", "mail")
    assert "no such pause" in nps("resume", "mail", expect=6).stderr


def packed(*names: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no archive", "no archive"),
        (packed("env", "intake.sqlite3")[:60], "no archive"),
        (packed("intake.sqlite3"), "no backup"),
        (packed("env", "../intake.sqlite3"), "no backup"),
        (packed("env", "authorized_keys"), "no backup"),
    ],
    ids=["bytes", "cut short", "without secrets", "outside", "something else"],
)
def test_what_is_no_backup_changes_nothing(nps: Nps, content: bytes, reason: str) -> None:
    nps("topics", "create")
    nps("keys", "create")
    file = nps.folder / "other.tar.gz"
    file.write_bytes(content)
    assert reason in nps("restore", str(file), "--yes", expect=6).stderr
    assert len(json.loads(nps("keys", "list", "--json").stdout)) == 1


def test_reset_deletes_the_state_and_nothing_else(nps: Nps) -> None:
    state = nps.folder / "state"
    nps("reset", "--yes", expect=6)
    state.mkdir()
    (state / "env").write_text("")
    nps("reset", "--yes")
    assert not state.exists()


def test_before_anything_is_counted_no_generation_is_shown_ended_or_verified(nps: Nps) -> None:
    nps("topics", "create")
    (asked,) = json.loads(nps("scoring", "generations", "--json").stdout)
    assert (asked["generation"], asked["announced"], asked["shown"], asked["asked"]) == ("g1", 0, False, True)
    assert "none" in nps("scoring", "generations").output
    assert "no generation is shown yet" in nps("scoring", "prune", expect=6).stderr
    assert "nothing is shown" in nps("scoring", "verify", expect=6).stderr


def test_answers_are_copied_into_more_partitions_and_found_there(nps: Nps, monkeypatch: pytest.MonkeyPatch) -> None:
    nps("topics", "create")
    nps.publish("nps.responses", b"{}")
    copy = ("topics", "copy", "nps.responses", "--partitions", "3")
    assert "nps.responses-3 holds all 1 records of nps.responses" in nps(*copy).output
    assert "all 1 records" in nps(*copy).output
    assert "no other topic is copied" in nps("topics", "copy", "nps.tallies", "--partitions", "3", expect=6).stderr
    monkeypatch.setenv("NPS_RESPONSES_TOPIC", "nps.responses-3")
    assert json.loads(nps("topics", "check", "--json").stdout) == {"problems": []}
    monkeypatch.setenv("NPS_RESPONSES_TOPIC", "nps.responses-4")
    assert "nps topics copy" in nps("topics", "create", expect=4).stderr
