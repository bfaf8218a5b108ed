"""What routing needs to know: addresses from the environment, and its section of the business file."""

from __future__ import annotations

from pydantic import Field

from services.chassis.business import Section
from services.chassis.settings import SealedSettings
from services.routing.playbooks.playbook import Playbook


class RoutingSettings(SealedSettings):
    """Routing's environment."""

    http_port: int = Field(default=8084, ge=0, le=65535, description="port to listen on; 0 takes any")


class RoutingSection(Section):
    """Routing's part of a tenant in the business file."""

    playbook: Playbook = Field(default_factory=Playbook, description="what each kind of answer leads to")
