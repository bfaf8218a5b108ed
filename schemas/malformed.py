"""The failure that bad input is: it names the field and the reason, and never repeats the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pydantic import ValidationError

WHOLE_BODY: Final = "body"


class Fault(NamedTuple):
    """One thing that is wrong: where, and why."""

    field: str
    reason: str


class Malformed(ValueError):
    """Input that can never be accepted as it is; trying again changes nothing."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.reason}" for fault in faults))
        self.faults = faults

    @classmethod
    def of(cls, field: str, reason: str) -> Malformed:
        """The usual case: one field, one reason."""
        return cls([Fault(field, reason)])

    @classmethod
    def from_validation(cls, error: ValidationError) -> Malformed:
        """Pydantic's errors in our words; values are left out, since they may be somebody's address."""
        return cls(
            [
                _fault(item["loc"], item["type"], item["msg"])
                for item in error.errors(include_url=False, include_input=False)
            ]
        )


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> Fault:
    field = ".".join(str(part) for part in location if part != "[key]")
    reason = message.removeprefix("Value error, ")
    if kind == "extra_forbidden":
        reason = "unknown field"
    elif kind == "missing":
        reason = "required"
    elif kind == "json_invalid":
        reason = f"not JSON: {message.removeprefix('Invalid JSON: ')}"
    elif kind == "value_error" and not field and ": " in reason:
        field, reason = reason.split(": ", 1)
    elif kind == "string_pattern_mismatch":
        reason = "does not have the form this field needs"
    elif kind == "string_unicode":
        reason = "not UTF-8"
    return Fault(field or WHOLE_BODY, reason[:1].lower() + reason[1:] if not reason.startswith("not JSON") else reason)
