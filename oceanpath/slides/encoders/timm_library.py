"""Import of timm, and the error if it is not installed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from oceanpath.errors import MissingExtraError
from oceanpath.torchvision_import import import_torchvision


def import_timm(needed_by: str) -> ModuleType:
    """The module timm.

    Raises: MissingExtraError: timm or torchvision is not installed.
    """
    with missing_package_reported(needed_by):
        import_torchvision()
        return importlib.import_module("timm")


@contextmanager
def missing_package_reported(encoder: str) -> Iterator[None]:
    """In this context a missing package raises an error that names the extra to install.

    Raises: MissingExtraError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        do = "Install it with: python -m pip install 'oceanpath[encoders]'"
        raise MissingExtraError(
            f"the encoder {encoder} needs a package that is not installed", expected=error.name, do=do
        ) from error
