"""A change in which playbook decides for a tenant, or decides beside it without effect."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.contract import Contract, Moment, Name, Revision, Tenant, Text


class PlaybookChange(Contract):
    """The change with the highest number of each role holds. Version 0 is the playbook of the business file."""

    tenant: Tenant
    number: Revision = Field(description="counts the changes of this tenant")
    role: Literal["active", "shadow"] = Field(description="shadow decides too, and only its decisions are recorded")
    version: int = Field(ge=0, description="counts the playbooks of this tenant; 0 gives the role back")
    name: Name | None = Field(default=None, description="as the playbook calls itself")
    content: Text | None = Field(default=None, description="the playbook as it was written, in YAML")
    at: Moment
