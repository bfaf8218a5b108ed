"""`python -m infra.sandbox sendgrid crm`: one sandbox or both in one process; `sendgrid:8086` chooses a port.

A sandbox is a module `infra.sandbox.<name>.app` with `open_app(settings)`; the type of that argument says what settings
it has.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final, get_type_hints

from starlette.types import ASGIApp

from services.chassis.failures import Halt
from services.chassis.lifecycle import Assembly, bind, serve, stop_on_signals
from services.chassis.logs import configure, logger
from services.chassis.settings import BadSettings, ServiceSettings, load

SANDBOXES: Final = ("sendgrid", "crm")
USAGE: Final = "usage: python -m infra.sandbox (sendgrid|crm)[:PORT] ..."

Opening = Callable[[ServiceSettings], AbstractAsyncContextManager[ASGIApp]]

_log = logger("sandbox")


def main(arguments: Sequence[str]) -> int:
    """Runs the sandboxes named until a signal; the exit code."""
    try:
        wanted = [_asked_for(argument) for argument in arguments]
    except ValueError:
        wanted = []
    if not wanted:
        sys.stderr.write(USAGE + "\n")
        return 2
    try:
        asyncio.run(_run(wanted))
    except (Halt, BadSettings) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _asked_for(argument: str) -> tuple[str, dict[str, int]]:
    name, _, port = argument.partition(":")
    if name not in SANDBOXES:
        raise ValueError(name)
    return name, {"http_port": int(port)} if port else {}


async def _run(wanted: Sequence[tuple[str, dict[str, int]]]) -> None:
    stop = stop_on_signals()
    async with AsyncExitStack() as stack:
        ready = []
        for name, given in wanted:
            opening: Opening = importlib.import_module(f"infra.sandbox.{name}.app").open_app
            settings = load(get_type_hints(opening)["settings"], **given)
            configure(settings.log_format, settings.log_level, "sandbox")
            listening = stack.enter_context(bind(settings))
            ready.append((await stack.enter_async_context(opening(settings)), listening))
            _log.info("sandbox.ready", sandbox=name, port=listening.getsockname()[1])
        await asyncio.gather(*(serve(Assembly({}, app), listening, stop) for app, listening in ready))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
