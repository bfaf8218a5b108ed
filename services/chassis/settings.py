"""Settings from the environment: `NPS_*`, secrets also as `NPS_*_FILE`. Addresses, secrets and sizes alone.

Whatever is wrong or missing is said at once, in one message.
"""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.topic import RESPONSES_NAME
from services.chassis.logs import Format

PREFIX: Final = "NPS_"
FILE_SUFFIX: Final = "_FILE"
MASTER_KEY_BYTES: Final = 32

S = TypeVar("S", bound="ServiceSettings")


class BadSettings(Exception):
    """One message with every setting that is wrong or missing."""


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `NPS_<SECRET>_FILE`: how orchestrators hand over secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # the library's signature
        path = _secret_file(field_name, field)
        if path is None or _unreadable(path):
            return None, field_name, False
        return path.read_text().strip(), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _secret_file(field_name: str, field: FieldInfo) -> Path | None:
    path = os.environ.get(f"{PREFIX}{field_name.upper()}{FILE_SUFFIX}")
    return Path(path) if path and "SecretStr" in str(field.annotation) else None


def _unreadable(path: Path) -> str | None:
    """Why a file cannot be read; none if it can."""
    try:
        path.read_text()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return f"{path} is no text"
    return None


class ServiceSettings(BaseSettings):
    """What every service needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="brokers, host:port, comma separated")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how to speak to the brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="how to log in, with a SASL protocol"
    )
    kafka_username: str | None = Field(default=None, description="user name, with a SASL protocol")
    kafka_password: SecretStr | None = Field(default=None, description="password, with a SASL protocol")
    kafka_ca_file: FilePath | None = Field(
        default=None, description="PEM of the authority the brokers' certificates come from"
    )
    kafka_cert_file: FilePath | None = Field(default=None, description="PEM of our own certificate, for mutual TLS")
    kafka_key_file: FilePath | None = Field(default=None, description="PEM of our own key, for mutual TLS")
    topic_prefix: str = Field(
        default="", pattern=r"^[a-zA-Z0-9._-]*$", description="stands before every topic and group"
    )
    responses_topic: str = Field(
        default=RESPONSES_NAME,
        pattern=r"^[a-zA-Z0-9._-]{1,200}$",
        description="where answers lie: another name once `nps topics copy` has made a topic with more partitions",
    )
    partitions: int = Field(default=16, ge=1, le=1000, description="partitions of topics that scale, when made")
    replication: int = Field(default=1, ge=1, le=10, description="replicas of topics, when made")
    instance: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[a-zA-Z0-9._-]{1,100}$",
        description="id of this replica, kept over restarts; the host's name if not set",
    )
    http_host: str = Field(default="127.0.0.1", description="address to listen on")
    http_port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0 takes any")
    access_token: SecretStr | None = Field(
        default=None, min_length=16, description="asked for by pages and REST; required off loopback"
    )
    business_file: Path | None = Field(default=None, description="nps.yaml; the one that ships if not set")
    state_dir: Path = Field(default=Path(".nps"), description="where embedded databases and state lie")
    log_format: Format = Field(default="console", description="json for machines, console for people")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="the least to log")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then files that hold secrets."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @field_validator("kafka_username", "kafka_password")
    @classmethod
    def _given_with_sasl(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        protocol = info.data.get("kafka_security_protocol", "")
        if value is None and protocol.startswith("SASL"):
            raise ValueError(f"required with {protocol}")
        return value

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach us."""
        return self.http_host in {"127.0.0.1", "::1", "localhost"}


class SqlSettings(ServiceSettings):
    """Adds the database of a service that keeps its truth in SQL."""

    sql_url: SecretStr | None = Field(
        default=None, description="postgresql+asyncpg://...; a SQLite file in the state folder if not set"
    )


class SealedSettings(SqlSettings):
    """Adds the keyring, for services that seal or open personal data."""

    keyring_url: SecretStr | None = Field(
        default=None, description="database of the keyring; a SQLite file in the state folder if not set"
    )
    master_key: SecretStr = Field(description="32 bytes in base64 that wrap every key; losing it loses the data")

    @field_validator("master_key")
    @classmethod
    def _wraps_keys(cls, value: SecretStr) -> SecretStr:
        try:
            size = len(base64.b64decode(value.get_secret_value(), validate=True))
        except ValueError as error:
            raise ValueError("not base64") from error
        if size != MASTER_KEY_BYTES:
            raise ValueError(f"{size} bytes, must be {MASTER_KEY_BYTES}")
        return value


def load(settings: type[S], **given: Any) -> S:  # values of any type, checked by the model
    """Settings from the environment, completed by what the command line gave.

    Raises:
        BadSettings: listing every problem.
    """
    files = {name: _secret_file(name, field) for name, field in settings.model_fields.items() if name not in given}
    reasons = {name: _unreadable(path) for name, path in files.items() if path}
    problems = {f"{PREFIX}{name.upper()}{FILE_SUFFIX}": reason for name, reason in reasons.items() if reason}
    try:
        loaded = settings(**given)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            name, reason = _problem(item["loc"], item["msg"])
            if name + FILE_SUFFIX not in problems:
                problems[name] = reason
        raise _bad(problems) from error
    if problems:
        raise _bad(problems)
    return loaded


def _bad(problems: Mapping[str, str]) -> BadSettings:
    lines = [f"  {name}: {reason}" for name, reason in problems.items()]
    return BadSettings("settings are wrong or missing:\n" + "\n".join(lines))


def _problem(location: tuple[int | str, ...], message: str) -> tuple[str, str]:
    """The setting and what is wrong with it; a service's own check of several names them in its message."""
    reason = message.removeprefix("Value error, ")
    if not location:
        names, _, rest = reason.partition(": ")
        return ", ".join(PREFIX + name.upper() for name in names.split(", ")), rest
    reason = "required" if reason == "Field required" else reason[:1].lower() + reason[1:]
    return PREFIX + str(location[0]).upper(), reason
