"""What routing needs to know: addresses from the environment, and its section of the business file."""

from __future__ import annotations

from pydantic import Field

from services.chassis.business import Section
from services.chassis.settings import SealedSettings
from services.routing.playbooks.playbook import Playbook


class RoutingSettings(SealedSettings):
    """Routing's environment."""

    http_port: int = Field(default=8084, ge=0, le=65535, description="port to listen on; 0 takes any")
    at_once: bool = Field(
        default=False, description="nothing settles and no hour is quiet; for trials, never with customers"
    )


class RoutingSection(Section):
    """Routing's part of a tenant in the business file."""

    playbook: Playbook = Field(description="what each kind of answer leads to, where none was activated")
