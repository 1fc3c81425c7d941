"""Custom encoders: ``extract.encoder = "module:factory"``.

`factory(device: str, options: EncoderOptions)` returns an object with the interface
`oceanpath.slides.encoders.Encoder`. For a torch network this takes four lines:

    def factory(device, options):
        spec = EncoderSpec("my_encoder", "", 512, 224, "", "", view=View(224, 224, "bicubic", *IMAGENET))
        network = torch.jit.load(options.weights)           # [B, 3, 224, 224] -> [B, 512]
        return TorchEncoder(spec, network, resolve_device(device), options.precision, None)

Before the first slide is read, its contract is checked (`oceanpath.slides.encoders.contract`). The source file of the
module and the content of `extract.weights` are part of the fingerprint; other files that it reads are not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from oceanpath.errors import ExperimentError, StageError
from oceanpath.slides.encoders.contract import check_contract
from oceanpath.slides.encoders.spec import EncoderOptions
from oceanpath.slides.encoders.user_code import source_of

if TYPE_CHECKING:
    from oceanpath.slides.encoders import Encoder


def build_custom(name: str, device: str, options: EncoderOptions) -> Encoder:
    """The encoder of ``module:factory``, with its contract checked.

    Raises:
        ExperimentError: no such module or factory, or the module cannot be imported.
        StageError: it violates the contract.
    """
    encoder = load_custom(name, device, options)
    if failed := [check for check in check_contract(encoder) if not check.passed]:
        got = "; ".join(f"{check.name} {check.detail}".strip() for check in failed)
        do = f"See all checks with: oceanpath encoders check {name}"
        raise StageError("the encoder violates its contract", where=f"encoder {name}", got=got, do=do)
    return encoder


def load_custom(name: str, device: str, options: EncoderOptions) -> Encoder:
    """The encoder of ``module:factory``, unchecked; a missing revision or digest of weights is set to "".

    Raises: ExperimentError: no such module or factory, or the module cannot be imported.
    """
    source_of(name)
    module, _, factory = name.partition(":")
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        got = f"{name} ({error})"
        raise ExperimentError("the encoder cannot be imported", where="extract.encoder", got=got) from error
    encoder: Encoder = make(device, options)
    for attribute in ("revision", "weights_sha256"):
        if not isinstance(getattr(encoder, attribute, None), str):
            setattr(encoder, attribute, "")
    return encoder
