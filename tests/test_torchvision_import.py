"""torchvision with any build of torch, or without it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

from oceanpath import torchvision_import


def test_other_errors_of_torchvision_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> ModuleType:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="the disk is on fire"):
        torchvision_import.import_torchvision()


def test_training_can_be_imported_whatever_torchvision_is() -> None:
    """In a process of its own."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", "import oceanpath.fit.trainer"], check=True)
