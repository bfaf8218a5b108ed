"""The Faust worker that hosts scoring: it runs the tally and the windows, their timers, and views of what they publish.

What is right or wrong never passes through it: Faust does lifecycle, timers and agents over data that is derived,
absolute and heals by itself. Hosted by `start()`, without its command line and its web server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import faust
from mode import Service
from mode.threads import ServiceThread

from schemas.malformed import Malformed
from schemas.tally import ALL
from schemas.topic import split_key
from schemas.topics import SCORES
from services.chassis.kafka import HEARTBEAT_MS, SESSION_MS, Kafka
from services.chassis.logs import logger

if TYPE_CHECKING:
    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.scoring.metrics import AnyMetric
    from services.scoring.settings import ScoringSettings

VIEWS_GROUP: Final = "scoring.views"
PUBLISH_EVERY_S: Final = 0.25
LOOK_EVERY_S: Final = 0.2

_log = logger("stream")


class Runs(Protocol):
    """Something with a loop of its own."""

    def run(self, stop: asyncio.Event) -> Coroutine[Any, Any, None]:
        """Runs until stopped."""
        ...


class Publishes(Runs, Protocol):
    """Something that also wants to be called now and then."""

    def publish_due(self) -> Coroutine[Any, Any, None]:
        """One round."""
        ...


class _Hosted(Service):
    """A loop of ours as a service of Faust's worker; if it fails, the worker fails."""

    def __init__(self, hosted: Runs, **options: Any) -> None:  # mode's own keyword arguments
        super().__init__(**options)
        self._hosted = hosted
        self._loop_of_ours: asyncio.Task[None] | None = None

    async def on_start(self) -> None:
        """Starts the loop."""
        self._halt = asyncio.Event()
        self._loop_of_ours = asyncio.create_task(self._hosted.run(self._halt))
        self._loop_of_ours.add_done_callback(self._ended)

    async def on_stop(self) -> None:
        """Lets the loop finish what is in hand."""
        if self._loop_of_ours is not None:
            self._halt.set()
            await asyncio.wait([self._loop_of_ours])

    def _ended(self, loop: asyncio.Task[None]) -> None:
        error = None if loop.cancelled() else loop.exception()
        if error is not None:
            self.add_future(self.crash(error))


class _HostedInThread(ServiceThread):
    """The same in a thread and event loop of its own: the tally keeps its loop busy for long stretches."""

    def __init__(self, hosted: Runs, **options: Any) -> None:  # mode's own keyword arguments
        super().__init__(**options)
        self._hosted = hosted
        self.failure: BaseException | None = None
        self._loop_of_ours: asyncio.Task[None] | None = None

    async def on_thread_started(self) -> None:
        """Starts the loop, in the thread."""
        self._halt = asyncio.Event()
        self._loop_of_ours = asyncio.create_task(self._hosted.run(self._halt))
        self._loop_of_ours.add_done_callback(self._ended)

    async def on_thread_stop(self) -> None:
        """Lets the loop finish what is in hand, in the thread."""
        if self._loop_of_ours is not None:
            self._halt.set()
            await asyncio.wait([self._loop_of_ours])

    def _ended(self, loop: asyncio.Task[None]) -> None:
        self.failure = None if loop.cancelled() else loop.exception()


class Worker:
    """Scoring as one Faust worker."""

    def __init__(
        self, settings: ScoringSettings, frame: Frame, *, tallying: Sequence[Runs], windowing: Publishes
    ) -> None:
        self._app = _faust_app(settings, frame.kafka)
        self._tallies = tallying
        self._windows = windowing
        self._metrics: Metrics[AnyMetric] = frame.metrics
        self._health = frame.health
        self._app.timer(PUBLISH_EVERY_S)(windowing.publish_due)
        scores = self._app.topic(frame.kafka.topic(SCORES.name), key_serializer="raw", value_serializer="raw")
        self._app.agent(scores, name="scores-view")(self._view)

    async def run(self, stop: asyncio.Event) -> None:
        """Hosts everything until stopped.

        Raises:
            Exception: whatever the tally, the windows or Faust failed with.
        """
        app = self._app
        app.conf.datadir.mkdir(parents=True, exist_ok=True)
        app.finalize()
        threads = [_HostedInThread(tally) for tally in self._tallies]
        try:
            await app.start()
            for thread in threads:
                await app.add_runtime_dependency(thread)
            await app.add_runtime_dependency(_Hosted(self._windows))
            while not stop.is_set() and not app.crashed and not _failures(threads):
                self._health.turned(VIEWS_GROUP)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
        finally:
            await app.stop()
            self._health.ended(VIEWS_GROUP)
        for failure in (*_failures(threads), app.crash_reason):
            if failure is not None:
                raise failure

    async def _view(self, scores: AsyncIterable[bytes]) -> None:
        """Shows how fresh scores are, as a metric. Derived and absolute: whatever is lost comes again."""
        async for event in scores.events():  # type: ignore[attr-defined]  # a Faust stream
            try:
                if not _is_about_all(event.key):
                    continue  # most are not, and decoding them is most of the work
                score = SCORES.decode(list(event.headers.items()), event.value)
            except Malformed as error:
                _log.warning("score.unreadable", reason=str(error))
                continue
            if score.window.kind != "calendar":  # periods never end, and labels must not grow
                as_of = score.as_of.timestamp()
                self._metrics.set("nps_score_as_of_seconds", as_of, tenant=score.tenant, window=score.window.name)


def _is_about_all(key: bytes | None) -> bool:
    """Whether a score is about all answers of a tenant, told from its key."""
    parts = split_key(key or b"")
    return len(parts) > 1 and parts[1] == ALL


def _failures(threads: Sequence[_HostedInThread]) -> list[BaseException]:
    return [thread.failure for thread in threads if thread.failure is not None]


def _faust_app(settings: ScoringSettings, kafka: Kafka) -> faust.App:
    """Faust without what it is not needed for: no web server, no leader topic, no tables, nothing on disk of weight."""
    return faust.App(
        kafka.topic(VIEWS_GROUP),
        broker=[f"kafka://{host}" for host in settings.kafka_bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        broker_session_timeout=SESSION_MS / 1000,
        broker_heartbeat_interval=HEARTBEAT_MS / 1000,
        consumer_group_instance_id=f"{kafka.topic(VIEWS_GROUP)}-{settings.instance}",
        consumer_auto_offset_reset="latest",
        datadir=settings.state_dir / "faust",
        store="memory://",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
    )


def _credentials(kafka: Kafka) -> Any:  # Faust's own classes have no types
    connection = kafka.connection
    context = connection.get("ssl_context")
    if "sasl_mechanism" in connection:
        return faust.SASLCredentials(
            username=connection["sasl_plain_username"],
            password=connection["sasl_plain_password"],
            mechanism=connection["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context else None
