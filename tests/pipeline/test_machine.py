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

from oceanpath.pipeline import stock
from oceanpath.pipeline.workspace import read_manifest

from .conftest import CALLS, FAIL, House

EXAMPLES = int(os.environ.get("OCEANPATH_EXAMPLES", "60"))
TEXTS = ("abba", "b", "aab c", "")


class Machine(RuleBasedStateMachine):
    """The model: what the words and settings are now, and which identities were made and still lie there."""

    @initialize()
    def build(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.house = House(self.folder)
        self.house.write('name = "toy"\n[data]\nwords = "words.txt"\n[read]\n[count]\n[report]\n')
        self.words, self.factor, self.title = "abba", 1, "t"
        self.made: set[tuple[object, ...]] = set()
        self.save()
        FAIL.clear()

    def teardown(self) -> None:
        FAIL.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def save(self) -> None:
        self.house.words.write_text(f"{self.words}\nrest\n")

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
        os.utime(self.house.words, (when, when))

    @rule()
    def run(self) -> None:
        states = self.house.go(self.sets())
        wanted = self.wanted()
        assert not [state.error for state in states.values() if state.error]
        assert set(CALLS) == {name for name, identity in wanted.items() if self.needed(name, identity)}
        assert len(CALLS) == len(set(CALLS))
        self.made |= set(wanted.values())
        place = self.house.workspace.place("stage", "report", states["report"].fingerprint)
        counted = {letter: self.words.count(letter) * self.factor for letter in "ab"}
        assert (place / "report.txt").read_text() == self.title + str(counted).replace("'", '"')

    def needed(self, name: str, identity: tuple[object, ...]) -> bool:
        if identity in self.made:
            return False
        if name.startswith("count "):  # parts are asked for only when their whole is not there
            return ("count", self.words, self.factor) not in self.made
        return True

    @rule(name=st.sampled_from(["read", "a", "b", "crash b", "check"]))
    def fail(self, name: str) -> None:
        FAIL.add(name)
        before = {path.name for path in stock.published(self.house.workspace)}
        states = self.house.go(self.sets())
        FAIL.clear()
        failed = [state for state in states.values() if state.state == "failed"]
        if not failed:
            self.made |= set(self.wanted().values())
            return
        new = {path.name: path for path in stock.published(self.house.workspace) if path.name not in before}
        for path in new.values():
            manifest = read_manifest(path)
            assert manifest is not None
            self.learn(manifest.stage, manifest.identity)

    def learn(self, stage: str, identity: dict[str, object]) -> None:
        part = identity.get("part")
        if isinstance(part, dict):
            self.made.add(("part", part["letter"], self.words, self.factor))
        elif stage == "read":
            self.made.add(("read", self.words))
        elif stage == "count":
            self.made.add(("count", self.words, self.factor))

    @rule(step=st.sampled_from(["read", "count", "report"]))
    def damage(self, step: str) -> None:
        link = self.folder / "out" / "experiments" / "toy" / step
        manifest = read_manifest(link.resolve()) if link.exists() else None
        if manifest is None:
            return
        shutil.rmtree(link.resolve())
        self.made.clear()
        for path in stock.published(self.house.workspace):
            shutil.rmtree(path)  # what is left of the model would be hard to tell: begin again from nothing

    @rule()
    def prune(self) -> None:
        stock.prune(self.house.workspace, stock.unused(self.house.workspace))
        self.made.clear()
        for path in stock.published(self.house.workspace):
            shutil.rmtree(path)

    def sets(self) -> list[str]:
        return [f"count.factor={self.factor}", f"report.title={self.title}"]

    @invariant()
    def whole(self) -> None:
        workspace = self.house.workspace
        assert not list(workspace.root.glob("*/*/.*.partial"))
        assert all(read_manifest(path) is not None for path in stock.published(workspace))


Machine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
TestMachine = pytest.mark.timeout(200)(Machine.TestCase)
