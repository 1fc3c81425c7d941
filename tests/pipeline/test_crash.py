"""Killed, or refused by the disk, at any system call of a run: the old state or the new one, and a rerun ends right."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..breaking import ALL, CALLS, Victim, break_everywhere, hold, needs_strace, used
from .conftest import project

CODE = """
import sys
from pathlib import Path
from tests.pipeline.conftest import ToyProject
from oceanpath.errors import OceanPathError
try:
    states = ToyProject(Path(sys.argv[1])).run()
except OceanPathError as error:
    sys.exit(f"told: {error}")
failed = [state.error for state in states.values() if state.error]
sys.exit(f"told: {failed[0]}" if failed else 0)
"""


def outputs(folder: Path) -> dict[str, str]:
    found = used(folder)
    assert set(found) == {"read", "count", "report"}
    return found


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS if ALL else ("write", "fsync", "rename", "mkdir"))
def test_broken_at_any_point_it_is_the_old_state_or_the_new(call: str, tmp_path: Path) -> None:
    break_everywhere(Victim(CODE, project, outputs, hold), call, tmp_path)
