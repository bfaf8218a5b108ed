"""What tests need beside Python: on somebody's machine a test is skipped without it, in CI it fails."""

from __future__ import annotations

import os
import shutil
import socket
from typing import NoReturn

import pytest


def program(*names: str) -> str:
    """Where the first of these programs is that is there."""
    return next((path for name in names if (path := shutil.which(name))), None) or missing(names[0])


def ipv6() -> None:
    """An address of loopback by IPv6, which kernels and containers may be without."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return
    except OSError:
        missing("IPv6")


def missing(needed: str) -> NoReturn:
    """Ends a test for want of something."""
    reason = f"needs {needed}, which is not here"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
