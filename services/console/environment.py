"""Where a command finds its settings: the environment, else the folder of the stack that runs here."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from infra.local.stack import ENV_FILE, read_env
from services.chassis.settings import PREFIX

STATE_DIR: Final = "NPS_STATE_DIR"
DEFAULT_FOLDER: Final = Path(".nps")


def state_folder() -> Path:
    """The folder of the embedded stack."""
    return Path(os.environ.get(STATE_DIR, DEFAULT_FOLDER))


def replace(env: Mapping[str, str], keep: Collection[str] = ()) -> None:
    """The settings of a stack instead of those that were inherited, so that no other's leak into it."""
    for name in [name for name in os.environ if name.startswith(PREFIX) and name not in keep]:
        del os.environ[name]
    os.environ.update(env)


def adopt(folder: Path | None = None) -> None:
    """Takes over the settings of the embedded stack, where the environment says nothing else."""
    for name, value in read_env((folder or state_folder()) / ENV_FILE).items():
        os.environ.setdefault(name, value)
