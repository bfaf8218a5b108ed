"""The `nps` command: every subcommand, and where it is carried out.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 settings or business file wrong; 4 stopped because going on would be
wrong; 5 a dependency is away; 6 something was refused or not found.
"""

from __future__ import annotations

import typer

from services.chassis import logs
from services.console import (
    answers,
    dlq,
    importing,
    links,
    operating,
    playbook_checks,  # noqa: F401 adds its commands to the group
    playbook_roles,  # noqa: F401 adds its commands to the group
    playbook_trials,  # noqa: F401 likewise
    playbooks,
    running,
    scores,
    scoring_state,
    sources,
    unmatched,
    why,
)

app = typer.Typer(
    name="nps",
    help="The event-driven closed loop for Net Promoter Score.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for module in (
    running,
    answers,
    why,
    playbooks,
    importing,
    links,
    unmatched,
    scores,
    operating,
    dlq,
    sources,
    scoring_state,
):
    module.register(app)


@app.callback()
def _configure(*, verbose: bool = typer.Option(False, "--verbose", "-v", help="log what happens inside")) -> None:
    logs.configure("console", "INFO" if verbose else "CRITICAL", "nps")


def main() -> None:
    """Runs the command line."""
    app()


if __name__ == "__main__":
    main()
