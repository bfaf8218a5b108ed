"""The monitor on a real Kafka: what services write is seen as JSON, as events and by Prometheus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from httpx2 import AsyncClient
from pydantic import SecretStr

from infra.local.kafka_broker import KafkaBroker, free_ports
from schemas.malformed import Malformed
from schemas.message import effect_id
from schemas.topic import join_key
from schemas.topics import RESPONSES, SCORES, TASKS
from services.chassis.business import Business
from services.chassis.dead_letters import DeadLetters
from services.chassis.frame import open_frame
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.records import Cause, Raw, outgoing
from services.chassis.topic_admin import wanted_topic
from services.monitor import READS
from services.monitor.app import monitor
from services.monitor.settings import MonitorSettings
from services.monitor.silence import FIRST_ANSWER
from tests.integration.monitor.conftest import Tree, World, view, web_alone
from tests.support.answers import answered
from tests.support.clocks import ManualClock
from tests.support.events import activated, decided, delivered, scored, shadowed, tallied, tasked
from tests.support.hosting import hosted
from tests.support.serving import served

TOKEN = "a-token-long-enough"
PAGES = {"index.html": "/", "playbook.html": "/playbook"}
FILES = [item.name for item in files("services.monitor").joinpath("page").iterdir() if item.name not in PAGES]


def complete(tree: Tree) -> object:
    return tree["complete"] and tree["days"]


def codes(tree: Tree) -> list[str]:
    return [reason["code"] for reason in tree["reasons"]]


async def test_an_answer_is_seen_with_what_became_of_it(world: World) -> None:
    await world.publish(tasked("low", 2), delivered("high"), decided("high"))  # before the answers they tell of
    await world.publish(answered(9, response_id="high", channel="email"), answered(2, response_id="low"))
    await world.publish(decided("low", rule="talk-to-detractors", action="outreach"))
    async with hosted(world.monitor()) as client:
        tree = await view(client, complete)
    lines = {answer["id"]: [step["text"] for step in answer["steps"]] for answer in tree["answers"]}
    assert lines == {
        "high": ["thank-promoters", "perk mail delivered"],
        "low": ["talk-to-detractors", "task open"],
    }
    assert tree["tasks"]["open"] == 1


async def test_what_comes_later_is_seen_too(world: World) -> None:
    async with hosted(world.monitor()) as client:
        await view(client, complete)
        await world.publish(
            scored(0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1), tallied({"9": 4, "2": 1}), answered(response_id="r")
        )
        tree = await view(
            client,
            lambda tree: tree["windows"] and tree["answers"] and any((tree["days"] or {"promoters": ()})["promoters"]),
        )
    assert (tree["windows"][0]["n"], tree["windows"][0]["nps"]) == (4, 25.0)
    assert (tree["days"]["promoters"][-1], tree["days"]["detractors"][-1]) == (4, 1)


async def test_after_a_restart_the_same_is_seen(world: World) -> None:
    await world.publish(
        *(scored(1, 2, segment=segment, name=name) for segment in ("all", "channel=email") for name in ("7d", "30d")),
        *(tallied({"9": number}, partition=number) for number in range(3)),
        *(answered(response_id=str(number)) for number in range(5)),
        decided("3"),
        tasked("4"),
    )
    trees = []
    for _ in range(2):
        async with hosted(world.monitor()) as client:
            tree = await view(client, complete)
            trees.append({part: tree[part] for part in ("windows", "segments", "days", "became", "tasks", "reasons")})
            trees[-1]["segments"].sort(key=lambda row: row["segment"])
            trees[-1]["answers"] = {answer["id"]: answer["steps"] for answer in tree["answers"]}
    assert trees[0] == trees[1]
    assert len(trees[0]["answers"]) == 5


async def test_records_nobody_can_read_are_counted_and_passed_over(world: World) -> None:
    await world.publish_raw(SCORES.name, b"key", b"no json")
    await world.publish_raw(RESPONSES.name, b"key", b'{"tenant": "default"}')
    await world.publish(scored(1))
    async with hosted(world.monitor()) as client:
        await view(client, lambda tree: tree["windows"])
        metrics = (await client.get("/metrics")).text
    assert 'nps_monitor_unreadable_total{topic="nps.scores"} 1.0' in metrics
    assert 'nps_monitor_unreadable_total{topic="nps.responses"}' in metrics


async def test_a_tombstone_takes_a_task_away(world: World) -> None:
    await world.publish(tasked("a"), tasked("b"))
    async with hosted(world.monitor()) as client:
        await view(client, lambda tree: tree["tasks"]["open"] == 2)
        await world.publish_raw(TASKS.name, join_key(["default", str(effect_id("default", "a", "task"))]), None)
        left = await view(client, lambda tree: tree["tasks"]["open"] == 1)
    assert left["tasks"]["open"] == 1


async def test_one_scrape_shows_the_whole_line(world: World) -> None:
    await world.publish(scored(0, 0, 0, 0, 0, 0, 0, 0, 0, 3), scored(name="7d"))
    await world.publish(*(answered(response_id=str(number)) for number in range(5)))
    await _dead_letter(world)
    async with hosted(world.monitor()) as client:
        lines = await _metrics(client, 'nps_score{tenant="default",window="30d"} 100.0')
    assert 'nps_score{tenant="default",window="7d"} NaN' in lines
    assert "nps_dead_letters_kept 1.0" in lines
    assert 'nps_group_lag_records{group="routing",topic="nps.responses"} 5.0' in lines


async def _metrics(client: AsyncClient, line: str) -> list[str]:
    async with asyncio.timeout(30):
        while True:
            lines = (await client.get("/metrics")).text.splitlines()
            if line in lines:
                return lines
            await asyncio.sleep(0.02)


async def test_lag_is_what_a_group_has_not_committed(world: World) -> None:
    await world.publish(*(answered(response_id=str(number)) for number in range(10)))
    consumer = world.frame.kafka.consumer("routing", reset="earliest")
    consumer.subscribe([world.frame.kafka.topic(RESPONSES.name)])
    await consumer.start()
    async with hosted(world.monitor()) as client:
        before = await view(client, lambda tree: tree["pipeline"]["groups"])
        await consumer.getone()
        ends = await consumer.end_offsets(consumer.assignment())
        await consumer.commit(ends)
        after = await view(client, lambda tree: any(group["started"] for group in tree["pipeline"]["groups"]))
    await consumer.stop()
    assert {"group": "routing", "lag": 10, "started": False} in before["pipeline"]["groups"]
    assert {"group": "routing", "lag": 0, "started": True} in after["pipeline"]["groups"]
    assert {"group": "scoring.tally", "lag": 10, "started": False} in after["pipeline"]["groups"]


async def _committed(world: World, group: str, position: int) -> AIOKafkaConsumer[bytes, bytes]:
    """A member of a group that has read so much of the first partition."""
    consumer = world.frame.kafka.consumer(group, reset="earliest")
    consumer.subscribe([world.frame.kafka.topic(RESPONSES.name)])
    await consumer.start()
    await consumer.getone()
    await consumer.commit({TopicPartition(world.frame.kafka.topic(RESPONSES.name), 0): position})
    return consumer


async def test_of_all_generations_the_one_that_has_read_furthest_is_shown(world: World) -> None:
    await world.publish(*(answered(response_id=str(number)) for number in range(40)))
    ended = await _committed(world, "scoring.tally", 2)
    await ended.stop()
    newer = await _committed(world, "scoring.tally.g1-0a1b2c3d", 7)
    async with hosted(world.monitor()) as client:
        tree = await view(client, lambda tree: tree["pipeline"]["groups"])
    await newer.stop()
    assert {"group": "scoring.tally", "lag": 33, "started": True} in tree["pipeline"]["groups"]
    assert "scoring.people" not in {group["group"] for group in tree["pipeline"]["groups"]}
    assert tree["pipeline"]["rebuilt"] is None


async def test_counts_that_are_being_rebuilt_are_said_to_be_with_how_far_they_are(world: World) -> None:
    await world.publish(*(answered(response_id=str(number)) for number in range(2_000)))
    counting = await _committed(world, "scoring.tally", 500)
    async with hosted(world.monitor()) as client:
        tree = await view(client, lambda tree: tree["pipeline"]["rebuilt"] is not None)
    await counting.stop()
    assert tree["pipeline"]["rebuilt"] == 0.25


async def _dead_letter(world: World) -> None:
    raw = Raw(RESPONSES.name, 0, 0, world.clock.now(), b"key", b"{}", ())
    letters = DeadLetters(world.frame.publisher, "routing", None)
    await letters.write(raw, Malformed.of("score", "must be 10 at most"), attempts=1, now=world.clock.now())


async def test_when_nothing_has_come_it_says_why_and_how_to_begin(world: World) -> None:
    async with hosted(world.monitor()) as client:
        tree = await view(client, complete)
        assert codes(tree) == ["no_answers"]
        assert tree["reasons"][0]["command"] == FIRST_ANSWER
        await _dead_letter(world)
        tree = await view(client, lambda tree: codes(tree) == ["only_dead_letters"])
        assert "score: must be 10 at most (nps.responses)" in tree["reasons"][0]["text"]
        await world.publish(answered(test=True))
        await view(client, lambda tree: codes(tree) == ["only_tests"])
        await world.publish(answered())
        await view(client, lambda tree: codes(tree) == ["scoring_lags"])
        await world.publish(scored(1))
        await view(client, lambda tree: codes(tree) == [])


async def test_missing_topics_are_named_and_read_once_they_are_there(
    settings: MonitorSettings, clock: ManualClock, business: Business
) -> None:
    own = MonitorSettings(**settings.model_dump())
    async with hosted(monitor(own, business, clock)) as client:
        tree = await view(client, lambda tree: codes(tree) == ["topics_missing"])
        assert "nps.scores" in tree["reasons"][0]["text"]
        topics = [wanted_topic(topic, own.partitions) for topic in READS]
        async with open_frame("test", own, clock, Metrics(CHASSIS_METRICS), topics) as frame:
            await frame.publisher.publish([outgoing(SCORES, scored(1), "1", Cause("test", clock.now()))])
            await view(client, lambda tree: tree["windows"])


async def test_while_kafka_is_away_it_says_so_and_goes_on_by_itself(
    tmp_path: Path, clock: ManualClock, business: Business
) -> None:
    kafka, controller = free_ports(2)
    broker = KafkaBroker(tmp_path / "kafka", kafka, controller)
    settings = MonitorSettings(kafka_bootstrap=broker.bootstrap, partitions=1, instance="test", http_port=0)
    topics = [wanted_topic(topic, 1) for topic in READS]

    async def publish(n: int) -> None:
        async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
            await frame.publisher.publish([outgoing(SCORES, scored(n), "1", Cause("test", clock.now()))])

    async with hosted(monitor(settings, business, clock)) as client:
        await view(client, lambda tree: codes(tree) == ["kafka_away"])
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
        await asyncio.to_thread(broker.start)
        try:
            await publish(3)
            await view(client, lambda tree: tree["windows"] and tree["windows"][0]["n"] == 3 and not codes(tree))
            await asyncio.to_thread(broker.stop)
            tree = await view(client, lambda tree: codes(tree) == ["kafka_away"])
            assert tree["windows"][0]["n"] == 3
            await asyncio.to_thread(broker.start)
            await publish(4)
            await view(client, lambda tree: tree["windows"][0]["n"] == 4 and not codes(tree))
            assert (await client.get("/readyz")).status_code == 200
        finally:
            await asyncio.to_thread(broker.stop)


@asynccontextmanager
async def _events(address: str, **headers: str) -> AsyncIterator[AsyncIterator[tuple[str, Tree]]]:
    async def read(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, Tree]]:
        event: dict[str, str] = {}
        async for line in lines:
            name, _, value = line.partition(": ")
            event[name] = value
            if not line and event.get("event") == "view":
                yield event["id"], json.loads(event["data"])
            if not line:
                event = {}

    async with (
        AsyncClient(timeout=30) as client,
        client.stream("GET", f"{address}/events?tenant=default&window=30d", headers=headers) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        yield read(response.aiter_lines())


async def test_events_tell_what_changes_and_a_page_that_comes_back_what_it_missed(world: World) -> None:
    await world.publish(scored(1), answered(response_id="first"))
    async with served(world.settings, world.monitor()) as address:
        async with AsyncClient(base_url=address) as client:
            await view(client, lambda tree: tree["windows"] and tree["answers"])
        async with _events(address) as events:
            _, whole = await anext(events)
            await world.publish(scored(1, 1))
            last_id, change = await anext(events)
            while "windows" not in change:
                last_id, change = await anext(events)
        await world.publish(answered(response_id="missed"))
        async with AsyncClient(base_url=address) as client:
            await view(client, lambda tree: len(tree["answers"]) == 2)
        async with _events(address, **{"Last-Event-ID": last_id}) as events:
            _, missed = await anext(events)
    assert whole["whole"]
    assert (change["whole"], change["windows"][0]["n"], "answers" in change) == (False, 2, False)
    assert not missed["whole"]
    assert [answer["id"] for answer in missed["answers"]] == ["missed"]


async def test_pages_that_are_open_do_not_hold_up_the_end(world: World) -> None:
    async with asyncio.timeout(15), served(world.settings, world.monitor()) as address, _events(address) as events:
        _, first = await anext(events)
    assert first["whole"]


@pytest.mark.parametrize("path", PAGES.values())
async def test_a_page_is_strict_about_where_things_come_from(world: World, path: str) -> None:
    async with web_alone(world.monitor()) as client:
        page = await client.get(path)
        policy = page.headers["content-security-policy"]
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        again = await client.get(path, headers={"If-None-Match": page.headers["etag"]})
        assert again.status_code == 304
        for other in ("/v1/view", "/v1/playbook", "/nothing", "/livez"):
            assert (await client.get(other)).headers["content-security-policy"] == policy


async def test_files_never_change_under_their_name_and_pages_are_small(world: World) -> None:
    async with web_alone(world.monitor()) as client:
        pages = [(await client.get(path)).text for path in PAGES.values()]
        (folder,) = {part.split("/")[0] for page in pages for part in page.split("/static/")[1:]}
        found = {}
        for name in FILES:
            file = await client.get(f"/static/{folder}/{name}")
            assert "immutable" in file.headers["cache-control"], name
            found[name] = file.text
        assert (await client.get("/static/0123456789abcdef/monitor.js")).status_code == 404
        assert (await client.get(f"/static/{folder}/..%2fapp.py")).status_code == 404
        assert (await client.get(f"/static/{folder}/playbook.html")).status_code == 404
    for page in pages:
        assert len(page) + sum(len(found[name].encode()) for name in _loaded(page, found)) < 150_000


def _loaded(page: str, found: dict[str, str]) -> set[str]:
    """The files that a page loads, and those that these load."""
    loaded: set[str] = set()
    texts = [page]
    while texts:
        text = texts.pop()
        new = {name for name in found if f'/{name}"' in text} - loaded
        loaded |= new
        texts += [found[name] for name in new]
    return loaded


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        *(
            (path, query, field)
            for path in ("/v1/view", "/events")
            for query, field in (("window=../x", "window"), (f"segment={'x' * 131}", "segment"))
        ),
        *((path, "tenant=No%20Tenant", "tenant") for path in ("/v1/view", "/events", "/v1/playbook")),
    ],
)
async def test_a_question_that_means_nothing_is_told_the_field(world: World, path: str, query: str, field: str) -> None:
    async with web_alone(world.monitor()) as client:
        answer = await client.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"] == field


async def test_tenants_are_those_heard_of_and_those_of_the_business_file(world: World) -> None:
    await world.publish(answered(tenant="demo-1"))
    async with hosted(world.monitor()) as client:
        await view(client, lambda tree: tree["answers"], "tenant=demo-1")
        tenants = (await client.get("/v1/tenants")).json()["tenants"]
    assert tenants == [{"tenant": "demo-1", "title": "demo-1"}, {"tenant": "default", "title": "default"}]


async def test_with_a_token_everything_but_what_machines_ask_needs_it(world: World) -> None:
    token: dict[str, Any] = {"access_token": SecretStr(TOKEN)}
    async with web_alone(world.monitor(**token)) as client:
        for path in ("/", "/playbook", "/static/x/monitor.js", "/v1/view", "/v1/playbook", "/v1/tenants", "/events"):
            assert (await client.get(path)).status_code == 401, path
        for path in ("/livez", "/metrics", "/version"):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/v1/view", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
        assert (await client.get(f"/?token={TOKEN}")).status_code == 200
        assert (await client.get("/v1/view")).status_code == 200  # the cookie remembers


SPRING = "{name: spring, rules: [{name: thank-promoters, when: 'true', action: perk, template: perk}]}"


async def _playbook(client: AsyncClient, satisfied: Callable[[Tree], object], query: str = "tenant=default") -> Tree:
    tree: Tree = {}
    async with asyncio.timeout(30):
        while not tree or not satisfied(tree):
            await asyncio.sleep(0.02)
            tree = (await client.get(f"/v1/playbook?{query}")).json()
    return tree


async def test_the_playbook_is_seen_with_what_it_led_to_and_what_a_trial_would_have(world: World) -> None:
    await world.publish(answered(response_id="r"), decided("r", playbook_version="v1"), activated(SPRING))
    async with hosted(world.monitor()) as client:
        tree = await _playbook(client, lambda tree: tree["complete"] and tree["active"])
        assert (tree["active"]["version"], tree["active"]["rules"][0]["counts"]) == ("v1", {"action": 1})
        assert tree["shadow"] is None
        await world.publish(
            activated(SPRING, number=2, role="shadow", version=2),
            shadowed("r", rule=None, action="none", outcome="suppressed", differs=True),
        )
        tree = await _playbook(client, lambda tree: tree["shadow"] and tree["shadow"]["decided"])
    assert tree["shadow"]["rows"][0]["response_ids"] == ["r"]


async def test_where_none_was_activated_the_playbook_of_the_business_file_is_seen(world: World) -> None:
    async with hosted(world.monitor()) as client:
        active = (await _playbook(client, lambda tree: tree["complete"]))["active"]
        nobody = (await _playbook(client, lambda tree: tree["complete"], "tenant=nobody"))["active"]
    assert (active["name"], active["version"], active["rules"][0]["name"]) == ("default", "business file", "call-back")
    assert active["text"] is None
    assert nobody is None


async def test_whoever_asks_again_gets_the_playbook_as_it_stands(world: World) -> None:
    async with web_alone(world.monitor()) as client:
        answer = await client.get("/v1/playbook?tenant=default")
    assert (answer.headers["cache-control"], answer.headers["content-type"]) == ("no-store", "application/json")
