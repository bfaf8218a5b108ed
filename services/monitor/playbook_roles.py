"""Which playbook is active for a tenant and which is on trial, as routing tells of each change."""

from __future__ import annotations

from typing import Final

from schemas.playbook_change import PlaybookChange

TENANTS_KEPT: Final = 1_000
"""A playbook has up to 20,000 characters, and a tenant two of them here."""


class PlaybookRoles:
    """The newest change of each role; of more tenants, those that came last are left out and counted."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, dict[str, PlaybookChange]] = {}
        self.left_out = 0

    def put(self, change: PlaybookChange) -> bool:
        """Takes over a change; returns whether it is the newest of its role."""
        if change.tenant not in self._by_tenant and len(self._by_tenant) >= TENANTS_KEPT:
            self.left_out += 1
            return False
        mine = self._by_tenant.setdefault(change.tenant, {})
        known = mine.get(change.role)
        if known and known.number >= change.number:
            return False
        mine[change.role] = change
        return True

    def active(self, tenant: str) -> PlaybookChange | None:
        """The change that made the active playbook so; none where the business file's decides."""
        return self._of(tenant, "active")

    def shadow(self, tenant: str) -> PlaybookChange | None:
        """The change that began the trial; none if there is none."""
        return self._of(tenant, "shadow")

    def _of(self, tenant: str, role: str) -> PlaybookChange | None:
        change = self._by_tenant.get(tenant, {}).get(role)
        return change if change and change.version else None
