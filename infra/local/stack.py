"""The whole loop on one machine: Kafka, both sandboxes and every service, each a process of its own.

Secrets are made at the first start and kept, with all state, in one folder that only its owner can read. A service that
dies is started again; one that stops because going on would be wrong is not, and its reason is told.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from infra.local import processes
from infra.local.kafka_broker import KafkaBroker, KafkaDown, free_ports, is_open, running_broker
from infra.sandbox.sendgrid.signing import new_key_pair

SERVICES: Final = ("monitor", "intake", "outreach", "delivery", "routing", "scoring")
SANDBOXES: Final = ("sendgrid", "crm")
BASE_PORT: Final = 8080
KAFKA_PORT: Final = 9092
PARTITIONS: Final = 4
READY_WITHIN_S: Final = 60.0
EXIT_HALT: Final = 4
RESTARTS_A_MINUTE: Final = 5

ENV_FILE: Final = "env"
API_KEY: Final = "NPS_API_KEY"
KEPT: Final = (API_KEY,)
"""What others have written into the file of settings, to be kept."""

BOOTSTRAP: Final = "NPS_KAFKA_BOOTSTRAP"
KAFKA_FOLDER: Final = "kafka"
PIDS_FILE: Final = "pids.json"
LOCK_FILE: Final = "lock"


_MADE_ONCE: Final[dict[str, Callable[[], str]]] = {
    "NPS_MASTER_KEY": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "NPS_SENDGRID_KEY": lambda: "SG." + secrets.token_urlsafe(24),
    "NPS_CRM_WEBHOOK_SECRET": lambda: "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
}


class StackDown(Exception):
    """Something did not come up; the message says what and where to look."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens."""

    kafka: int
    controller: int
    by_name: Mapping[str, int]

    @classmethod
    def in_a_row(cls, kafka: int = KAFKA_PORT, first: int = BASE_PORT) -> Ports:
        """Kafka's two, and one for every service and sandbox from `first` on."""
        return cls(kafka, kafka + 1, {name: first + number for number, name in enumerate((*SERVICES, *SANDBOXES))})

    @classmethod
    def any_free(cls) -> Ports:
        """Ports nobody uses: for runs beside others."""
        names = (*SERVICES, *SANDBOXES)
        kafka, controller, *others = free_ports(2 + len(names))
        return cls(kafka, controller, dict(zip(names, others, strict=True)))


@dataclass(slots=True)
class Child:
    """One process of the stack and how often it has lately been started."""

    name: str
    command: list[str]
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: list[float] = field(default_factory=list)
    gave_up: bool = False


