"""What the mail sandbox needs to know."""

from __future__ import annotations

from pydantic import Field, SecretStr

from services.chassis.settings import ServiceSettings


class SendGridSandboxSettings(ServiceSettings):
    """The mail sandbox's environment."""

    http_port: int = Field(default=8086, ge=0, le=65535, description="port to listen on; 0 takes any")
    sandbox_webhook_url: str | None = Field(
        default=None, pattern=r"^https?://", description="where events are posted; they are kept if not set"
    )
    sandbox_delivery_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#]+/?$",
        description="where delivery answers one-click unsubscribes, if not under the address in the mail",
    )
    sandbox_sendgrid_key: SecretStr | None = Field(
        default=None, description="the API key to ask for; any will do if not set"
    )
    sandbox_sendgrid_private_key: SecretStr | None = Field(
        default=None, description="P-256 key that signs events, PKCS 8 DER in base64; one for this run if not set"
    )
