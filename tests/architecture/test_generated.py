"""What is generated is as its source says, and the contract breaks no released version of itself."""

from __future__ import annotations

import pytest

from schemas import generate
from services.console import contracts


def test_the_contract_is_fresh_and_breaks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_what_settings_tell_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert contracts.main(["--check"]) == 0, capsys.readouterr().err