class Stack:
    """Starts, watches and stops the processes; `folder` holds their state and logs.

    Raises:
        StackDown: if a stack of this folder is there already.
    """

    def __init__(self, folder: Path, ports: Ports, extra_env: dict[str, str] | None = None) -> None:
        self.folder: Final = folder
        self.ports: Final = dict(ports.by_name)
        self.broker: Final = KafkaBroker(folder / KAFKA_FOLDER, ports.kafka, ports.controller)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock: int | None = lock(folder)
        self.env: Final = {**_environment(folder, self.ports, self.broker.bootstrap), **(extra_env or {})}
        write_env(folder / ENV_FILE, self.env)
        self.children: Final = {child.name: child for child in self._children()}

    def url(self, name: str) -> str:
        """Where a service or sandbox answers."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self, tell: Callable[[str], None]) -> None:
        """Returns once everything is ready.

        Raises:
            StackDown: naming what did not come up.
        """
        if self._lock is None:
            self._lock = lock(self.folder)
        self._check_ports()
        tell("starting Kafka")
        self._start_broker()
        tell("starting services")
        for child in self.children.values():
            self.launch(child.name)
        self.wait_ready(self.ports)

    def _start_broker(self) -> None:
        try:
            self.broker.start()
        except KafkaDown as error:
            raise StackDown(str(error)) from error

    def launch(self, name: str) -> None:
        """Starts one process."""
        child = self.children[name]
        child.started = [*(at for at in child.started if time.monotonic() - at < 60), time.monotonic()]
        child.process = processes.start(child.command, log=self.log_of(name), env=self.env | child.env)
        (self.folder / PIDS_FILE).write_text(json.dumps(self.pids()))

    def log_of(self, name: str) -> Path:
        """Where a process writes what it has to say."""
        return self.folder / "logs" / f"{name}.log"

    def wait_ready(self, names: Iterable[str]) -> None:
        """Returns once each of them answers that it is ready.

        Raises:
            StackDown: if one stops, or is not ready in time.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        for name in names:
            while not _is_ready(self.url(name)):
                process = self.children[self.process_of(name)].process
                if process is not None and process.poll() is not None:
                    raise StackDown(f"{name} stopped: {self.last_words(name)}")
                if time.monotonic() > deadline:
                    raise StackDown(f"{name} is not ready after {READY_WITHIN_S:.0f} s; see {self.log_of(name)}")
                time.sleep(0.1)

    def look_after(self, tell: Callable[[str], None]) -> None:
        """Starts again what has died; tells of what must not be started again.

        Raises:
            StackDown: if Kafka has died and does not come up again.
        """
        if self.broker.process is not None and self.broker.process.poll() is not None:
            tell("Kafka died and is started again")
            self._start_broker()
        for child in self.children.values():
            if child.process is None or child.gave_up or child.process.poll() is None:
                continue
            if child.process.returncode == EXIT_HALT:
                child.gave_up = True
                tell(f"{child.name} stopped: {self.last_words(child.name)}")
            elif len(child.started) > RESTARTS_A_MINUTE:
                child.gave_up = True
                tell(f"{child.name} keeps dying; see {self.log_of(child.name)}")
            else:
                tell(f"{child.name} died and is started again")
                self.launch(child.name)

    def stop(self) -> None:
        """Stops everything, Kafka last."""
        processes.stop([child.process for child in self.children.values() if child.process is not None])
        for child in self.children.values():
            child.process = None
        self.broker.stop()
        (self.folder / PIDS_FILE).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def last_words(self, name: str) -> str:
        """The last line of a process's log."""
        log = self.log_of(self.process_of(name))
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return lines[-1] if lines else "without a word"

    def resident_mib(self) -> dict[str, float]:
        """Resident memory of each process of the stack, in MiB."""
        return {name: resident_mib(pid) for name, pid in self.pids().items()}

    def pids(self) -> dict[str, int]:
        """The process of each part of the stack that runs."""
        found = {child.name: child.process.pid for child in self.children.values() if child.process is not None}
        if self.broker.process is not None:
            found["kafka"] = self.broker.process.pid
        return found

    def process_of(self, name: str) -> str:
        """The process a service or sandbox lives in: both sandboxes share one."""
        return "sandbox" if name in SANDBOXES else name

    def _children(self) -> list[Child]:
        sandboxes = [f"{name}:{self.ports[name]}" for name in SANDBOXES]
        children = [Child("sandbox", [sys.executable, "-m", "infra.sandbox", *sandboxes], {})]
        for name in SERVICES:
            command = [sys.executable, "-m", "services.console.serving", name]
            children.append(Child(name, command, {"NPS_HTTP_PORT": str(self.ports[name])}))
        return children

    def _check_ports(self) -> None:
        taken = {name: port for name, port in self.ports.items() if is_open(port)}
        if taken:
            named = ", ".join(f"{port} ({name})" for name, port in taken.items())
            raise StackDown(f"ports are taken: {named}. Stop what uses them, or choose others with --port")


def lock(folder: Path) -> int:
    """The right to be the only stack of a folder: a descriptor, to be closed when that ends.

    Raises:
        StackDown: if somebody has it.
    """
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StackDown(f"a stack with its state in {folder} is running already") from error
    return descriptor


