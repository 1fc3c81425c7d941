"""Patch encoders by name. A new encoder is a card in `catalog`, and a module where no present one builds it.

An encoder is named by its card's name or an alias (`uni_v1`, `univ1`, `UNI2-h`; case and dashes do not matter), by
``module:factory`` for one of a user's own (see `oceanpath.slides.encoders.custom`), or by a name that an installed
package adds: an entry point of the group ``oceanpath.encoders`` names a light module that calls `register_encoder`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from oceanpath.errors import ExperimentError, nearest
from oceanpath.plugins import load_plugins
from oceanpath.slides.encoders.catalog import ENCODER_SPECS
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.user_code import source_digest
from oceanpath.slides.encoders.weights import find_weights, hash_file, local_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Encoder(Protocol):
    """What turns patches into features."""

    name: str
    dim: int
    input_px: int
    batch_size: int
    """Patches it likes in one call; the same number in every call gives the same bits."""
    threads: int
    """Calls of `encode` that may run side by side, one a core; 0 on a device that takes one at a time."""
    revision: str
    """Which weights, in their publisher's words: a commit, a version, ``local file``; empty without weights."""
    weights_sha256: str
    """Of the file of weights; empty without weights."""

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, dim] of `patches` [B, P, P, 3] RGB; a row depends on its own patch alone."""


GROUP = "oceanpath.encoders"
ENCODERS: dict[str, EncoderSpec] = {}
_NAMES: dict[str, str] = {}


def register_encoder(card: EncoderSpec) -> None:
    """Make an encoder known by its name and its aliases.

    Raises: ValueError: a name is taken.
    """
    names = [_plain(name) for name in (card.name, *card.aliases)]
    if taken := [name for name in names if name in _NAMES]:
        raise ValueError(f"the encoder {taken[0]!r} is registered already")
    ENCODERS[card.name] = card
    _NAMES.update(dict.fromkeys(names, card.name))


def canonical(name: str) -> str:
    """The name that results carry: an alias becomes its encoder's name, ``module:factory`` stays.

    Raises: ExperimentError: no such encoder; the message names the nearest.
    """
    return name if ":" in name else entry(name).name


def entry(name: str) -> EncoderSpec:
    """The card of an encoder.

    Raises: ExperimentError: no such encoder; the message names the nearest.
    """
    if _plain(name) not in _NAMES:
        load_plugins(GROUP)
    if _plain(name) in _NAMES:
        return ENCODERS[_NAMES[_plain(name)]]
    close = nearest(_plain(name), _NAMES)
    do = f"Did you mean {close[0]}?" if close else ""
    do = f"{do} oceanpath encoders list shows them all.".strip()
    raise ExperimentError("no such encoder", where="extract.encoder", got=name, do=do)


def build_encoder(name: str, device: str = "auto", options: EncoderOptions | None = None) -> Encoder:
    """A ready encoder.

    Args:
        name: A name, an alias, or ``module:factory``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
        options: Weights, revision and precision.

    Raises:
        ExperimentError: no such encoder or device, or options that it has no use for.
        MissingExtraError: a package that it needs is not installed.
        StageError: its weights cannot be downloaded, or an encoder of the user's own breaks the contract.
        ArtifactError: its weights are damaged, or another network's.
    """
    options = options or EncoderOptions()
    if ":" in name:
        from oceanpath.slides.encoders.custom import build_own  # loads torch

        return build_own(name, device, options)
    card = entry(name)
    _refuse_useless(card, options)
    module: Any = importlib.import_module(card.module)
    encoder: Encoder = module.build(card, device, options)
    return encoder


def prepare_encoder(name: str, options: EncoderOptions) -> str:
    """Make sure that the weights are on this machine, downloading them if need be; loads neither numpy nor torch.

    Returns:
        What the features depend on beside the name: sha256 of the weights, and of the source of a user's own encoder;
        empty for an encoder that is all code.

    Raises: OceanPathError: as `build_encoder` does for names, options and weights.
    """
    if ":" in name:
        read = [hash_file(local_file(options.weights, name))] if options.weights else []
        return " ".join([source_digest(name), *read])
    card = entry(name)
    _refuse_useless(card, options)
    return find_weights(card, options).sha256 if card.hub else ""


def _refuse_useless(card: EncoderSpec, options: EncoderOptions) -> None:
    if card.hub is None and (options.weights or options.revision):
        key = "weights" if options.weights else "revision"
        raise ExperimentError("the encoder has no weights to choose", where=f"extract.{key}", got=card.name)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


for _card in ENCODER_SPECS:
    register_encoder(_card)
