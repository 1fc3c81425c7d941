"""Projects in the states of `states`, each made once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .states import STATES
from .trials import Project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """``project(state)``: a project in that state."""
    made: dict[str, Project] = {}

    def give(state: str) -> Project:
        if state not in made:
            begin, build = STATES[state]
            made[state] = Project(tmp_path_factory.mktemp(state.replace(" ", "_")))
            if begin:
                give(begin).copy_to(made[state].top)
            build(made[state].top)
            made[state].keep()
        return made[state]

    return give
