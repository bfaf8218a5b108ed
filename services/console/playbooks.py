"""The group of commands about playbooks."""

from __future__ import annotations

import typer

playbook = typer.Typer(help="Playbooks: rules, tested before they run.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(playbook, name="playbook")
