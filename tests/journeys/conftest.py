"""One running loop for all journeys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.running_loop import Loop, Tenant


@pytest.fixture(scope="session")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """Kafka, every service and both sandboxes."""
    loop = Loop(tmp_path_factory.mktemp("loop"))
    try:
        loop.start()
        yield loop
    finally:
        loop.stop()


@pytest.fixture
def tenant(loop: Loop) -> Tenant:
    """A tenant of one's own."""
    return loop.tenant()