def is_running(folder: Path) -> bool:
    """Whether a stack with its state in this folder is up."""
    if not (folder / LOCK_FILE).exists():
        return False
    try:
        os.close(lock(folder))
    except StackDown:
        return True
    return False


@contextmanager
def stopped_kafka(folder: Path) -> Iterator[None]:
    """Kafka alone, for as long as a block lasts; does nothing where the stack runs, or none has ever been.

    Raises:
        KafkaDown: if it does not come up.
    """
    _, _, port = read_env(folder / ENV_FILE).get(BOOTSTRAP, "").rpartition(":")
    if not (folder / KAFKA_FOLDER).is_dir() or not port or is_running(folder):
        yield
        return
    with running_broker(folder / KAFKA_FOLDER, int(port)):
        yield


def resident_mib(pid: int, *, children: bool = True) -> float:
    """Resident memory of a process, by default with its children, in MiB; 0 if it is gone."""
    try:
        process = psutil.Process(pid)
        members = [process, *(process.children(recursive=True) if children else ())]
        return float(sum(member.memory_info().rss for member in members)) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def made_once(known: dict[str, str]) -> dict[str, str]:
    """Secrets of a stack: those that are known, and new ones for the rest."""
    made = {name: known.get(name) or make() for name, make in _MADE_ONCE.items()}
    private, public = known.get("NPS_SANDBOX_SENDGRID_PRIVATE_KEY"), known.get("NPS_SENDGRID_WEBHOOK_KEY")
    if not (private and public):
        pair = new_key_pair()
        private, public = pair.private, pair.public
    return made | {"NPS_SANDBOX_SENDGRID_PRIVATE_KEY": private, "NPS_SENDGRID_WEBHOOK_KEY": public}


def _environment(folder: Path, ports: dict[str, int], bootstrap: str) -> dict[str, str]:
    known = read_env(folder / ENV_FILE)
    made = made_once(known) | {name: known[name] for name in KEPT if name in known}
    intake = f"http://127.0.0.1:{ports['intake']}"
    return {
        **made,
        "NPS_SANDBOX_SENDGRID_KEY": made["NPS_SENDGRID_KEY"],
        BOOTSTRAP: bootstrap,
        "NPS_PARTITIONS": str(PARTITIONS),
        "NPS_INSTANCE": "local",
        "NPS_AT_ONCE": "true",  # whoever tries it out sees at once what an answer leads to, at night as well
        "NPS_STATE_DIR": str(folder.absolute()),
        "NPS_SENDGRID_URL": f"http://127.0.0.1:{ports['sendgrid']}",
        "NPS_UNSUBSCRIBE_URL": f"http://127.0.0.1:{ports['delivery']}",
        "NPS_SANDBOX_WEBHOOK_URL": f"{intake}/v1/webhooks/sendgrid",
        "NPS_SANDBOX_CRM_WEBHOOK_URL": f"{intake}/v1/webhooks/crm",
        "NPS_INTAKE_URL": intake,
        "NPS_PUBLIC_URL": intake,
        "NPS_SCORING_URL": f"http://127.0.0.1:{ports['scoring']}",
        "NPS_MONITOR_URL": f"http://127.0.0.1:{ports['monitor']}",
        **{f"NPS_PORT_{name.upper()}": str(port) for name, port in ports.items()},
        "MALLOC_ARENA_MAX": "2",  # fewer arenas, less memory that is held and not used
    }


def read_env(path: Path) -> dict[str, str]:
    """Settings from a file of `NAME=value` lines; empty if there is none."""
    if not path.exists():
        return {}
    lines = (line.partition("=") for line in path.read_text().splitlines() if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


def write_env(path: Path, env: dict[str, str]) -> None:
    """Writes settings where only their owner can read them."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in sorted(env.items())))


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 our own loopback address
            return bool(json.load(answer).get("ready", True))
    except urllib.error.HTTPError as error:
        return error.code == 404  # a sandbox has nothing to wait for
    except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError):
        return False
