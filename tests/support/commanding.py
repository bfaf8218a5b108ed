"""The `nps` command in the world that a test has made: its topics, databases, keys and business file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from services.chassis.settings import ServiceSettings
from services.console.main import app

GIVEN: Final = ("kafka_bootstrap", "topic_prefix", "partitions", "state_dir", "master_key", "sql_url", "keyring_url")


class Commands:
    """Runs commands beside a loop that runs already."""

    def __init__(self, settings: ServiceSettings, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        for name in GIVEN:
            value = getattr(settings, name, None)
            if value is not None:
                told = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
                patch.setenv(f"NPS_{name.upper()}", told)

    def business(self, file: Path, text: str) -> None:
        """Lays a business file over the one that ships."""
        file.write_text(text)
        self._patch.setenv("NPS_BUSINESS_FILE", str(file))

    async def __call__(self, *arguments: str, expect: int = 0) -> Result:
        """The command's output; fails if the exit code is another."""
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert result.exit_code == expect, f"{result.output}{result.stderr}{result.exception!r}"
        return result

    async def told(self, *arguments: str, expect: int = 0) -> Any:  # JSON of any shape
        """What it says as JSON."""
        return json.loads((await self(*arguments, "--json", expect=expect)).stdout)
