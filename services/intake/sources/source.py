"""What every source has in common: the failure of a signature."""

from __future__ import annotations


class Unverified(Exception):
    """The bytes are not from whom they claim to be. The message says which check failed, never what was expected."""
