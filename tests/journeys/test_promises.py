"""The promises of this product, each held from the outside: answers in, mails, tasks and scores out."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.running_loop import Loop, Tenant, until


def now(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def publish(loop: Loop, topic: str, *values: bytes) -> None:
    """To an inbound topic, as an app in any language would."""
    program = (
        "import asyncio, os, sys\n"
        "from aiokafka import AIOKafkaProducer\n"
        "async def main():\n"
        "    producer = AIOKafkaProducer(bootstrap_servers=os.environ['NPS_KAFKA_BOOTSTRAP'])\n"
        "    await producer.start()\n"
        "    for line in sys.stdin.buffer.read().split(b'\\0'):\n"
        "        await producer.send_and_wait(sys.argv[1], line)\n"
        "    await producer.stop()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program, topic], input=b"\0".join(values), env=loop.stack.env, check=True)


def test_counted_once(loop: Loop, tenant: Tenant) -> None:
    """Three ways in, every answer twice or more: the score is that of each answer counted once."""
    loop.nps("topics", "create", "email")
    answers = [
        {"response_id": f"r{n}", "score": n % 11, "channel": "email", "answered_at": now(hours=n)} for n in range(22)
    ]
    for answer in answers:
        tenant.answer(**answer)
        tenant.answer(**answer)
    publish(loop, "responses.email", *[json.dumps(answer | {"tenant": tenant.name}).encode() for answer in answers])
    score = until(tenant.score, lambda found: found and found["n"] == 22)
    last = tenant.answer(score=9)
    until(lambda: tenant.steps(last), lambda steps: len(steps) >= 2)
    score = until(tenant.score, lambda found: found and found["n"] == 23)
    assert score
    assert score["histogram"] == [2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2]


def test_one_effect_per_answer(tenant: Tenant) -> None:
    """An answer sent three times and edited within its band: one mail; across the border after it: one task beside."""
    mailed = {"response_id": "p", "score": 9, "email": "p@example.org", "answered_at": now()}
    for _ in range(3):
        tenant.answer(**mailed)
    until(tenant.mails, lambda mails: len(mails) == 1)
    tenant.answer(**(mailed | {"op": "updated", "score": 10}))
    tenant.answer(**(mailed | {"op": "updated", "score": 2}))
    until(tenant.tasks, lambda tasks: [task["status"] for task in tasks] == ["open"])
    assert len(tenant.mails()) == 1


def test_an_edit_or_retraction_withdraws_what_is_open(tenant: Tenant) -> None:
    tenant.answer(response_id="d", score=2, email="d@example.org", answered_at=now())
    until(tenant.tasks, lambda tasks: [task["status"] for task in tasks] == ["open"])
    tenant.answer(response_id="d", op="retracted")
    (task,) = until(tenant.tasks, lambda tasks: [task["status"] for task in tasks] == ["cancelled"])
    assert task["reason"] == "retracted"


ENDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "sent": ({"score": 9, "email": "a@example.org"}, "nps.deliveries", "delivered"),
    "task": ({"score": 1, "email": "a@example.org"}, "nps.tasks", "open"),
    "none": ({"metric": "csat", "rating": 4.0}, "nps.decisions", "none"),
    "suppressed for want of an address": ({"score": 9}, "nps.decisions", "no_address"),
    "suppressed as a test": ({"score": 9, "test": True}, "nps.decisions", "test"),
    "closed as history": ({"score": 1, "history": True}, "nps.decisions", "history"),
    "withdrawn": ({"op": "retracted", "response_id": "never-seen"}, "nps.decisions", "withdrawn"),
}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_silently_dropped(tenant: Tenant, end: str) -> None:
    """Every accepted answer ends somewhere, and `nps trace` shows where."""
    answer, topic, said = ENDS[end]
    response_id = tenant.answer(**({"answered_at": now()} | answer))
    there = until(
        lambda: [what for where, what in tenant.steps(response_id) if where == topic],
        lambda there: any(said in what for what in there),
    )
    assert said in there[-1]


def test_the_past_is_never_contacted(loop: Loop, tenant: Tenant) -> None:
    """Marked, dated or imported: it is counted, and neither it nor any later revision of it reaches anybody."""
    file = loop.stack.folder / f"{tenant.name}.csv"
    file.write_text(f"response_id,score,email,answered_at\nold-csv,1,x@example.org,{now(days=3)}\n")
    loop.nps("import", str(file), "--tenant", tenant.name, "--yes")
    tenant.answer(response_id="old-mark", score=9, email="y@example.org", history=True, answered_at=now())
    tenant.answer(response_id="old-date", score=9, email="z@example.org", answered_at=now(days=8))
    for response_id in ("old-mark", "old-date"):
        tenant.answer(response_id=response_id, op="updated", score=2, email="y@example.org", answered_at=now())
    live = tenant.answer(score=9, email="live@example.org", answered_at=now())
    until(lambda: tenant.steps(live), lambda steps: any("delivered" in what for _, what in steps))
    until(tenant.score, lambda found: found and found["n"] == 4)
    for response_id in ("old-csv", "old-mark", "old-date"):
        steps = until(lambda r=response_id: tenant.steps(r), lambda s: any(where == "nps.decisions" for where, _ in s))  # type: ignore[misc]
        assert not [where for where, _ in steps if where in {"nps.messages", "nps.outreach"}]
    assert [mail["recipient"] for mail in tenant.mails()] == ["live@example.org"]
    assert tenant.tasks() == []


def test_poison_never_stops_the_line(loop: Loop, tenant: Tenant) -> None:
    """Bad bytes among good ones: each a dead letter once, byte for byte; the good ones go through."""
    loop.nps("topics", "create", "poison")
    good = [json.dumps({"tenant": tenant.name, "score": 9, "response_id": f"g{n}"}).encode() for n in range(3)]
    bad = [b"\xff\xfe", b"{", b'{"score": 11}', b'{"score": true}', b"", b"[" * 5000]
    publish(loop, "responses.poison", good[0], *bad[:3], good[1], *bad[3:], good[2])
    until(tenant.score, lambda found: found and found["n"] == 3)
    letters = until(
        lambda: loop.told("dlq", "list", "--topic", "responses.poison"), lambda found: len(found) >= len(bad)
    )
    assert len(letters) == len(bad)
    wrong = next(letter for letter in letters if letter["reason"].startswith("score: input should be less"))
    assert "b'{\"score\": 11}'" in loop.nps("dlq", "show", wrong["id"]).stdout


def test_what_is_erased_stays_erased_and_every_count_stays(loop: Loop, tenant: Tenant) -> None:
    """After the order nothing can be read, a later answer reaches nobody, and the score is what it was."""
    first = tenant.answer(score=2, email="gone@example.org", comment="secret words", answered_at=now())
    tenant.answer(score=9, answered_at=now())
    until(tenant.tasks, lambda tasks: len(tasks) == 1)
    until(tenant.score, lambda found: found and found["n"] == 2)
    loop.nps("erase", "--tenant", tenant.name, "--email", "gone@example.org", "--yes")
    until(tenant.tasks, lambda tasks: tasks == [])
    again = tenant.answer(score=9, email="gone@example.org", answered_at=now())
    until(lambda: tenant.steps(again), lambda steps: any("erased" in what or "no_address" in what for _, what in steps))
    score = until(tenant.score, lambda found: found and found["n"] == 3)
    assert score
    assert (score["detractors"], score["promoters"]) == (1, 2)
    assert tenant.mails() == []
    assert "secret words" not in loop.nps("trace", first, "--tenant", tenant.name).stdout


def test_a_status_from_the_crm_comes_back(loop: Loop, tenant: Tenant) -> None:
    """Somebody closes the task in the CRM: the task is closed with its outcome, and the customer is asked again."""
    response_id = tenant.answer(score=3, email="c@example.org", answered_at=now())
    (task,) = until(tenant.tasks, lambda tasks: len(tasks) == 1)
    url = f"{loop.stack.url('crm')}/api/tasks/{task['external_id']}/changes"
    done = loop.http.post(url, json={"status": "done", "outcome": "resolved", "note": "talked"})
    assert done.status_code == 200, done.text
    steps = until(
        lambda: tenant.steps(response_id), lambda s: any("done" in what for where, what in s if where == "nps.tasks")
    )
    assert any(where == "nps.task-updates" for where, _ in steps)


def test_one_trace_from_the_request_to_the_mail(loop: Loop, tenant: Tenant) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"Authorization": f"Bearer {tenant.token}", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    told = loop.http.post(
        loop.stack.url("intake") + "/v1/responses",
        json={"score": 9, "email": "t@example.org", "channel": "email", "answered_at": now()},
        headers=headers,
    )
    response_id = told.json()["response_id"]
    until(lambda: tenant.steps(response_id), lambda steps: any("delivered" in what for _, what in steps))
    steps = loop.told("trace", response_id, "--tenant", tenant.name)
    ours = [step for step in steps if step["topic"] != "nps.provider-events" and "delivered" not in step["what"]]
    assert {step["trace"] for step in ours} == {trace}


def test_no_personal_data_in_any_log(loop: Loop, tenant: Tenant) -> None:
    tenant.answer(
        score=1, email="canary@example.org", phone="+358501234567", name="Canary Bird", comment="canary words"
    )
    until(tenant.tasks, lambda tasks: len(tasks) == 1)
    tenant.answer(score=9, email="canary2@example.org", name="Canary Bird")
    until(tenant.mails, lambda mails: len(mails) == 1)
    for log in (loop.stack.folder / "logs").glob("*.log"):
        text = log.read_text(errors="replace")
        assert not [
            word for word in ("canary@", "canary2@", "Canary Bird", "canary words", "358501234567") if word in text
        ]


def test_nobody_is_contacted_more_often_than_the_policy_allows(tenant: Tenant) -> None:
    """Five unhappy answers of one person within a week, by several addresses: one task, and each other says why not."""
    known = {"customer_id": "c1", "email": "often@example.org"}
    ways: list[dict[str, Any]] = [known, {"email": "often@example.org"}, {"customer_id": "c1"}, known, known]
    first, *others = [
        tenant.answer(response_id=f"often-{n}", score=n, channel="email", answered_at=now(days=5 - n), **way)
        for n, way in enumerate(ways)
    ]
    for response_id in (first, *others):
        until(lambda r=response_id: tenant.steps(r), lambda s: any(where == "nps.decisions" for where, _ in s))  # type: ignore[misc]
    decided = [what for r in (first, *others) for where, what in tenant.steps(r) if where == "nps.decisions"]
    assert len([what for what in decided if "cap" in what]) == 4, decided
    until(tenant.tasks, lambda tasks: [task["status"] for task in tasks] == ["open"])
    assert tenant.mails() == []


def test_a_comment_before_or_after_the_score_leads_to_one_action(tenant: Tenant) -> None:
    """Whichever comes first, there is one task with both; one about to leave makes it urgent."""
    score: dict[str, Any] = {"score": 3}
    comment: dict[str, Any] = {"op": "commented", "comment": "I will cancel"}
    for response_id, events in {"after": [score, comment], "before": [comment, score]}.items():
        for event in events:
            tenant.answer(response_id=response_id, email=f"{response_id}@example.org", answered_at=now(), **event)
    urgent = until(tenant.tasks, lambda tasks: [task["priority"] for task in tasks] == ["urgent", "urgent"])
    assert {task["status"] for task in urgent} == {"open"}
    assert tenant.mails() == []
