"""What a linter has to say about a playbook: where, what is wrong, on what policy that rests, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Path = tuple[str | int, ...]
"""Keys and indexes that lead to a place in a playbook."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing for which a playbook is refused."""

    path: Path
    about: str
    problem: str
    mend: str
    policy: str | None = None
    """the law, or the rule of a platform, that it rests on; none where it rests on what a playbook is"""
    severity: Literal["error"] = "error"

    def __str__(self) -> str:
        policy = f" ({self.policy})" if self.policy else ""
        return f"{self.about}: {self.problem}{policy}; mend: {self.mend}"


def about_rule(name: str, field: str | None = None) -> str:
    """How a rule, or a field of it, is called in a finding."""
    return f"rule {name}: {field}" if field else f"rule {name}"
