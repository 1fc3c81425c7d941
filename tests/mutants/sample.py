"""Which mutants are tried: the same for the same seed and the same code, spread evenly over modules and lines."""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from tests.mutants.operators import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("stats", "fit", "bags", "stages/split", "stages/export")
DECLARATIONS = ("__init__.py", "stage.py")
"""No behaviour: a docstring, and the fields of a `Stage`, which tests/test_code_digests.py holds."""
ACCEPTED = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True)
class Accepted:
    """A mutant that no test can notice, or need notice."""

    module: str
    text: str
    change: str
    reason: str


def modules(package: str) -> list[Path]:
    """Modules of a package below oceanpath/, or the one that is named, relative to the root."""
    folder = ROOT / "oceanpath" / package
    found = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    return [path.relative_to(ROOT) for path in found if path.name not in DECLARATIONS]


def population(package: str) -> list[Mutant]:
    """All mutants of a package, by module and line."""
    return [mutant for path in modules(package) for mutant in mutants(ROOT, path)]


def draw(package: str, count: int, seed: int) -> list[Mutant]:
    """One mutant per each of `count` equal runs of lines, so that every module is covered; all where fewer exist."""
    everything = population(package)
    count, chance = min(count, len(everything)), random.Random(f"{seed}/{package}")
    ends = [i * len(everything) // count for i in range(count + 1)]
    return [everything[chance.randrange(first, last)] for first, last in pairwise(ends)]


def files_of(mutant: Mutant) -> tuple[str, ...]:
    """The tests of a module: its own file, the folder of its package or the nearest one above, files that import it."""
    folder = Path("tests") / mutant.path.parent.relative_to("oceanpath")
    own = folder / f"test_{mutant.path.name}"
    nearest = next(path for path in (folder, *folder.parents) if (ROOT / path).exists())
    others = [path for path in _importing(mutant.path) if nearest not in path.parents]
    return tuple(str(path) for path in (own, nearest, *others) if (ROOT / path).exists())


def _importing(module: Path) -> list[Path]:
    """Test files that name a module, such as ``oceanpath.stats.delong``."""
    name = re.compile(re.escape(".".join(module.with_suffix("").parts)) + r"\b")
    return [path for path, text in _test_files() if name.search(text)]


@cache
def _test_files() -> list[tuple[Path, str]]:
    """All test files below the root, with their contents."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [(path.relative_to(ROOT), path.read_text(encoding="utf-8")) for path in files]


def accepted() -> list[Accepted]:
    """The entries of survivors.toml."""
    return [Accepted(**entry) for entry in tomllib.loads(ACCEPTED.read_text()).get("accepted", [])]


def reason_of(mutant: Mutant, entries: list[Accepted]) -> str:
    """Why this mutant may survive; "" where nobody said."""
    wanted = (str(mutant.path), mutant.text, mutant.change)
    return next((e.reason for e in entries if (e.module, e.text, e.change) == wanted), "")
