"""Settings: from the environment and from files, and everything that is wrong said at once."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from services.chassis.failures import Halt
from services.chassis.kafka import Kafka
from services.chassis.lifecycle import bind
from services.chassis.settings import BadSettings, SealedSettings, ServiceSettings, load

TOKEN = "sixteen-letters-"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("NPS_"):
            monkeypatch.delenv(name)


def test_nothing_need_be_set() -> None:
    settings = load(ServiceSettings)
    assert settings.kafka_bootstrap == "127.0.0.1:9092"
    assert settings.on_loopback


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_KAFKA_BOOTSTRAP", "kafka-1:9092,kafka-2:9092")
    monkeypatch.setenv("NPS_PARTITIONS", "4")
    settings = load(ServiceSettings)
    assert (settings.kafka_bootstrap, settings.partitions) == ("kafka-1:9092,kafka-2:9092", 4)


def test_what_the_command_line_says_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_HTTP_PORT", "9000")
    assert load(ServiceSettings, http_port=9001).http_port == 9001


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_HTTP_PORT", "")
    assert load(ServiceSettings).http_port == 8080


def test_everything_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NPS_HTTP_PORT", "many")
    monkeypatch.setenv("NPS_ACCESS_TOKEN", "short")
    monkeypatch.setenv("NPS_TOPIC_PREFIX", "eu/")
    monkeypatch.setenv("NPS_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("NPS_KAFKA_PASSWORD_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("NPS_KAFKA_CA_FILE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(BadSettings) as caught:
        load(SealedSettings)
    lines = str(caught.value).splitlines()
    assert lines[0] == "settings are wrong or missing:"
    assert {line.split(":")[0].strip() for line in lines[1:]} == {
        "NPS_ACCESS_TOKEN",
        "NPS_HTTP_PORT",
        "NPS_KAFKA_CA_FILE",
        "NPS_KAFKA_PASSWORD_FILE",
        "NPS_KAFKA_USERNAME",
        "NPS_MASTER_KEY",
        "NPS_TOPIC_PREFIX",
    }
    assert "  NPS_MASTER_KEY: required" in lines
    assert "  NPS_KAFKA_USERNAME: required with SASL_SSL" in lines
    assert f"  NPS_KAFKA_PASSWORD_FILE: {tmp_path / 'nowhere'} cannot be read: No such file or directory" in lines


def test_a_secret_that_is_wrong_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_ACCESS_TOKEN", "hush-hush")
    with pytest.raises(BadSettings) as caught:
        load(ServiceSettings)
    assert "hush-hush" not in f"{caught.value} {caught.value.__cause__}"


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    monkeypatch.setenv("NPS_ACCESS_TOKEN_FILE", str(tmp_path / "token"))
    token = load(ServiceSettings).access_token
    assert token is not None
    assert token.get_secret_value() == TOKEN


def test_the_variable_itself_comes_before_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the file, long enough")
    monkeypatch.setenv("NPS_ACCESS_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("NPS_ACCESS_TOKEN", TOKEN)
    token = load(ServiceSettings).access_token
    assert token is not None
    assert token.get_secret_value() == TOKEN


def test_only_secrets_lie_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "prefix").write_text("eu.")
    monkeypatch.setenv("NPS_TOPIC_PREFIX_FILE", str(tmp_path / "prefix"))
    assert load(ServiceSettings).topic_prefix == ""


def test_a_file_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("NPS_ACCESS_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(BadSettings, match=r"NPS_ACCESS_TOKEN_FILE: .* is no text"):
        load(ServiceSettings)


@pytest.mark.parametrize(("given", "missing"), [("USERNAME", "PASSWORD"), ("PASSWORD", "USERNAME")])
def test_sasl_needs_a_user_and_a_password(monkeypatch: pytest.MonkeyPatch, given: str, missing: str) -> None:
    monkeypatch.setenv("NPS_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv(f"NPS_KAFKA_{given}", "something")
    with pytest.raises(BadSettings, match=f"NPS_KAFKA_{missing}: required with SASL_PLAINTEXT") as caught:
        load(ServiceSettings)
    assert f"NPS_KAFKA_{given}:" not in str(caught.value)


def test_sasl_over_tls_reaches_the_clients() -> None:
    settings = load(
        ServiceSettings,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_username="nps",
        kafka_password="secret",
    )
    connection = Kafka(settings).connection
    assert connection["security_protocol"] == "SASL_SSL"
    assert connection["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (connection["sasl_plain_username"], connection["sasl_plain_password"]) == ("nps", "secret")
    assert connection["ssl_context"].check_hostname


def test_settings_keep_secrets_to_themselves() -> None:
    assert TOKEN not in repr(load(ServiceSettings, access_token=TOKEN))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "nps.example.org"])  # noqa: S104 what it is about
def test_off_loopback_a_token_is_needed(host: str) -> None:
    settings = load(ServiceSettings, http_host=host)
    assert not settings.on_loopback
    with pytest.raises(Halt, match="NPS_ACCESS_TOKEN"):
        bind(settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_no_token_is_needed(host: str) -> None:
    assert load(ServiceSettings, http_host=host).on_loopback


def test_an_instance_is_named_after_its_host() -> None:
    assert load(ServiceSettings).instance == socket.gethostname()


@pytest.mark.parametrize(
    ("key", "reason"),
    [("not base64!", "not base64"), ("påsk", "not base64"), ("c2hvcnQ=", "5 bytes, must be 32")],
)
def test_a_master_key_that_wraps_nothing_is_said_with_the_rest(
    monkeypatch: pytest.MonkeyPatch, key: str, reason: str
) -> None:
    monkeypatch.setenv("NPS_MASTER_KEY", key)
    monkeypatch.setenv("NPS_HTTP_PORT", "many")
    with pytest.raises(BadSettings) as caught:
        load(SealedSettings)
    lines = str(caught.value).splitlines()
    assert f"  NPS_MASTER_KEY: {reason}" in lines
    assert len(lines) == 3
