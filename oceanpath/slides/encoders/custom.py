"""Encoders of a user's own: ``extract.encoder = "module:factory"``.

`factory(device: str, options: EncoderOptions)` returns an object as `oceanpath.slides.encoders.Encoder` describes it.
For a torch network that is four lines:

    def factory(device, options):
        card = Card("mine", "", 512, 224, "ours", "ours", view=View(224, 224, "bicubic", *IMAGENET))
        network = torch.jit.load(options.weights)           # [B, 3, 224, 224] -> [B, 512]
        return TorchEncoder(card, network, place(device), options.precision, None)

Before the first slide is read it is held to the laws of `oceanpath.slides.encoders.contract`. The source file that the
module names is part of the fingerprint, and the content of `extract.weights`; what else it reads is the user's to tell.
"""

from __future__ import annotations

import importlib

from oceanpath.errors import ExperimentError, StageError
from oceanpath.slides.encoders import Encoder
from oceanpath.slides.encoders.contract import check_contract
from oceanpath.slides.encoders.spec import EncoderOptions
from oceanpath.slides.encoders.user_code import source_of


def build_own(name: str, device: str, options: EncoderOptions) -> Encoder:
    """The encoder behind ``module:factory``, tried.

    Raises:
        ExperimentError: no such module or factory, or the module cannot be imported.
        StageError: it breaks the contract.
    """
    encoder = load_own(name, device, options)
    if broken := [verdict for verdict in check_contract(encoder) if not verdict.holds]:
        said = "; ".join(f"{verdict.law} {verdict.said}".strip() for verdict in broken)
        do = f"oceanpath encoders check {name} says more."
        raise StageError("the encoder breaks its contract", where=f"encoder {name}", got=said, do=do)
    return encoder


def load_own(name: str, device: str, options: EncoderOptions) -> Encoder:
    """The encoder behind ``module:factory``, not tried; without a revision or a digest of weights it gets empty ones.

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
