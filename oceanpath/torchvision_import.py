"""Import torchvision with any build of torch.

Its wheel on PyPI is compiled against CUDA libraries; with a CPU build of torch its compiled part cannot be loaded, and
`import torchvision` ends with "operator torchvision::nms does not exist", because its Python part refers to two
operators that the compiled part would have defined. timm imports it.
Declaring the schemas first makes the import succeed: transforms and models work, the operators themselves (box
suppression) do not, and nothing here calls them. The declaration is made only after the import has failed with this
error.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

MISSING_OPERATOR = "torchvision::nms does not exist"
OPERATORS = ("nms", "qnms")
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []
"""Schemas exist as long as the object that declared them."""


def import_torchvision() -> ModuleType:
    """The module torchvision, with two operators declared if its compiled part does not fit this torch.

    Raises:
        ModuleNotFoundError: it is not installed.
        RuntimeError: it cannot be imported for another reason.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if MISSING_OPERATOR not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # remove the partial import
    if not _declared:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # untyped in torch
        for operator in OPERATORS:
            library.define(operator + SCHEMA)  # type: ignore[no-untyped-call]  # untyped in torch
        _declared.append(library)
    return importlib.import_module("torchvision")
