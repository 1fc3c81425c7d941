"""Any order of edits, touches, failures, damage, pruning and runs: never stale, never needless, never torn."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import read_manifest

from .conftest import CALLS, FAIL, ToyProject

EXAMPLES = int(os.environ.get("OCEANPATH_EXAMPLES", "60"))
TEXTS = ("abba", "b", "aab c", "")


class Machine(RuleBasedStateMachine):
    """The model: what the words and settings are now, and by hand what each published folder was made from."""

    @initialize()
    def build(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.toy = ToyProject(self.folder)
        self.toy.write('name = "toy"\n[data]\nwords = "words.txt"\n[read]\n[count]\n[report]\n')
        self.words, self.factor, self.title = "abba", 1, "t"
        self.known: dict[str, tuple[object, ...]] = {}
        self.save()
        FAIL.clear()

    def teardown(self) -> None:
        FAIL.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def save(self) -> None:
        self.toy.words.write_text(f"{self.words}\nrest\n")

    def wanted(self) -> dict[str, tuple[object, ...]]:
        """Work → everything that determines it, by hand."""
        counted = {letter: self.words.count(letter) * self.factor for letter in "ab"}
        parts = {f"count {letter}": ("part", letter, self.words, self.factor) for letter in "ab"}
        whole = {"read": ("read", self.words), **parts, "count": ("count", self.words, self.factor)}
        return {**whole, "report": ("report", str(counted), self.title)}

    @rule(text=st.sampled_from(TEXTS))
    def edit_words(self, text: str) -> None:
        self.words = text
        self.save()

    @rule(factor=st.integers(1, 2), title=st.sampled_from("tu"))
    def edit_settings(self, factor: int, title: str) -> None:
        self.factor, self.title = factor, title

    @rule(when=st.sampled_from([0, 1_000_000_000, 4_000_000_000]))
    def touch(self, when: int) -> None:
        os.utime(self.toy.words, (when, when))

    @rule()
    def run(self) -> None:
        needed = self.needed()
        states = self.toy.run(self.sets())
        assert not [state.error for state in states.values() if state.error]
        assert sorted(CALLS) == sorted(needed)
        self.learn()
        place = self.toy.workspace.folder("stage", "report", states["report"].fingerprint)
        counted = {letter: self.words.count(letter) * self.factor for letter in "ab"}
        assert (place / "report.txt").read_text() == self.title + str(counted).replace("'", '"')

    def needed(self) -> set[str]:
        """Work that a run must do: whose result does not lie there; parts only when their whole must be made."""
        there = {self.known[path.name] for path in maintenance.published(self.toy.workspace)}
        missing = {name for name, identity in self.wanted().items() if identity not in there}
        return {name for name in missing if not name.startswith("count ") or "count" in missing}

    def learn(self) -> None:
        """Write down what each new folder was made from."""
        wanted = self.wanted()
        for path in maintenance.published(self.toy.workspace):
            manifest = read_manifest(path)
            assert manifest is not None
            part = manifest.identity.get("part")
            name = f"count {part['letter']}" if isinstance(part, dict) else manifest.stage
            self.known.setdefault(path.name, wanted[name])

    @rule(name=st.sampled_from(["read", "a", "b", "crash b", "check"]))
    def fail(self, name: str) -> None:
        FAIL.add(name)
        self.toy.run(self.sets())
        FAIL.clear()
        self.learn()

    @rule(step=st.sampled_from(["read", "count", "report"]))
    def lose(self, step: str) -> None:
        link = self.folder / "out" / "experiments" / "toy" / step
        if link.exists():
            shutil.rmtree(link.resolve())

    @rule()
    def prune(self) -> None:
        used = {link.resolve().name for link in maintenance.links(self.toy.workspace) if link.exists()}
        maintenance.prune(self.toy.workspace, maintenance.unused(self.toy.workspace))
        assert used <= {path.name for path in maintenance.published(self.toy.workspace)}

    def sets(self) -> list[str]:
        return [f"count.factor={self.factor}", f"report.title={self.title}"]

    @invariant()
    def whole(self) -> None:
        workspace = self.toy.workspace
        assert not list(workspace.root.glob("*/*/.*.partial"))
        assert all(read_manifest(path) is not None for path in maintenance.published(workspace))


Machine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
TestMachine = pytest.mark.timeout(200)(Machine.TestCase)
