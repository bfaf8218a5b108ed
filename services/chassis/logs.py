"""One line a message: a dotted event name and keys. No addresses, no names, no answer text, ever.

Personal keys are dropped and whatever looks like an e-mail address is masked, in our lines and in those of libraries.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog

Format = Literal["json", "console"]

PERSONAL: Final = frozenset(
    {"email", "phone", "name", "comment", "text", "note", "customer", "customer_id", "account_id", "address", "body"}
)
_ADDRESS: Final = re.compile(r"[^\s@<>\"'=:,;()\[\]]+@[^\s@<>\"',;()\[\]]+")
_STRUCTLOGS_OWN: Final = frozenset({"_record", "_from_structlog"})
_CHATTY: Final = {
    "aiokafka": logging.ERROR,
    "aiosqlite": logging.WARNING,
    "alembic": logging.WARNING,
    "faust": logging.ERROR,
    "mode": logging.ERROR,
    "uvicorn": logging.WARNING,
}

Line = MutableMapping[str, Any]  # structlog's own type for an event


def without_personal_data(_logger: object, _method: str, line: Line) -> Line:
    """Drops personal keys and masks addresses, in nested values too."""
    return {
        key: value if key in _STRUCTLOGS_OWN else _masked(value) for key, value in line.items() if key not in PERSONAL
    }


def _masked(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, dict):
        return {_masked(key): _masked(item) for key, item in value.items() if key not in PERSONAL}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return _ADDRESS.sub("***", str(value))


def configure(form: Format, level: str, service: str) -> None:
    """Sends our lines and those of libraries to standard error in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_personal_data,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer()
                if form == "json"
                else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, quiet in _CHATTY.items():
        logging.getLogger(name).setLevel(max(quiet, root.level))


def logger(component: str) -> structlog.stdlib.BoundLogger:
    """A logger; the component stands in each line."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(component=component)
    return bound
