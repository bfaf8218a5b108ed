"""What intake needs to know: addresses and secrets from the environment, and its section of the business file."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import Field, SecretStr, field_validator

from services.chassis.business import Section
from services.chassis.failures import Halt
from services.chassis.settings import SealedSettings
from services.intake.sources import crm


class IntakeSettings(SealedSettings):
    """Intake's environment."""

    http_port: int = Field(default=8081, ge=0, le=65535, description="port to listen on; 0 takes any")
    sendgrid_webhook_key: str | None = Field(
        default=None, description="public key of SendGrid's signed event webhook, base64; without it events are refused"
    )
    crm_webhook_secret: SecretStr | None = Field(
        default=None, description="secret of the CRM's signed webhook, whsec_...; without it its calls are refused"
    )

    @field_validator("crm_webhook_secret")
    @classmethod
    def _signs(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            crm.parse_secret(value.get_secret_value())
        except Halt as error:
            raise ValueError(str(error).partition(": ")[2]) from error
        return value


class SegmentBound(Section):
    """How many segments there may be: each is counted for every window, so they must not grow without end."""

    most: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="distinct key=value pairs that are told apart, those of touchpoints, agents and teams among them",
    )
    overflow: str = Field(default="other", min_length=1, max_length=80, description="value that stands for all beyond")


class IntakeSection(Section):
    """Intake's part of a tenant in the business file."""

    segments: SegmentBound = SegmentBound()
    inbound_topics: tuple[str, ...] = Field(
        default=("responses.*",), description="topics whose events may speak for this tenant; * stands for anything"
    )

    def may_speak(self, topic: str) -> bool:
        """Whether events of an inbound topic may name this tenant."""
        return any(fnmatchcase(topic, pattern) for pattern in self.inbound_topics)
