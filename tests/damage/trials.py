"""Files of a workspace with bytes flipped, cut off or zeroed, and what the commands that read them make of it.

OCEANPATH_DAMAGE is the number of trials for each kind of file and of damage: 200 for ``nox -s damage``, else a few.
With OCEANPATH_DAMAGE_TABLE the counts are appended to that file; ``python tests/damage/table.py FILE`` prints them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.cli.app import run_app
from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace, read_manifest

TRIALS = int(os.environ.get("OCEANPATH_DAMAGE", "3"))
HOWS = ("flipped", "cut", "zeroed")
BAD = ("ACCEPTED", "TRACEBACK")
REMADE = 20
"""Making a step again takes seconds: every so many trials of a cut file the step is made, otherwise only planned."""
READERS = ("ledger", "predict", "coverage")
"""Commands that change nothing: their output is their whole result."""
Commands = tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of file and the commands that read it, one after the other until one ends with an error."""

    name: str
    state: str
    files: str
    """A pattern below the project folder."""
    commands: Commands
    cut: Commands = ()
    """Commands for a file that was cut, where they are others."""
    hows: tuple[str, ...] = HOWS


@dataclass(frozen=True)
class Said:
    """What commands printed, and the exit code of the last; -1 after an exception that nothing caught."""

    code: int
    out: str
    err: str


@dataclass
class Project:
    """A folder with a workspace `out`, and a copy of it from which each trial starts."""

    top: Path
    before: dict[Path, tuple[int, int, int]] = field(default_factory=dict)
    undamaged: dict[Commands, tuple[str, dict[str, str]]] = field(default_factory=dict)
    """What commands print and what the experiments use then, where nothing is damaged."""

    @property
    def out(self) -> Path:
        return self.top / "out"

    @property
    def copy(self) -> Path:
        return self.top / "copy"

    def keep(self) -> None:
        """What is there now is the state from which trials start."""
        _copy(self.out, self.copy)
        self.before = _listing(self.out)

    def copy_to(self, top: Path) -> None:
        """Make another project that starts as this one does."""
        for path in self.top.iterdir():
            if path not in (self.out, self.copy):
                _copy(path, top / path.name)
        _copy(self.copy, top / "out")

    def restore(self, damaged: Path | None = None) -> None:
        """Bring the workspace back to where trials start: file by file if little changed."""
        now = _listing(self.out)
        changed = {path for path in {*now, *self.before} if now.get(path) != self.before.get(path)}
        changed |= {path for path in (damaged,) if path in self.before}
        if len(changed) > 4 or not changed <= self.before.keys() & now.keys() or any(p.is_symlink() for p in changed):
            shutil.rmtree(self.out)
            _copy(self.copy, self.out)
            self.before = _listing(self.out)
            return
        for path in changed:
            _write(path, (self.copy / path.relative_to(self.out)).read_bytes())
            os.utime(path, ns=(self.before[path][1],) * 2)
        self.before = _listing(self.out)

    def say(self, commands: Commands) -> Said:
        """Give commands, one after the other until one ends with an error."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        for command in commands:
            words = [word.format(top=self.top) for word in command.split()]
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    code = run_app(words)
                except BaseException:  # noqa: BLE001  # whatever passes would be a traceback on a terminal
                    traceback.print_exc(file=err)
                    code = -1
            if code:
                break
        return Said(code, out.getvalue(), err.getvalue())

    def expected(self, commands: Commands, damaged: Path) -> tuple[str, dict[str, str]]:
        """What the commands print, and what the experiments use then, where nothing is damaged."""
        if commands not in self.undamaged:
            self.restore(damaged)
            said = self.say(commands)
            assert said.code == 0, said.err
            self.undamaged[commands] = (said.out, self.results())
        return self.undamaged[commands]

    def used(self) -> list[Path]:
        """The folders that the experiments use."""
        return [link.resolve() for link in maintenance.links(Workspace(self.out)) if link.exists()]

    def results(self) -> dict[str, str]:
        """Folder → output digest of all that the experiments use."""
        found = {folder.name: read_manifest(folder) for folder in self.used()}
        return {name: manifest.digest for name, manifest in found.items() if manifest}

    def is_whole(self) -> bool:
        """Whether no byte that the experiments use is damaged."""
        return not maintenance.verify(Workspace(self.out), deep=True, folders=self.used())


def damage(path: Path, how: str, chance: random.Random) -> bytes:
    """Damage a file, or a link's target, in place; half of the time its modification time is put back."""
    state = path.lstat()
    raw = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
    spoilt = raw
    while spoilt == raw:
        spoilt = _spoil(raw, how, chance)
    if path.is_symlink():
        path.unlink()
        path.symlink_to(os.fsdecode(spoilt.replace(b"\0", b"0") or b"0"))
        return spoilt
    _write(path, spoilt)
    if chance.random() < 0.5:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return spoilt


