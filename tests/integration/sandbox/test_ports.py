"""Ports of a stack beside others."""

from __future__ import annotations

from infra.local.stack import SANDBOXES, SERVICES, Ports


def test_no_two_parts_of_a_stack_are_given_one_port() -> None:
    for ports in [Ports.in_a_row(), *(Ports.any_free() for _ in range(500))]:
        named = {ports.kafka, ports.controller, *ports.by_name.values()}
        assert len(named) == 2 + len(SERVICES) + len(SANDBOXES)
