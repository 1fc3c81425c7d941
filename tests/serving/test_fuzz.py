"""Some of the mutated requests of `nox -s fuzz`: each has an answer or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from litestar.testing import TestClient

from .fuzz import application, send_all

COUNT = 300


# Litestar leaves the file of a form that cannot be parsed to the garbage collector
@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
def test_every_mutated_request_has_an_answer_or_a_reason(bundle_path: Path) -> None:
    with TestClient(application(bundle_path), base_url="http://127.0.0.1") as client:
        outcome = send_all(client, COUNT)
    assert not outcome.failures
    assert {200, 400, 413, 422} <= set(outcome.statuses)
