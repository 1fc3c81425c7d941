"""Code that changes results changes a version: see `code_digests.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import code_digests


def test_every_stage_s_code_is_what_its_version_says() -> None:
    left = sorted(code_digests.changed())
    assert not left, (
        f"{left}: raise the version (--raised) or say why results are the same: python tests/code_digests.py"
    )


@pytest.mark.parametrize(
    ("after", "same"),
    [
        ('"""Other."""\nx = 1  # why\n\n\ndef f():\n    """Doc."""\n    return x\n', True),
        ("x = 2\n\n\ndef f():\n    return x\n", False),
        ("x = 1\n\n\ndef f():\n    return -x\n", False),
    ],
)
def test_only_code_counts(after: str, same: bool, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n\n\ndef f():\n    return x\n")
    (tmp_path / "b.py").write_text(after)
    assert (code_digests.bare(tmp_path / "a.py") == code_digests.bare(tmp_path / "b.py")) == same


def test_the_closure_reaches_what_is_imported_by_name() -> None:
    """`oceanpath.models.abmil` is named as text in the registry, and still belongs to the code of `train`."""
    _, imported = code_digests.bare(code_digests.ROOT / "oceanpath" / "models" / "registry.py")
    assert "oceanpath.models.abmil" in imported
