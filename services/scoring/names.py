"""Short numbers for tenants and segments, given in log order and never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Names:
    """The numbers of one source partition. `added` waits to be stored."""

    tenants: dict[str, int] = field(default_factory=dict)
    segments: dict[tuple[str, str], int] = field(default_factory=dict)
    by_code: list[tuple[str, str]] = field(default_factory=list)
    tenant_by_code: list[str] = field(default_factory=list)
    added: list[tuple[str, ...]] = field(default_factory=list)

    def tenant(self, name: str) -> int:
        """The number of a tenant."""
        code = self.tenants.get(name)
        if code is None:
            code = self.tenants[name] = len(self.tenant_by_code)
            self.tenant_by_code.append(name)
            self.added.append((name,))
        return code

    def segment(self, tenant: str, name: str) -> int:
        """The number of a tenant's segment."""
        code = self.segments.get((tenant, name))
        if code is None:
            code = self.segments[tenant, name] = len(self.by_code)
            self.by_code.append((tenant, name))
            self.added.append((tenant, name))
        return code

    def codes(self, tenant: str, segments: Iterable[str]) -> tuple[int, ...]:
        """The numbers of several segments, each once."""
        return tuple(dict.fromkeys(self.segment(tenant, name) for name in segments))
