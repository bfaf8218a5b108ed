"""Prints an .env for docker-compose.yml with secrets of its own: `make up` writes it once."""

from __future__ import annotations

import secrets
import sys

from infra.local.stack import made_once


def main() -> None:
    """Prints every secret that the compose file asks for."""
    env = {
        **made_once({}),
        "NPS_ACCESS_TOKEN": secrets.token_urlsafe(24),
        "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
    }
    sys.stdout.write(
        "# Secrets of this machine's containers. Whoever loses NPS_MASTER_KEY loses what is sealed with it.\n"
    )
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in sorted(env.items())))


if __name__ == "__main__":
    main()
