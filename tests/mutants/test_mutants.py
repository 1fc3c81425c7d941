"""The mutation check changes what it says and nothing else, in the same order each time."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.__main__ import wilson
from tests.mutants.operators import edits, mutants
from tests.mutants.sample import PACKAGES, ROOT, accepted, draw, files_of, population

SOURCE = '''"""Words."""
def area(a: int, wide: bool = False) -> float:
    """More words."""
    if a > 2 and wide:
        raise ValueError("no", 3)
    b = a + 1.5
    b += min(a, not wide)
    return np.sqrt(b) if a else b.clip(0, 1)
'''


def test_every_operator_makes_its_changes_and_words_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "area.py").write_text(SOURCE)
    found = mutants(tmp_path, Path("area.py"))
    assert [(mutant.line, mutant.change) for mutant in found] == [
        (2, "False → True"),
        (4, "a > 2 and wide → not (a > 2 and wide)"),
        (4, "a > 2 and wide → a > 2 or wide"),
        (4, "a > 2 → a >= 2"),
        (4, "2 → 3"),
        (5, "raise ValueError('no', 3) → nothing"),
        (6, "a + 1.5 → a - 1.5"),
        (6, "1.5 → 3.0"),
        (7, "b += min(a, not wide) → nothing"),
        (7, "min(a, not wide) → max(a, not wide)"),
        (7, "not wide → wide"),
        (8, "return np.sqrt(b) if a else b.clip(0, 1) → return None"),
        (8, "np.sqrt(b) if a else b.clip(0, 1) → np.sqrt(b) if not a else b.clip(0, 1)"),
        (8, "np.sqrt(b) → b"),
        (8, "b.clip(0, 1) → b"),
        (8, "0 → 1"),
        (8, "1 → 2"),
    ]


def test_a_mutant_differs_from_its_module_and_the_file_stays_as_it_is() -> None:
    path = Path("oceanpath/stats/multiplicity.py")
    before = (ROOT / path).read_bytes()
    original = ast.unparse(ast.parse(before))
    for number in range(len(list(edits(ast.parse(before))))):
        tree = ast.parse(before)
        list(edits(tree))[number].apply()
        assert ast.unparse(ast.fix_missing_locations(tree)) != original
    for mutant in mutants(ROOT, path)[:3]:
        assert mutant.code(ROOT).co_filename == str(ROOT / path)
    assert (ROOT / path).read_bytes() == before


@pytest.mark.parametrize("package", PACKAGES)
def test_a_sample_is_the_same_each_time_and_has_all_modules_in_their_share(package: str) -> None:
    everything, sample = population(package), draw(package, 84, seed=0)
    assert sample == draw(package, 84, seed=0) != draw(package, 84, seed=1)
    assert len(sample) == len(set(sample)) == 84
    assert set(sample) <= set(everything)
    for path in {mutant.path for mutant in everything}:
        share = sum(mutant.path == path for mutant in everything) * 84 / len(everything)
        assert abs(sum(mutant.path == path for mutant in sample) - share) <= 2
    assert all((ROOT / name).exists() for mutant in sample for name in files_of(mutant))


def test_every_accepted_survivor_is_still_a_mutant_of_the_code() -> None:
    for entry in accepted():
        lines = {(mutant.text, mutant.change) for mutant in mutants(ROOT, Path(entry.module))}
        assert (entry.text, entry.change) in lines, f"remove from survivors.toml: {entry}"
        assert entry.reason


def test_the_interval_is_wilsons() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe (1998), table I
