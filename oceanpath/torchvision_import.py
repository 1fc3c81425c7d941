"""torchvision, importable beside any build of torch.

Its wheel from the package registry is compiled against CUDA libraries; beside a CPU build of torch its compiled half
cannot be loaded, and `import torchvision` ends with "operator torchvision::nms does not exist", because its Python half
describes two operators that the other half would have defined. timm imports it, and so does Lightning where it is
installed. Declaring the schemas first lets the import pass: transforms and models work, the operators themselves (box
suppression) do not, and nothing here calls them. The declaration is made only after the import has failed in exactly
this way.
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
"""Schemas live as long as the object that declared them."""


def import_torchvision() -> ModuleType:
    """The module torchvision, with two operators declared where its compiled half does not fit this torch.

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
        del sys.modules[name]  # half imported
    if not _declared:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # untyped in torch
        for operator in OPERATORS:
            library.define(operator + SCHEMA)  # type: ignore[no-untyped-call]  # untyped in torch
        _declared.append(library)
    return importlib.import_module("torchvision")
