"""What the monitor needs to know: addresses from the environment, and its section of the business file."""

from __future__ import annotations

from pydantic import Field

from schemas.contract import ShortText
from services.chassis.business import Section
from services.chassis.settings import ServiceSettings


class MonitorSettings(ServiceSettings):
    """The monitor's environment."""


class MonitorSection(Section):
    """The monitor's part of a tenant in the business file."""

    title: ShortText | None = Field(default=None, description="what the page calls this tenant; its id if not set")
