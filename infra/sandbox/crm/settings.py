"""What the CRM sandbox needs to know."""

from __future__ import annotations

from pydantic import Field, SecretStr

from services.chassis.settings import ServiceSettings


class CrmSandboxSettings(ServiceSettings):
    """The CRM sandbox's environment."""

    http_port: int = Field(default=8087, ge=0, le=65535, description="port to listen on; 0 takes any")
    sandbox_crm_webhook_url: str | None = Field(
        default=None, pattern=r"^https?://", description="where changes are posted; they stay here if not set"
    )
    crm_webhook_secret: SecretStr | None = Field(
        default=None, description="whsec_ and base64: signs the webhooks; required to post any"
    )


SETTINGS = CrmSandboxSettings
"""The settings `open_app` takes."""
