"""Hands each page what has changed since its last message, at most twice a second.

It is computed once for all who look at the same thing, and never queued for whoever is slow.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from services.chassis.clock import Clock
from services.monitor.pipeline import Pipeline
from services.monitor.playbook import Written
from services.monitor.playbook_snapshot import playbook_tree
from services.monitor.snapshot import Choice, Tree, changes, is_answered, settled
from services.monitor.view import View

PACE: Final = timedelta(milliseconds=500)
LONGEST_VERSION: Final = 15  # digits

_ALWAYS: Final = frozenset({"version", "whole", "complete", "now", "choice", "reasons"})


@dataclass(frozen=True, slots=True)
class Update:
    """One message to a page: the version it brings the page to, and what changed up to it; none if nothing did."""

    version: int
    data: str | None


class Live:
    """What is shown at the moment, and who looks at it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._view = View()
        self._name = uuid4().hex
        self._told = ("", 0)
        self._turn = asyncio.Event()
        self._cache: dict[tuple[Choice, int], Update] = {}
        self._closed = False
        self.viewers = 0
        self.topics_there: Final = asyncio.Event()

    @property
    def view(self) -> View:
        """What is shown."""
        return self._view

    def show(self, view: View) -> None:
        """Puts a new view in place of the old one; every page begins anew."""
        view.tell(self._view.pipeline)
        self._view = view
        self._name = uuid4().hex

    def tell(self, pipeline: Pipeline) -> None:
        """Shows how the line fares."""
        self._view.tell(pipeline)
        if pipeline.kafka_away is None and not pipeline.missing:
            self.topics_there.set()

    def snapshot(self, choice: Choice) -> Tree:
        """Everything there is to see."""
        return changes(self._view, choice, self._clock.now())

    def playbook(self, tenant: str, of_file: Written | None) -> Tree:
        """The playbook that decides for a tenant, and what it leads to."""
        return playbook_tree(self._view, tenant, of_file, self._clock.now())

    async def run(self) -> None:
        """Turns twice a second; ends all pages when cancelled."""
        try:
            while True:
                self.turn()
                await asyncio.sleep(PACE.total_seconds())
        finally:
            self._closed = True
            self._wake()

    def turn(self) -> None:
        """Lets everybody have what is new, if anything is."""
        self._view.tick(self._clock.now())
        if self._told != (self._name, self._view.version):
            self._told = (self._name, self._view.version)
            self._wake()

    async def updates(self, choice: Choice, last_id: str | None) -> AsyncGenerator[tuple[str, str], None]:
        """What one page is sent, each message with its id.

        First all there is, or what a page that comes back has not seen; then whatever changes. A window chosen for a
        page stays once it holds answers; until then another may be chosen, and all is told anew.
        """
        name, since = _seen(last_id) if choice.window else ("", 0)
        told = choice
        self.viewers += 1
        try:
            while not self._closed:
                turn = self._turn
                asked = settled(self._view, choice)
                if (name, told) != (self._name, asked):
                    name, told, since = self._name, asked, 0
                if is_answered(self._view, asked):
                    choice = asked
                update = self._update(asked, since)
                if update.data is not None:
                    yield f"{name}:{update.version}", update.data
                    since = update.version
                await turn.wait()
        finally:
            self.viewers -= 1

    def _update(self, choice: Choice, since: int) -> Update:
        found = self._cache.get((choice, since))
        if found is None:
            tree = changes(self._view, choice, self._clock.now(), since)
            data = as_json(tree) if tree.keys() - _ALWAYS else None
            found = self._cache[choice, since] = Update(self._view.version, data)
        return found

    def _wake(self) -> None:
        self._cache.clear()
        self._turn.set()
        self._turn = asyncio.Event()


def as_json(tree: Tree) -> str:
    """JSON on one line, as small as it gets."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


def _seen(last_id: str | None) -> tuple[str, int]:
    """The view a page has seen, and up to which version."""
    name, _, version = (last_id or "").partition(":")
    return name, int(version) if version.isdecimal() and len(version) <= LONGEST_VERSION else 0
