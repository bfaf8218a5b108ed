"""What the monitor needs to know: addresses from the environment, and its section of the business file.

Beside it stands the one thing of another service that is shown: routing's playbook.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from schemas.contract import ShortText
from services.chassis.business import Section
from services.chassis.settings import ServiceSettings


class MonitorSettings(ServiceSettings):
    """The monitor's environment."""


class MonitorSection(Section):
    """The monitor's part of a tenant in the business file."""

    title: ShortText | None = Field(default=None, description="what the page calls this tenant; its id if not set")


class RoutingSection(Section):
    """What is shown of routing's section. Routing checks it: here nothing in it is an error."""

    model_config = ConfigDict(extra="ignore")

    playbook: Any = None  # YAML of any shape