def _spoil(raw: bytes, how: str, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw))
    if how == "cut":
        return raw[:at]
    if how == "flipped":
        return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]
    end = min(len(raw), at + chance.choice((1, 16, 512, 4096, len(raw))))
    return raw[:at] + bytes(end - at) + raw[end:]


def attempt(project: Project, kind: Kind, how: str, number: int) -> tuple[str, Said]:
    """One trial, and its verdict."""
    chance, commands = random.Random(f"{kind.name} {how} {number}"), kind.commands
    if how == "cut" and kind.cut:
        commands = kind.cut if number % REMADE == REMADE - 1 else tuple(f"{command} --dry-run" for command in kind.cut)
    path = chance.choice(sorted(project.top.glob(kind.files)))
    outside = None if path.is_relative_to(project.out) else (path.read_bytes(), path.stat())
    spoilt = damage(path, how, chance)
    said = project.say(commands)
    verdict = _verdict(project, path, spoilt, commands, said)
    if outside:
        _write(path, outside[0])
        os.utime(path, ns=(outside[1].st_atime_ns, outside[1].st_mtime_ns))
    project.restore(path)
    return verdict, said


def _verdict(project: Project, path: Path, spoilt: bytes, commands: Commands, said: Said) -> str:
    """``refused``: an error that names it; ``made again``, or ``no effect``: the same results as without damage."""
    if said.code not in (0, 2, 3, 4) or "Traceback" in said.err + said.out:
        return "TRACEBACK"
    if said.code:
        named = any(name in said.out + said.err for name in (path.name, path.parent.name, path.parent.parent.name))
        return "refused" if "error: " in said.err and named else "TRACEBACK"
    if commands[-1].endswith("--dry-run"):
        return "made again" if "damaged: " in said.out else "ACCEPTED"
    if commands[-1].split()[0] in READERS:
        return "no effect" if said.out == project.expected(commands, path)[0] else "ACCEPTED"
    results = project.results() if project.is_whole() else None
    again = path.name != "ledger.sqlite" and not (path.is_file() and path.read_bytes() == spoilt)
    if results != project.expected(commands, path)[1]:
        return "ACCEPTED"
    return "made again" if again else "no effect"


def count(project: Project, kind: Kind) -> dict[str, Counter[str]]:
    """Verdicts of all trials of a kind, counted; prints each trial that ends wrongly."""
    found: dict[str, Counter[str]] = {how: Counter() for how in kind.hows}
    started = time.perf_counter()
    for how in kind.hows:
        for number in range(TRIALS):
            verdict, said = attempt(project, kind, how, number)
            found[how][verdict] += 1
            if verdict in BAD:
                print(f"{kind.name}, {how}, trial {number}: {verdict}, exit {said.code}\n{said.out}{said.err[-2000:]}")
    if table := os.environ.get("OCEANPATH_DAMAGE_TABLE"):
        row = {"kind": kind.name, "commands": kind.commands, "counts": found, "s": time.perf_counter() - started}
        with Path(table).open("a") as file:
            file.write(json.dumps(row) + "\n")
    return found


def _write(path: Path, raw: bytes) -> None:
    """New bytes for a file that keeps its inode."""
    with path.open("r+b") as file:
        file.write(raw)
        file.truncate()


def _copy(source: Path, target: Path) -> None:
    """A copy with the same times, and with hard links where there are hard links."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def _listing(top: Path) -> dict[Path, tuple[int, int, int]]:
    found = {}
    for folder, folders, files in os.walk(top):
        for name in (*files, *(name for name in folders if Path(folder, name).is_symlink())):
            state = Path(folder, name).lstat()
            found[Path(folder, name)] = (state.st_size, state.st_mtime_ns, state.st_ino)
    return found
