"""What the demo runs against: a stack of its own on this machine, or the one docker compose has started."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.local.processes import send
from infra.local.stack import Ports, Stack, read_env, resident_mib
from services.chassis.failures import Transient
from services.chassis.kafka import Kafka
from services.chassis.settings import ServiceSettings, load
from services.console import environment
from services.console.showing import err

MADE_FOR: Final = "made for the demo"
# A request that is not answered in two seconds is not answered by a sandbox on this machine.
QUICK: Final = {"NPS_SENDGRID_TIMEOUT_S": "2"}


class Target(ABC):
    """A running loop, as far as the demo must know it."""

    intake: str
    inbox: str
    crm: str
    token: str | None = None
    """Access token of pages and REST; none on loopback."""

    kafka: Kafka

    @abstractmethod
    async def start(self) -> None:
        """Makes it ready."""

    @abstractmethod
    async def nps(self, *arguments: str, upload: Path | None = None) -> str:
        """Runs the `nps` command beside the services; `upload` becomes its last argument. Returns its output."""

    @abstractmethod
    async def resident_mib(self) -> float:
        """Resident memory of all its processes, in MiB."""

    @abstractmethod
    async def stop(self) -> None:
        """Leaves things as they were found."""

    async def send(self, service: str, number: signal.Signals) -> None:
        """Sends a signal to a service."""
        raise NotImplementedError(f"{type(self).__name__} sends no signals: {service} {number}")

    async def relaunch(self, service: str) -> None:
        """Starts a service that was killed, and returns once it is ready."""
        raise NotImplementedError(f"{type(self).__name__} starts nothing: {service}")


class EmbeddedTarget(Target):
    """A fresh stack in a folder of its own, on ports nobody uses."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="nps-demo-"))
        self._stack = Stack(self._folder, Ports.any_free(), QUICK)
        self.intake = self._stack.url("intake")
        self.inbox = self._stack.url("sendgrid")
        self.crm = self._stack.url("crm")

    async def start(self) -> None:
        """Starts the stack."""
        environment.replace(self._stack.env)
        await asyncio.to_thread(self._stack.start, lambda what: err.print(what, style="dim", highlight=False))
        self.kafka = Kafka(load(ServiceSettings))

    async def nps(self, *arguments: str, upload: Path | None = None) -> str:
        """Runs the command with the stack's settings."""
        given = [*arguments, *([str(upload)] if upload else [])]
        return await run_command([sys.executable, "-m", "services.console.main", *given], env=self._stack.env)

    async def resident_mib(self) -> float:
        """The stack's processes and this one."""
        return sum(self._stack.resident_mib().values()) + resident_mib(os.getpid(), children=False)

    async def send(self, service: str, number: signal.Signals) -> None:
        """Sends a signal to a service's process group."""
        process = self._stack.children[service].process
        assert process is not None, service
        send(process, number)
        if number is signal.SIGKILL:
            await asyncio.to_thread(process.wait)

    async def relaunch(self, service: str) -> None:
        """Starts the service again and waits for it."""
        self._stack.launch(service)
        await asyncio.to_thread(self._stack.wait_ready, [service])

    async def stop(self) -> None:
        """Stops the stack and removes its state."""
        await asyncio.to_thread(self._stack.stop)
        shutil.rmtree(self._folder, ignore_errors=True)


class ComposeTarget(Target):
    """The stack of docker-compose.yml in this folder; addresses and secrets are in its .env."""

    def __init__(self) -> None:
        env = read_env(Path(".env"))
        self.intake = env.get("NPS_PUBLIC_INTAKE", "http://127.0.0.1:8081")
        self.inbox = env.get("NPS_PUBLIC_INBOX", "http://127.0.0.1:8086")
        self.crm = env.get("NPS_PUBLIC_CRM", "http://127.0.0.1:8087")
        self.token = env.get("NPS_ACCESS_TOKEN")
        self._bootstrap = env.get("NPS_PUBLIC_KAFKA", "127.0.0.1:9094")

    async def start(self) -> None:
        """Is running already."""
        self.kafka = Kafka(load(ServiceSettings, kafka_bootstrap=self._bootstrap))

    async def nps(self, *arguments: str, upload: Path | None = None) -> str:
        """Runs the command in the container of intake, or of whom the command is about."""
        container = {"resend": "delivery"}.get(arguments[0], "intake")
        command = ["docker", "compose", "exec", "-T", container]
        if upload is None:
            return await run_command([*command, "nps", *arguments])
        place = f"/tmp/{upload.name}"  # noqa: S108 the container's own scratch space
        content = await asyncio.to_thread(upload.read_bytes)
        await run_command([*command, "sh", "-c", f"cat > {place}"], content=content)
        return await run_command([*command, "nps", *arguments, place])

    async def resident_mib(self) -> float:
        """What every process of every container holds."""
        total = 0.0
        for container in (await run_command(["docker", "compose", "ps", "-q"])).split():
            table = await run_command(["docker", "top", container, "-eo", "pid,rss"])
            total += sum(int(line.split()[1]) for line in table.splitlines()[1:]) / 1024
        return total

    async def stop(self) -> None:
        """Leaves it running."""


def target(name: str) -> Target:
    """The target of that name."""
    return EmbeddedTarget() if name == "embedded" else ComposeTarget()


async def run_command(
    command: Sequence[str], *, env: dict[str, str] | None = None, content: bytes | None = None
) -> str:
    """Runs a program to its end; returns its output.

    Raises:
        Transient: if it fails, with what it said.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if content is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=None if env is None else {**os.environ, **env},
    )
    told, complained = await process.communicate(content)
    if process.returncode:
        raise Transient(f"{' '.join(command[:6])}: {complained.decode(errors='replace').strip()[-500:]}")
    return told.decode()


async def create_key(loop: Target, tenant: str) -> str:
    """An API key for the demo's tenant."""
    made = await loop.nps("keys", "create", "--tenant", tenant, "--name", MADE_FOR, "--json")
    return str(json.loads(made)["key"])
