"""Runs one service in this process: `python -m services.console.serving routing`, which `nps run routing` does too.

Imports the service it runs and no other, and nothing of the command line: a process holds what it needs.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from services.chassis import logs
from services.chassis.business import BadBusiness, Business
from services.chassis.clock import Clock, SystemClock
from services.chassis.failures import Halt, Transient
from services.chassis.settings import BadSettings, ServiceSettings, load

if TYPE_CHECKING:
    from services.chassis.lifecycle import Assembly

NAMES: Final = ("intake", "scoring", "routing", "delivery", "outreach", "monitor")
PAUSABLE: Final = {"mail": "delivery", "tasks": "outreach"}
SHIPPED: Final = Path(str(files("schemas"))) / "nps.yaml"

Opening = Callable[[Any, Business, Clock], "AbstractAsyncContextManager[Assembly]"]
"""A service's own function in its app.py; each takes its own settings."""

_log = logs.logger("serving")


class Exit(IntEnum):
    """Exit codes of the `nps` command; documented in docs/reference/commands.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    HALT = 4
    UNAVAILABLE = 5
    REFUSED = 6


def business_of(settings: ServiceSettings) -> Business:
    """The business file these settings name, over the one that ships.

    Raises:
        BadBusiness: naming file, line and reason.
    """
    return Business.load(SHIPPED, settings.business_file, frozenset(NAMES))


def settings_of(name: str) -> type[ServiceSettings]:
    """The settings class of a service."""
    found: type[ServiceSettings] = getattr(
        importlib.import_module(f"services.{name}.settings"), f"{name.capitalize()}Settings"
    )
    return found


def opening_of(name: str) -> Opening:
    """The function that puts a service together."""
    opening: Opening = getattr(importlib.import_module(f"services.{name}.app"), name)
    return opening


def serve(name: str, **given: Any) -> Exit:  # settings given on the command line, checked by the model
    """Runs a service until it is stopped; the exit code says why it ended."""
    from services.chassis.lifecycle import run  # noqa: PLC0415 a server, which the command line does without

    try:
        settings = load(settings_of(name), **given)
        logs.configure(settings.log_format, settings.log_level, name)
        business = business_of(settings)
        asyncio.run(run(settings, opening_of(name)(settings, business, SystemClock())))
    except (BadSettings, BadBusiness) as error:
        sys.stderr.write(f"{error}\n")
        return Exit.CONFIGURATION
    except Halt as error:
        _log.critical("service.halted", reason=str(error))
        return Exit.HALT
    except Transient as error:
        _log.critical("service.unavailable", reason=str(error))
        return Exit.UNAVAILABLE
    except Exception:  # noqa: BLE001 the process ends here, and its log says why
        _log.exception("service.failed")
        return Exit.FAILED
    return Exit.OK


def main() -> None:
    """Runs the service named on the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        sys.stderr.write(f"usage: python -m services.console.serving ({'|'.join(NAMES)})\n")
        raise SystemExit(Exit.USAGE)
    raise SystemExit(serve(sys.argv[1]))


if __name__ == "__main__":
    main()
